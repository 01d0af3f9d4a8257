package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

const (
	relayWindow = 1024             // the relay's default
	ackLimit    = 30 * time.Second // for a backlog that does not get on
	stuckLimit  = 2 * time.Minute  // for whatever is waited for here
	askEvery    = time.Millisecond
)

func relayBacklog() Workload {
	return Workload{
		Name: "relay", Measures: "publishes a backlog of real events from the log to JetStream",
		Yardstick: "PublishMsgAsync of the same messages, made beforehand, with the same window, to a stream with the same settings",
		Contests: func(ctx context.Context, e *Env) ([]Contest, error) {
			log, err := e.Log(ctx)
			if err != nil {
				return nil, err
			}
			h, err := newHistory(ctx, e, log)
			if err != nil {
				return nil, err
			}
			head, err := h.grow(ctx, log, e.Pick(200_000, 60_000, 600))
			if err != nil {
				return nil, err
			}
			return []Contest{{Unit: "events/s", Open: func(ctx context.Context, e *Env) ([]Side, error) {
				b, err := newBacklog(ctx, e, log, head)
				if err != nil {
					return nil, err
				}
				return []Side{{Name: "relay", Run: b.relay}, {Name: "PublishMsgAsync", Run: b.publish}}, nil
			}}}, nil
		},
	}
}

// backlog is what both sides publish, each to a stream that is made anew for its turn.
type backlog struct {
	log    *eventstore.Postgres
	head   int64
	leases *eventstore.Leases
	conn   *nats.Conn
	js     jetstream.JetStream
	msgs   []*nats.Msg
}

func newBacklog(ctx context.Context, e *Env, log *eventstore.Postgres, head int64) (*backlog, error) {
	pool, err := e.Pool(ctx, eventstore.RoleRelay, 2)
	if err != nil {
		return nil, err
	}
	conn, err := e.Connect(ctx, relay.ConnOptions()...)
	if err != nil {
		return nil, err
	}
	b := &backlog{log: log, head: head, leases: eventstore.NewLeases(pool), conn: conn}
	if b.js, err = jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(relayWindow)); err != nil {
		return nil, err
	}
	end, err := log.Head(ctx)
	if err != nil {
		return nil, err
	}
	for from := int64(1); from <= head; {
		page, err := log.ReadLog(ctx, from, eventstore.MaxPage)
		if err != nil {
			return nil, err
		}
		for i := range page {
			b.msgs = append(b.msgs, relay.Encode(&page[i], end.Epoch))
		}
		from += int64(len(page))
	}
	return b, nil
}

// fresh makes the stream anew, as the relay makes it, and returns a relay that has not begun.
func (b *backlog) fresh(ctx context.Context) (*relay.Relay, error) {
	r, err := relay.New(relay.Config{Log: b.log, Conn: b.conn, Lease: relay.NewLease(b.leases, "bench", 0), Window: relayWindow})
	if err != nil {
		return nil, err
	}
	if err := b.js.DeleteStream(ctx, relay.StreamName); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("remove the stream of the turn before: %w", err)
	}
	return r, r.Look(ctx)
}

// check wants the stream to hold the log: every sequence, and by the relay's own look the same messages at its end.
func (b *backlog) check(ctx context.Context) error {
	stream, err := b.js.Stream(ctx, relay.StreamName)
	if err != nil {
		return fmt.Errorf("look at the stream: %w", err)
	}
	state := stream.CachedInfo().State
	if n := uint64(b.head); state.FirstSeq != 1 || state.LastSeq != n || state.Msgs != n {
		return fmt.Errorf("the stream has %d messages, from %d to %d, and the log %d events", state.Msgs, state.FirstSeq, state.LastSeq, n)
	}
	r, err := relay.New(relay.Config{Log: b.log, Conn: b.conn})
	if err != nil {
		return err
	}
	return r.Look(ctx)
}

func (b *backlog) relay(ctx context.Context, _ Round) (Measurement, error) {
	r, err := b.fresh(ctx)
	if err != nil {
		return Measurement{}, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- r.Run(running) }()
	err = until(ctx, func() bool { return r.Status().Published >= b.head })
	took := time.Since(began)
	status := r.Status()
	stop()
	if err != nil {
		err = fmt.Errorf("the relay is %s at %d of %d: %w", status.State, status.Published, b.head, errors.Join(err, status.Err))
	}
	if err := errors.Join(err, <-ended); err != nil {
		return Measurement{}, err
	}
	return Measurement{Count: b.head, Elapsed: took}, b.check(ctx)
}

func (b *backlog) publish(ctx context.Context, _ Round) (Measurement, error) {
	if _, err := b.fresh(ctx); err != nil {
		return Measurement{}, err
	}
	began := time.Now()
	for _, msg := range b.msgs {
		if _, err := b.js.PublishMsgAsync(msg, jetstream.WithStallWait(ackLimit)); err != nil {
			return Measurement{}, err
		}
	}
	select {
	case <-b.js.PublishAsyncComplete():
	case <-ctx.Done():
		return Measurement{}, ctx.Err()
	}
	took := time.Since(began)
	return Measurement{Count: b.head, Elapsed: took}, b.check(ctx)
}

// until asks again and again whether something is so, which costs next to nothing.
func until(ctx context.Context, so func() bool) error {
	limit, look := time.NewTimer(stuckLimit), time.NewTicker(askEvery)
	defer limit.Stop()
	defer look.Stop()
	for !so() {
		select {
		case <-look.C:
		case <-limit.C:
			return fmt.Errorf("no end after %s", stuckLimit)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
