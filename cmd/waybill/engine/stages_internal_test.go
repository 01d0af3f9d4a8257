package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
)

func TestStagesStopInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stopped []string
		wait := func(name string) part {
			return part{name, func(ctx context.Context) error {
				<-ctx.Done()
				stopped = append(stopped, name)
				return nil
			}}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- runStages(ctx, slog.New(slog.DiscardHandler), []stage{
				{"first", []part{wait("a")}}, {"none", nil}, {"second", []part{wait("b")}}, {"third", []part{wait("c")}},
			})
		}()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if want := []string{"a", "b", "c"}; !slices.Equal(stopped, want) {
			t.Errorf("stopped in the order %v, want %v", stopped, want)
		}
	})
}

func TestStagesFailTogether(t *testing.T) {
	t.Parallel()
	sick := errors.New("sick")
	wait := part{"well", func(ctx context.Context) error { <-ctx.Done(); return nil }}
	tests := map[string]struct {
		run  func(context.Context) error
		want error
	}{
		"an error":        {func(context.Context) error { return sick }, sick},
		"an early return": {func(context.Context) error { return nil }, errEnded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := runStages(t.Context(), slog.New(slog.DiscardHandler), []stage{{"one", []part{wait}}, {"two", []part{{"sick", tt.run}, wait}}})
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
