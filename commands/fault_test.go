package commands_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"waybill/commands"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// hookedLog is a log in memory with something between it and the bus.
type hookedLog struct {
	*eventstore.Memory
	propose func(ctx context.Context, c eventstore.Commit) (*eventstore.Proposal, error)
	outcome func(ctx context.Context, id uuid.UUID) (eventstore.Outcome, bool, error)
	reads   atomic.Int64 // events
}

func (l *hookedLog) Propose(ctx context.Context, c eventstore.Commit, after ...*eventstore.Proposal) (*eventstore.Proposal, error) {
	if l.propose != nil {
		return l.propose(ctx, c)
	}
	return l.Memory.Propose(ctx, c, after...)
}

func (l *hookedLog) Outcome(ctx context.Context, id uuid.UUID) (eventstore.Outcome, bool, error) {
	if l.outcome != nil {
		return l.outcome(ctx, id)
	}
	return l.Memory.Outcome(ctx, id)
}

func (l *hookedLog) ReadStream(ctx context.Context, stream string, from int64) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		for e, err := range l.Memory.ReadStream(ctx, stream, from) {
			l.reads.Add(1)
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestARivalBetweenLoadAndAppend(t *testing.T) {
	t.Parallel()
	log := &hookedLog{Memory: eventstore.NewMemory()}
	b, rival := newBus(t, log), newBus(t, log.Memory)
	must(t, rival, receive("MUG", 3))
	log.propose = func(ctx context.Context, c eventstore.Commit) (*eventstore.Proposal, error) {
		log.propose = nil
		must(t, rival, reserve(2, "MUG"))
		return log.Memory.Propose(ctx, c)
	}
	mustRefuse(t, b, reserve(2, "MUG"), "insufficient-stock") // decided again, on what the rival left

	log.propose = func(ctx context.Context, c eventstore.Commit) (*eventstore.Proposal, error) {
		log.propose = nil
		must(t, rival, receive("MUG", 1))
		return log.Memory.Propose(ctx, c)
	}
	// A refusal is a decision as well: what it was made on no longer holds when it is to be stored.
	must(t, b, reserve(2, "MUG"))
	if i := item(t, log, "MUG"); i.Reserved != 4 || i.Available() != 0 {
		t.Errorf("%d reserved, %d available; want 4 and 0", i.Reserved, i.Available())
	}
}

func TestUnknownOutcomesAreLookedUp(t *testing.T) {
	t.Parallel()
	lost := fmt.Errorf("connection is gone: %w", eventstore.ErrOutcomeUnknown)
	for name, carriedOut := range map[string]bool{"carried out": true, "not carried out": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &hookedLog{Memory: eventstore.NewMemory()}
			b := newBus(t, log)
			must(t, b, receive("MUG", 100))
			n := 0
			log.propose = func(ctx context.Context, c eventstore.Commit) (*eventstore.Proposal, error) {
				if n++; n%2 == 0 {
					return log.Memory.Propose(ctx, c)
				}
				if carriedOut {
					if _, err := log.Append(ctx, c); err != nil {
						return nil, err
					}
				}
				return nil, lost
			}
			for range 20 {
				c := reserve(1, "MUG")
				r := must(t, b, c)
				if r.Replayed || len(r.Events) != 1 {
					t.Errorf("outcome %+v", r)
				}
				if got := must(t, newBus(t, log.Memory), c); !reflect.DeepEqual(got, again(r)) {
					t.Errorf("sent again %+v\nwant %+v", got, again(r))
				}
				mustRefuse(t, b, reserve(1000, "MUG"), "insufficient-stock")
			}
			if i := item(t, log, "MUG"); i.Reserved != 20 {
				t.Errorf("%d reserved, want 20", i.Reserved)
			}
		})
	}
}

func TestAnOutcomeThatNobodyCanTellIsUnknown(t *testing.T) {
	t.Parallel()
	log := &hookedLog{Memory: eventstore.NewMemory()}
	b := newBus(t, log)
	log.propose = func(ctx context.Context, c eventstore.Commit) (*eventstore.Proposal, error) {
		_, err := log.Append(ctx, c)
		return nil, errors.Join(err, eventstore.ErrOutcomeUnknown)
	}
	away := errors.New("database is away")
	log.outcome = func(context.Context, uuid.UUID) (eventstore.Outcome, bool, error) {
		return eventstore.Outcome{}, false, away
	}
	c := placeCommand(newOrder())
	if _, err := b.Execute(t.Context(), c); !errors.Is(err, eventstore.ErrOutcomeUnknown) || !errors.Is(err, away) {
		t.Errorf("error %v, want ErrOutcomeUnknown and the reason", err)
	}
	log.propose, log.outcome = nil, nil
	if r := must(t, b, c); !r.Replayed || head(t, log) != 1 {
		t.Errorf("sent again: %+v", r)
	}
}

