package commands_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"waybill/commands"
	"waybill/domain"
	"waybill/domain/order"
	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

// stubborn sends a command until it has an outcome; what failed by contention may be sent again.
func stubborn(ctx context.Context, b *commands.Bus, c commands.Command) (commands.Result, error) {
	for {
		r, err := b.Execute(ctx, c)
		if !errors.Is(err, commands.ErrContended) {
			return r, err
		}
	}
}

func isRefused(err error, code string) bool {
	r, ok := errors.AsType[*commands.Refused](err)
	return ok && r.Code == code
}

func TestOneUnitIsSoldOnce(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			must(t, b, receive("MUG", 1))
			var sold, refused atomic.Int64
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					switch _, err := b.Execute(t.Context(), reserve(1, "MUG")); {
					case err == nil:
						sold.Add(1)
					case isRefused(err, "insufficient-stock"):
						refused.Add(1)
					default:
						t.Errorf("reserve: %v", err)
					}
				})
			}
			wg.Wait()
			if i := item(t, log, "MUG"); sold.Load() != 1 || refused.Load() != 49 || i.Available() != 0 || i.Reserved != 1 {
				t.Errorf("sold %d, refused %d, %d available; want 1, 49, 0", sold.Load(), refused.Load(), i.Available())
			}
		})
	}
}

func TestAllOrNothingOverSeveralItems(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			must(t, b, receive("X", 1))
			mustRefuse(t, b, reserve(1, "X", "Y"), "insufficient-stock")
			if i := item(t, log, "X"); i.Reserved != 0 {
				t.Errorf("X has %d units reserved, want none", i.Reserved)
			}
			must(t, b, reserve(1, "X"))
		})
	}
}

func TestOppositeOrdersDoNotWaitInACircle(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			const rounds = 1000
			must(t, b, receive("X", rounds))
			must(t, b, receive("Y", rounds))
			var wg sync.WaitGroup
			var accepted atomic.Int64
			work := make(chan commands.Command)
			for range 16 {
				wg.Go(func() {
					for c := range work {
						_, err := b.Execute(t.Context(), c)
						if err == nil {
							accepted.Add(1)
						} else if !isRefused(err, "insufficient-stock") {
							t.Errorf("reserve: %v", err)
						}
					}
				})
			}
			for i := range rounds {
				c := reserve(1, "X", "Y")
				if i%2 == 1 { // as another client would put it: the steps the other way round
					c.Steps[0], c.Steps[1] = c.Steps[1], c.Steps[0]
				}
				work <- c
			}
			close(work)
			wg.Wait()
			for _, sku := range []string{"X", "Y"} {
				if i := item(t, log, sku); i.Reserved != accepted.Load() || accepted.Load() != rounds {
					t.Errorf("%s has %d reserved, %d commands were accepted; want %d", sku, i.Reserved, accepted.Load(), rounds)
				}
			}
		})
	}
}

