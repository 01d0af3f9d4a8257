package bench

import (
	"context"
	"testing"
)

// TestEachClientWorks gives the clients no time at all: each still does one operation, so that no figure is made of nothing.
func TestEachClientWorks(t *testing.T) {
	t.Parallel()
	m, err := EachClient(t.Context(), 3, 0, func(context.Context, int) error { return nil })
	if err != nil || m.Count != 3 {
		t.Errorf("%d operations, %v; want one of each of 3 clients", m.Count, err)
	}
}