func TestTheLogsOwnErrorsComeThrough(t *testing.T) {
	t.Parallel()
	for _, want := range []error{eventstore.ErrClosed, eventstore.ErrFenced} {
		log := &hookedLog{Memory: eventstore.NewMemory()}
		log.propose = func(context.Context, eventstore.Commit) (*eventstore.Proposal, error) { return nil, want }
		b := newBus(t, log)
		c := placeCommand(newOrder())
		if _, err := b.Execute(t.Context(), c); !errors.Is(err, want) || errors.Is(err, eventstore.ErrOutcomeUnknown) {
			t.Errorf("error %v, want %v", err, want)
		}
		log.propose = nil
		must(t, b, c)
	}
}

func TestAttemptsAreBoundedAndSpreadOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &hookedLog{Memory: eventstore.NewMemory()}
		b := newBus(t, log, func(c *commands.Config) { c.Attempts = 12 })
		var times []time.Time
		log.propose = func(_ context.Context, c eventstore.Commit) (*eventstore.Proposal, error) {
			times = append(times, time.Now())
			return nil, &eventstore.ConflictError{Stream: c.Streams[0].ID, Expected: c.Streams[0].Expected, Actual: 99}
		}
		start := time.Now()
		c := placeCommand(newOrder())
		if _, err := b.Execute(t.Context(), c); !errors.Is(err, commands.ErrContended) {
			t.Errorf("error %v, want ErrContended", err)
		}
		if len(times) != 12 {
			t.Fatalf("%d attempts, want 12", len(times))
		}
		if times[1] != start {
			t.Errorf("the second attempt came after %s, want at once", times[1].Sub(start))
		}
		for i := 2; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap > 50*time.Millisecond {
				t.Errorf("attempt %d came %s after the one before", i+1, gap)
			}
		}
		if total := time.Since(start); total == 0 || total > 250*time.Millisecond {
			t.Errorf("12 attempts took %s", total)
		}

		// A deadline ends it, with a known outcome: nothing was stored.
		b = newBus(t, log, func(c *commands.Config) { c.Attempts = 1_000_000 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Execute(ctx, c)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, eventstore.ErrOutcomeUnknown) {
			t.Errorf("error %v, want DeadlineExceeded and a known outcome", err)
		}
	})
}

func TestTheSameIDTwiceAtOnceIsInFlight(t *testing.T) {
	t.Parallel()
	log := &hookedLog{Memory: eventstore.NewMemory()}
	b := newBus(t, log)
	c := placeCommand(newOrder())
	log.propose = func(ctx context.Context, p eventstore.Commit) (*eventstore.Proposal, error) {
		log.propose = nil
		if _, err := b.Execute(ctx, c); !errors.Is(err, commands.ErrInFlight) {
			t.Errorf("error %v, want ErrInFlight", err)
		}
		return log.Memory.Propose(ctx, p)
	}
	must(t, b, c)
	if r := must(t, b, c); !r.Replayed {
		t.Errorf("afterwards %+v", r)
	}
}

// TestWhatIsInMemoryIsNotReadAgain counts what a command costs in reads: a new order none, a known stream none.
func TestWhatIsInMemoryIsNotReadAgain(t *testing.T) {
	t.Parallel()
	log := &hookedLog{Memory: eventstore.NewMemory()}
	b := newBus(t, log)
	log.outcome = func(context.Context, uuid.UUID) (eventstore.Outcome, bool, error) {
		t.Error("an outcome was looked up")
		return eventstore.Outcome{}, false, nil
	}
	id := newOrder()
	must(t, b, placeCommand(id))
	must(t, b, commands.OnOrder(newID(), order.Confirm{ID: id, Now: now}))
	must(t, b, receive("MUG", 10))
	must(t, b, reserve(1, "MUG"))
	mustRefuse(t, b, reserve(100, "MUG"), "insufficient-stock")
	must(t, b, reserve(1, "MUG"))
	if n := log.reads.Load(); n != 0 {
		t.Errorf("%d events were read, want none", n)
	}
	// An order that exists, unknown to this bus, is taken as new; the log knows better.
	mustRefuse(t, newBus(t, log), placeCommand(id), "order-already-placed")
}

func TestSnapshots(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := open(t)
			b := newBus(t, inner, func(c *commands.Config) { c.SnapshotEvery = 50 })
			runBus(t, b)
			const stream = "stock-MUG@BER1"
			for range 200 {
				must(t, b, receive("MUG", 1))
			}
			eventually(t, func() bool {
				s, ok, err := inner.LoadSnapshot(t.Context(), stream)
				return err == nil && ok && s.Version >= 50
			})
			s, _, err := inner.LoadSnapshot(t.Context(), stream)
			if err != nil || s.Version > 200 || s.Schema != stock.SnapshotSchema {
				t.Fatalf("snapshot %+v, %v", s, err)
			}
			state, err := stock.DecodeSnapshot(s.Schema, s.Data)
			if err != nil || state.OnHand != s.Version {
				t.Errorf("snapshot at version %d has %d on hand, %v", s.Version, state.OnHand, err)
			}
			mustRefuse(t, newBus(t, inner), reserve(201, "MUG"), "insufficient-stock")
			must(t, newBus(t, inner), reserve(200, "MUG"))
		})
	}
}