// TestTwoProcessesSellOneStock has two logs on one database, as two processes have, and quantities that differ: a
// decision on a state that never was would show.
func TestTwoProcessesSellOneStock(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	logA, logB := openLog(t, dsn), openLog(t, dsn)
	buses := []*commands.Bus{newBus(t, logA), newBus(t, logB)}
	const stock, senders = 600, 12
	must(t, buses[0], receive("MUG", stock))
	var mu sync.Mutex
	accepted := map[uuid.UUID]commands.Result{}
	var sold int64
	var wg sync.WaitGroup
	for i := range senders {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		wg.Go(func() {
			for range 60 {
				units := rng.Int64N(5) + 1
				c := reserve(units, "MUG")
				switch r, err := stubborn(t.Context(), buses[i%2], c); {
				case err == nil:
					mu.Lock()
					accepted[c.ID] = r
					sold += units
					mu.Unlock()
				case isRefused(err, "insufficient-stock"):
				default:
					t.Errorf("reserve: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	i := item(t, logA, "MUG")
	if i.Reserved != sold || i.Reserved > stock {
		t.Errorf("%d units reserved, %d acknowledged, %d there were", i.Reserved, sold, stock)
	}
	checkAcknowledged(t, logA, accepted, 1)
}

// checkAcknowledged finds every accepted command in the log once, where its result says, and nothing besides but extra
// events.
func checkAcknowledged(t *testing.T, log eventstore.Log, accepted map[uuid.UUID]commands.Result, extra int) {
	t.Helper()
	seen := map[uuid.UUID]int64{}
	events := 0
	for from := int64(1); ; {
		page, err := log.ReadLog(t.Context(), from, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if e.Position != from {
				t.Fatalf("position %d, want %d", e.Position, from)
			}
			from++
			events++
			if e.CommandID == uuid.Nil {
				continue
			}
			if _, twice := seen[e.CommandID]; twice {
				t.Errorf("command %s stands in the log twice", e.CommandID)
			}
			seen[e.CommandID] = e.Position
		}
	}
	want := extra
	for id, r := range accepted {
		want += len(r.Events)
		if len(r.Events) > 0 && seen[id] != r.Events[0].Position {
			t.Errorf("command %s stands at position %d, acknowledged at %d", id, seen[id], r.Events[0].Position)
		}
	}
	if events != want {
		t.Errorf("log has %d events, %d were acknowledged", events, want)
	}
}

// heldLog tells when a commit was proposed.
type heldLog struct {
	*eventstore.Postgres
	proposed chan struct{}
}

func (l heldLog) Propose(ctx context.Context, c eventstore.Commit, after ...*eventstore.Proposal) (*eventstore.Proposal, error) {
	p, err := l.Postgres.Propose(ctx, c, after...)
	l.proposed <- struct{}{}
	return p, err
}

// TestAFailedProposalTakesAlongWhatWasDecidedOnIt is the case that a version number alone does not catch: two commands of
// one process wait in its queue, the second decided on the first; a writer elsewhere takes the version of the first; and the
// second finds the version that it expects, with other events behind it.
func TestAFailedProposalTakesAlongWhatWasDecidedOnIt(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	rival := newBus(t, openLog(t, dsn))
	must(t, rival, receive("MUG", 2))

	queue, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer queue.Close()
	held := heldLog{Postgres: queue, proposed: make(chan struct{}, 100)}
	bus := newBus(t, held)
	var wg sync.WaitGroup
	var sold atomic.Int64
	for range 2 {
		wg.Go(func() {
			_, err := bus.Execute(t.Context(), reserve(1, "MUG"))
			if err == nil {
				sold.Add(1)
			} else if !isRefused(err, "insufficient-stock") {
				t.Errorf("reserve: %v", err)
			}
		})
	}
	for range 2 {
		<-held.proposed
	}
	must(t, rival, reserve(2, "MUG"))
	ctx, stop := context.WithCancel(t.Context())
	var runs sync.WaitGroup
	runs.Go(func() {
		if err := queue.Run(ctx); err != nil {
			t.Errorf("run the log: %v", err)
		}
	})
	wg.Wait()
	stop()
	runs.Wait()
	if i := item(t, queue, "MUG"); sold.Load() != 0 || i.Reserved != 2 {
		t.Errorf("%d sold, %d reserved of 2; the rival had them all", sold.Load(), i.Reserved)
	}
}

// TestAFailingNeighbourDoesNotTakeOthersAlong mixes commands that lose (claims that are taken, ids that were used) with others
// on the same stream.
func TestAFailingNeighbourDoesNotTakeOthersAlong(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			holder := receive("MUG", 1000)
			holder.Claims = []string{"shipment:1"}
			must(t, b, holder)
			var mu sync.Mutex
			accepted := map[uuid.UUID]commands.Result{}
			var wg sync.WaitGroup
			for i := range 120 {
				wg.Go(func() {
					c := reserve(1, "MUG")
					switch i % 3 {
					case 0:
						c.Claims = []string{"shipment:1"}
					case 1:
						c.ID = holder.ID // replayed
					}
					r, err := stubborn(t.Context(), b, c)
					switch {
					case i%3 == 0 && !isRefused(err, "claim-taken"):
						t.Errorf("taken claim: %v", err)
					case i%3 == 1 && err != nil && !errors.Is(err, commands.ErrInFlight):
						t.Errorf("used id: %v", err)
					case i%3 == 2 && err != nil:
						t.Errorf("reserve: %v", err)
					case i%3 == 2:
						mu.Lock()
						accepted[c.ID] = r
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if i := item(t, log, "MUG"); i.Reserved != 40 {
				t.Errorf("%d reserved, want 40", i.Reserved)
			}
			checkAcknowledged(t, log, accepted, 1)
		})
	}
}

// TestContextsThatEndLoseNothing cancels commands at random moments: afterwards each has one outcome, and sending it again
// finds it.
func TestContextsThatEndLoseNothing(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log)
			const total, skus = 10_000, 64
			for s := range skus {
				must(t, b, receive(fmt.Sprint("S", s), total))
			}
			var mu sync.Mutex
			sent := make([]commands.Command, 0, total)
			results := map[uuid.UUID]commands.Result{}
			var wg sync.WaitGroup
			var unknown atomic.Int64
			for w := range 16 {
				rng := rand.New(rand.NewPCG(uint64(w), 2))
				wg.Go(func() {
					for range total / 16 {
						c := reserve(1, fmt.Sprint("S", rng.IntN(skus)))
						ctx, cancel := context.WithCancel(t.Context())
						done := make(chan struct{})
						if rng.IntN(2) == 0 {
							spins := rng.IntN(2000)
							go func() {
								defer close(done)
								for range spins {
									_ = ctx.Err()
								}
								cancel()
							}()
						} else {
							close(done)
						}
						r, err := b.Execute(ctx, c)
						<-done
						cancel()
						mu.Lock()
						sent = append(sent, c)
						if err == nil {
							results[c.ID] = r
						}
						mu.Unlock()
						switch {
						case errors.Is(err, eventstore.ErrOutcomeUnknown):
							unknown.Add(1)
						case err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, commands.ErrContended):
							t.Errorf("execute: %v", err)
						}
					}
				})
			}
			wg.Wait()
			fresh := newBus(t, log)
			work := make(chan int)
			for range 16 {
				wg.Go(func() {
					for i := range work {
						c, bus := sent[i], b
						if i%2 == 1 {
							bus = fresh
						}
						r, err := stubborn(t.Context(), bus, c)
						if err != nil {
							t.Errorf("sent again: %v", err)
							continue
						}
						mu.Lock()
						if old, ok := results[c.ID]; ok && (!r.Replayed || r.Position != old.Position) {
							t.Errorf("command %s was answered with position %d, then with %d", c.ID, old.Position, r.Position)
						}
						results[c.ID] = r
						mu.Unlock()
					}
				})
			}
			for i := range sent {
				work <- i
			}
			close(work)
			wg.Wait()
			t.Logf("%d of %d commands ended unknown", unknown.Load(), len(sent))
			var reserved int64
			for s := range skus {
				reserved += item(t, log, fmt.Sprint("S", s)).Reserved
			}
			if reserved != int64(len(sent)) {
				t.Errorf("%d units reserved, %d commands sent", reserved, len(sent))
			}
			checkAcknowledged(t, log, results, skus)
		})
	}
}

// TestEvictionUnderLoad runs on a cache that holds next to nothing.
func TestEvictionUnderLoad(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			b := newBus(t, log, func(c *commands.Config) { c.CacheEntries, c.CacheBytes = 2, 1 })
			const senders, rounds = 16, 40
			ids := make([]order.ID, 8)
			for i := range ids {
				ids[i] = newOrder()
				must(t, b, placeCommand(ids[i]))
			}
			var wg sync.WaitGroup
			for s := range senders {
				wg.Go(func() {
					for n := range rounds {
						note := order.AddNote{ID: ids[(s+n)%len(ids)], NoteID: fmt.Sprint(s, "-", n), Text: domain.NewPersonal("ring twice"), Now: now}
						if _, err := stubborn(t.Context(), b, commands.OnOrder(newID(), note)); err != nil {
							t.Errorf("note: %v", err)
						}
					}
				})
			}
			wg.Wait()
			if got, want := head(t, log), int64(len(ids)+senders*rounds); got != want {
				t.Errorf("log has %d events, want %d", got, want)
			}
		})
	}
}
