package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

// liveWriters is how many append at once.
const liveWriters = 16

// live is the workload that follows the log while it grows: writers append as fast as they can, and one consumer takes
// everything from JetStream. It has no yardstick: what counts is that nothing is lost or doubled, and the lag.
func live() Workload {
	return Workload{
		Name:     "live",
		Measures: "writers append one event of 300 bytes each as fast as they can; a consumer follows through JetStream, and the time goes from an append's return to its delivery",
		Clients:  []int{liveWriters}, Quick: []int{liveWriters},
		Contests: func(_ context.Context, e *Env) ([]Contest, error) {
			var contests []Contest
			for _, n := range e.Clients {
				contests = append(contests, Contest{Clients: n, Unit: "events/s", Open: func(ctx context.Context, e *Env) ([]Side, error) {
					s, err := openLive(ctx, e, n)
					return []Side{s}, err
				}})
			}
			return contests, nil
		},
	}
}

// openLive starts the log, the relay and what it needs, as the engine does.
func openLive(ctx context.Context, e *Env, writers int) (Side, error) {
	log, err := e.Log(ctx)
	if err != nil {
		return Side{}, err
	}
	pool, err := e.Pool(ctx, eventstore.RoleRelay, 2)
	if err != nil {
		return Side{}, err
	}
	conn, err := e.Connect(ctx, relay.ConnOptions()...)
	if err != nil {
		return Side{}, err
	}
	r, err := relay.New(relay.Config{Log: log, Conn: conn, Lease: relay.NewLease(eventstore.NewLeases(pool), "bench", 0), Signal: log, Logger: e.Logger})
	if err != nil {
		return Side{}, err
	}
	e.Go(ctx, "relay", r.Run)
	follows, err := e.Connect(ctx)
	if err != nil {
		return Side{}, err
	}
	head, err := log.Head(ctx)
	if err != nil {
		return Side{}, err
	}
	consumer, err := relay.NewConsumer(relay.ConsumerConfig{Conn: follows, From: head.Position + 1, Epoch: head.Epoch})
	if err != nil {
		return Side{}, err
	}
	e.OnClose(func(context.Context) error { consumer.Close(); return nil })
	l := &following{log: log, consumer: consumer, writers: writers, size: e.Size}
	return Side{Name: "live", Run: l.run}, nil
}

// following is the writers and the consumer.
type following struct {
	log      *eventstore.Postgres
	consumer *relay.Consumer
	writers  int
	size     Size
}

// acknowledged is an event that a writer was told of.
type acknowledged struct {
	position int64
	at       time.Time
}

func (l *following) run(ctx context.Context, r Round) (Measurement, error) {
	d := timeOf(l.size, r)
	before := l.consumer.Position() - 1
	var mu sync.Mutex
	var acks []acknowledged
	var delivered []time.Time // by position − before − 1
	following, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	last := make(chan int64, 1) // position of the last event, when the writers are done
	go func() {
		var err error
		delivered, err = l.follow(following, before, last)
		ended <- err
	}()
	m, err := EachClient(ctx, l.writers, d, func(ctx context.Context, _ int) error {
		receipt, err := l.log.Append(ctx, commit(newStream(), 0, 1))
		if err != nil {
			return err
		}
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		acks = append(acks, acknowledged{receipt.Last, now})
		return nil
	})
	if err != nil {
		stop()
		return Measurement{}, errors.Join(err, <-ended)
	}
	last <- before + m.Count
	if err := <-ended; err != nil {
		return Measurement{}, err
	}
	appendTimes := m.Latency
	m.Latency = NewHistogram()
	seen := make([]bool, len(delivered))
	for _, a := range acks {
		i := a.position - before - 1
		if i < 0 || i >= int64(len(delivered)) || seen[i] {
			return Measurement{}, fmt.Errorf("position %d was acknowledged and not delivered, or given to two events", a.position)
		}
		seen[i] = true
		Record(m.Latency, delivered[i].Sub(a.at)) // one that comes before its acknowledgement counts as no time
	}
	m.Figures = map[string]float64{
		"lost": 0, "doubled": 0, // or there was an error
		"append_p50_ms": quantile(appendTimes, 50), "append_p99_ms": quantile(appendTimes, 99),
	}
	return m, nil
}

// follow takes events until the last one, which it learns of when there is one, and returns when each came. A hole is an event lost,
// a position that comes again an event doubled.
func (l *following) follow(ctx context.Context, before int64, last <-chan int64) ([]time.Time, error) {
	var at []time.Time
	end := int64(-1)
	for {
		select {
		case end = <-last:
		default:
		}
		next := before + int64(len(at)) + 1
		if end >= 0 && next > end {
			return at, nil
		}
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		batch, err := l.consumer.Next(short)
		cancel()
		switch {
		case ctx.Err() != nil:
			return at, nil //nolint:nilerr // it was told to end
		case errors.Is(err, context.DeadlineExceeded):
			if end >= 0 && len(at) > 0 && time.Since(at[len(at)-1]) > drainLimit {
				return at, fmt.Errorf("position %d was acknowledged %s ago and not delivered", next, drainLimit)
			}
			continue
		case err != nil:
			return at, fmt.Errorf("follow the stream: %w", err)
		}
		now := time.Now()
		for i := range batch {
			switch got := batch[i].Position; {
			case got < next:
				return at, fmt.Errorf("position %d was delivered twice", got)
			case got > next:
				return at, fmt.Errorf("position %d was lost: %d came in its place", next, got)
			}
			next++
			at = append(at, now)
		}
	}
}