// snapshotsOf answers with one snapshot, or with an error.
type snapshotsOf struct {
	snapshot eventstore.Snapshot
	err      error
}

func (s snapshotsOf) LoadSnapshot(context.Context, string) (eventstore.Snapshot, bool, error) {
	return s.snapshot, s.err == nil, s.err
}

func (s snapshotsOf) SaveSnapshot(context.Context, eventstore.Snapshot) error { return s.err }

func TestASnapshotThatCannotBeReadMeansReplay(t *testing.T) {
	t.Parallel()
	log := eventstore.NewMemory()
	must(t, newBus(t, log), receive("MUG", 5))
	must(t, newBus(t, log), receive("MUG", 5))
	state := new(stock.Item)
	stock.Evolve(state, stock.Received{MovementID: "m", Quantity: 700, At: now})
	good, err := stock.EncodeSnapshot(state)
	if err != nil {
		t.Fatal(err)
	}
	of := func(schema int16, data []byte) snapshotsOf {
		return snapshotsOf{snapshot: eventstore.Snapshot{Stream: "stock-MUG@BER1", Version: 1, Schema: schema, Data: data}}
	}
	for name, s := range map[string]struct {
		snapshots eventstore.Snapshots
		available int64
	}{
		"readable":     {of(stock.SnapshotSchema, good), 705},
		"newer schema": {of(stock.SnapshotSchema+1, good), 10},
		"older schema": {of(stock.SnapshotSchema-1, good), 10},
		"cut off":      {of(stock.SnapshotSchema, good[:len(good)/2]), 10},
		"empty":        {of(stock.SnapshotSchema, nil), 10},
		"another one":  {of(stock.SnapshotSchema, []byte{0xc1}), 10},
		"away":         {snapshotsOf{err: errors.New("table is away")}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBus(t, log, func(c *commands.Config) { c.Snapshots = s.snapshots })
			more, enough := reserve(s.available+1, "MUG"), reserve(s.available, "MUG")
			more.DryRun, enough.DryRun = true, true
			mustRefuse(t, b, more, "insufficient-stock")
			must(t, b, enough)
		})
	}
}

// TestASnapshotAheadOfItsStreamIsPassedOver has a snapshot of more than the log holds, as a log that was put back to an
// earlier state leaves it. It must not stop the stream, nor pass for its state once the stream has caught up.
func TestASnapshotAheadOfItsStreamIsPassedOver(t *testing.T) {
	t.Parallel()
	for name, open := range logs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := open(t)
			for range 2 {
				must(t, newBus(t, log), receive("MUG", 5))
			}
			state := new(stock.Item)
			stock.Evolve(state, stock.Received{MovementID: "m", Quantity: 700, At: now})
			data, err := stock.EncodeSnapshot(state)
			if err != nil {
				t.Fatal(err)
			}
			ahead := eventstore.Snapshot{Stream: "stock-MUG@BER1", Version: 4, Schema: stock.SnapshotSchema, Data: data}
			if err := log.SaveSnapshot(t.Context(), ahead); err != nil {
				t.Fatal(err)
			}
			dry := reserve(11, "MUG")
			dry.DryRun = true
			mustRefuse(t, newBus(t, log), dry, "insufficient-stock")
			for n := range int64(4) { // up to the version of the snapshot and past it, each time by a bus that knows nothing
				mustRefuse(t, newBus(t, log), reserve(11+n, "MUG"), "insufficient-stock")
				must(t, newBus(t, log), receive("MUG", 1))
			}
			must(t, newBus(t, log), reserve(14, "MUG"))
		})
	}
}

// otherLog is a log that can be put in the place of another one.
type otherLog struct{ *eventstore.Memory }

// TestALogPutBackUnderARunningBus has a cached state that is ahead of the log.
func TestALogPutBackUnderARunningBus(t *testing.T) {
	t.Parallel()
	log := &otherLog{eventstore.NewMemory()}
	b := newBus(t, log)
	for range 3 {
		must(t, b, receive("MUG", 5))
	}
	log.Memory = eventstore.NewMemory()
	must(t, newBus(t, log), receive("MUG", 5))
	mustRefuse(t, b, reserve(16, "MUG"), "insufficient-stock") // a verdict adds nothing, so nothing of its failure drops the state
	mustRefuse(t, b, reserve(6, "MUG"), "insufficient-stock")
	must(t, b, reserve(5, "MUG"))
}

// damagedLog hands out a stream with a hole.
type damagedLog struct{ *eventstore.Memory }

func (l damagedLog) ReadStream(ctx context.Context, stream string, from int64) iter.Seq2[eventstore.Event, error] {
	return l.Memory.ReadStream(ctx, stream, from+1)
}

func TestAHoleInAStreamIsAnError(t *testing.T) {
	t.Parallel()
	log := eventstore.NewMemory()
	for range 3 {
		must(t, newBus(t, log), receive("MUG", 1))
	}
	b := newBus(t, damagedLog{log})
	if r, err := b.Execute(t.Context(), reserve(1, "MUG")); err == nil {
		t.Errorf("decided on a damaged stream: %+v", r)
	}
}
