package relay

import "testing"

func TestWanted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		filters []string
		subject string
		want    bool
	}{
		{nil, "a.b.c", true},
		{[]string{"a.b.c"}, "a.b.c", true},
		{[]string{"a.b.c"}, "a.b", false},
		{[]string{"a.b"}, "a.b.c", false},
		{[]string{"a.*.c"}, "a.b.c", true},
		{[]string{"a.*.c"}, "a.b.d", false},
		{[]string{"a.>"}, "a.b.c", true},
		{[]string{"a.>"}, "a", false},
		{[]string{"*"}, "a.b", false},
		{[]string{"x.*", "a.*.*"}, "a.b.c", true},
	}
	for _, tt := range tests {
		if got := wanted(tokens(tt.filters), tt.subject); got != tt.want {
			t.Errorf("filters %q, subject %s: %t, want %t", tt.filters, tt.subject, got, tt.want)
		}
	}
}
