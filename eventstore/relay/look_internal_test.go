package relay

import (
	"slices"
	"testing"
)

func TestSuspects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                           string
		confirmed, first, last, window int64
		want                           [][2]int64
	}{
		{"empty stream", unknown, 1, 0, 10, nil},
		{"emptied by age", 50, 101, 100, 10, nil},
		{"start", unknown, 1, 100, 10, [][2]int64{{91, 100}}},
		{"start of a short stream", unknown, 98, 100, 10, [][2]int64{{98, 100}}},
		{"all confirmed", 100, 1, 100, 10, [][2]int64{{100, 100}}},
		{"tail lost", 100, 1, 60, 10, [][2]int64{{60, 60}}},
		{"in flight", 95, 1, 100, 10, [][2]int64{{96, 100}}},
		{"another relay went on", 50, 1, 100, 10, [][2]int64{{51, 60}, {100, 100}}},
		{"another relay went on, and age took the rest", 50, 90, 100, 10, [][2]int64{{100, 100}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := suspects(tt.confirmed, tt.first, tt.last, tt.window); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
