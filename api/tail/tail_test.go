package tail_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"waybill/api/tail"
	"waybill/eventstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(t *testing.T, cfg tail.Config) *tail.Tail {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	f, err := tail.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); wg.Wait() })
	return f
}

func add(t *testing.T, log *eventstore.Memory, stream string) {
	t.Helper()
	_, err := log.Append(t.Context(), eventstore.Commit{CommandID: uuid.New(), Streams: []eventstore.StreamEvents{{ID: stream, Events: []eventstore.NewEvent{{Type: "x", Schema: 1}}}}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestReadersOfEverySpeed: many readers begin anywhere and read at their own speed while the log grows far past what is
// kept in memory; each sees every event behind its place once, in order.
func TestReadersOfEverySpeed(t *testing.T) {
	t.Parallel()
	log := eventstore.NewMemory()
	const before, during = 300, 3000
	for i := range before {
		add(t, log, "a-"+strconv.Itoa(i))
	}
	wake := make(chan struct{}, 1)
	f := run(t, tail.Config{Log: log, Wake: wake, Poll: time.Millisecond, Keep: 50})
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() {
			at := int64(n * before / 12)
			for at < before+during {
				events, changed, err := f.After(t.Context(), at)
				if err != nil {
					t.Error(err)
					return
				}
				if len(events) == 0 {
					<-changed
					continue
				}
				take := events
				if n%3 == 0 {
					take = events[:1+rand.IntN(len(events))] // comes back for the rest, which may have left the memory by then
				}
				for i := range take {
					if take[i].Position != at+1 {
						t.Errorf("reader %d: %d follows %d", n, take[i].Position, at)
						return
					}
					at++
				}
			}
		})
	}
	for i := range during {
		add(t, log, "b-"+strconv.Itoa(i))
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	wg.Wait()
	if head, ok := f.Head(); !ok || head != before+during {
		t.Errorf("head is %d, %t", head, ok)
	}
}

// away is a log that cannot be reached for a while.
type away struct {
	eventstore.Reader

	gone atomic.Bool
}

func (a *away) Head(ctx context.Context) (eventstore.Head, error) {
	if a.gone.Load() {
		return eventstore.Head{}, errors.New("away")
	}
	return a.Reader.Head(ctx)
}

func (a *away) ReadLog(ctx context.Context, from int64, limit int) ([]eventstore.Event, error) {
	if a.gone.Load() {
		return nil, errors.New("away")
	}
	return a.Reader.ReadLog(ctx, from, limit)
}

func (a *away) ReadStream(ctx context.Context, stream string, from int64) iter.Seq2[eventstore.Event, error] {
	return a.Reader.ReadStream(ctx, stream, from)
}

func TestLogIsAwayAndComesBack(t *testing.T) {
	t.Parallel()
	log := &away{}
	memory := eventstore.NewMemory()
	log.Reader = memory
	log.gone.Store(true)
	f := run(t, tail.Config{Log: log, Poll: time.Millisecond})
	if _, _, err := f.After(t.Context(), 0); err == nil {
		t.Fatal("a log that is away was read")
	}
	add(t, memory, "a")
	log.gone.Store(false)
	for {
		events, changed, err := f.After(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 1 {
			return
		}
		<-changed
	}
}
