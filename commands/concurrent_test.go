package commands_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"waybill/commands"
	"waybill/domain/order"
	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

func TestOneOfManyThatExpectOneVersionWins(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			buses := []*commands.Bus{newBus(t, log), newBus(t, log)}
			id := newOrder()
			must(t, buses[0], placeCommand(id))
			for version := int64(1); version <= 5; version++ {
				var won, lost atomic.Int64
				var wg sync.WaitGroup
				for i := range 20 {
					wg.Go(func() {
						c := commands.OnOrder(newID(), order.Tag{ID: id, Tags: []string{fmt.Sprint("t", version, "-", i)}, Now: now})
						c.Expected = &version
						switch _, err := buses[i%2].Execute(t.Context(), c); {
						case err == nil:
							won.Add(1)
						case isVersion(err, version+1):
							lost.Add(1)
						default:
							t.Errorf("tag: %v", err)
						}
					})
				}
				wg.Wait()
				if won.Load() != 1 || lost.Load() != 19 {
					t.Errorf("at version %d: %d won, %d lost; want 1 and 19", version, won.Load(), lost.Load())
				}
			}
		})
	}
}

func TestTwoProcessesNumberOrdersApart(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	pool, err := eventstore.NewPool(t.Context(), dsn, eventstore.PoolConfig{Role: eventstore.RoleAppend})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	log := openLog(t, dsn)
	var buses []*commands.Bus
	for range 2 { // an allocator of its own each, as two processes have
		buses = append(buses, newBus(t, log, func(c *commands.Config) { c.Numbers = commands.NewBlocks(eventstore.NewCounters(pool)) }))
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 40 {
				r, err := buses[i%2].Execute(t.Context(), placeCommand(newOrder()))
				if err != nil {
					t.Errorf("place: %v", err)
					return
				}
				placed, ok := r.Events[0].Event.(order.Placed)
				mu.Lock()
				if number := placed.Details.Number; !ok || number == "" || seen[number] {
					t.Errorf("number %q, given before: %t", number, seen[number])
				}
				seen[placed.Details.Number] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestTwoBusesAnswerWithoutContention has two buses fight over one item: no command may run out of attempts.
func TestTwoBusesAnswerWithoutContention(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	buses := []*commands.Bus{newBus(t, openLog(t, dsn)), newBus(t, openLog(t, dsn))}
	must(t, buses[0], receive("MUG", 100_000))
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 20 {
				if _, err := buses[i%2].Execute(t.Context(), reserve(1, "MUG")); err != nil {
					t.Errorf("reserve: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got := item(t, openLog(t, dsn), "MUG").Reserved; got != 320 {
		t.Errorf("%d reserved, want 320", got)
	}
}
