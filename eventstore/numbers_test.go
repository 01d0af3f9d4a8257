package eventstore_test

import (
	"sync"
	"testing"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

func TestCountersHandOutEachNumberOnce(t *testing.T) {
	t.Parallel()
	pool, err := eventstore.NewPool(t.Context(), devtest.Database(t), eventstore.PoolConfig{Role: eventstore.RoleAppend})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	c := eventstore.NewCounters(pool)

	const callers, times, block = 8, 20, 7
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range times {
				first, err := c.Take(t.Context(), "WEB", block)
				if err != nil {
					t.Errorf("take: %v", err)
					return
				}
				mu.Lock()
				for n := first; n < first+block; n++ {
					if seen[n] {
						t.Errorf("number %d was handed out twice", n)
					}
					seen[n] = true
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for n := int64(1); n <= callers*times*block; n++ {
		if !seen[n] {
			t.Errorf("number %d was not handed out", n)
		}
	}
	first, err := c.Take(t.Context(), "other", 1)
	if err != nil || first != 1 {
		t.Errorf("first number of another name = %d, %v; want 1", first, err)
	}
}

func TestCountersRefuseWhatTheyCannotKeep(t *testing.T) {
	t.Parallel()
	c := eventstore.NewCounters(nil)
	for name, n := range map[string]int64{"": 1, "WEB": 0, "WE\x00B": 1} {
		if first, err := c.Take(t.Context(), name, n); err == nil {
			t.Errorf("Take(%q, %d) = %d, want an error", name, n, first)
		}
	}
}
