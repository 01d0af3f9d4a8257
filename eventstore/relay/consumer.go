package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
)

// ConsumerConfig says what a [Consumer] follows. Only Conn is required.
type ConsumerConfig struct {
	Conn   *nats.Conn
	Stream string // default [StreamName]
	// From is the position of the first event wanted: checkpoint + 1. Default 1.
	From int64
	// Epoch is the epoch that the caller's checkpoint is of; another one is an [EpochError]. Zero: that of the first
	// message.
	Epoch uuid.UUID
	// Filters are the subjects wanted, such as those that [Subject] makes. None: every event. They are applied here and
	// not by the server: one that filters passes over a damaged message without a word, and only whoever is sent every
	// position can tell.
	Filters []string
	// MaxBatch is how many events Next returns at most; default 512.
	MaxBatch int
	// Buffer is how many messages wait in this process for Next at most; default 2048. A consumer that is slower than
	// the stream holds no more than that; the rest waits in JetStream.
	Buffer int
	// Heartbeat is how long the server may be silent before the consumer is made anew; default 5 s, at least 500 ms.
	Heartbeat time.Duration
}

func (c ConsumerConfig) withDefaults() ConsumerConfig {
	c.Stream = cmp.Or(c.Stream, StreamName)
	c.From = cmp.Or(c.From, 1)
	c.MaxBatch = cmp.Or(c.MaxBatch, 512)
	c.Buffer = cmp.Or(c.Buffer, 2048)
	c.Heartbeat = cmp.Or(c.Heartbeat, 5*time.Second)
	return c
}

func (c ConsumerConfig) validate() error {
	switch {
	case c.Conn == nil:
		return errors.New("consumer: Conn is missing")
	case c.From < 1:
		return fmt.Errorf("consumer: From is %d, positions start at 1", c.From)
	case c.MaxBatch < 1:
		return fmt.Errorf("consumer: MaxBatch is %d, must be positive", c.MaxBatch)
	case c.Buffer < 1:
		return fmt.Errorf("consumer: Buffer is %d, must be positive", c.Buffer)
	case c.Heartbeat < 500*time.Millisecond:
		return fmt.Errorf("consumer: Heartbeat is %s, must be at least 500ms", c.Heartbeat)
	}
	return nil
}

// Consumer follows the event stream in order, from any position, with a checkpoint of the caller's own. It makes
// itself anew after a lost connection, a restarted server or a stream that was made again, and goes on where it was.
//
// It is for one goroutine; Close may be called from another one.
type Consumer struct {
	cfg ConsumerConfig
	js  jetstream.JetStream

	next    int64     // position of the first event that was not returned yet
	epoch   uuid.UUID // zero until known
	pending error     // to be returned by the next call of Next
	suspect int64     // the stream has the next event, and has not sent it; 0 if it has

	mu     sync.Mutex
	sub    *subscription // nil while there is none
	closed bool
}

// NewConsumer returns a consumer that has not spoken to the server yet.
func NewConsumer(cfg ConsumerConfig) (*Consumer, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("consumer of stream %s: %w", cfg.Stream, err)
	}
	return &Consumer{cfg: cfg, js: js, next: cfg.From, epoch: cfg.Epoch}, nil
}

// Next returns the events that are there, in order and at least one, and waits for the first if there is none yet. It
// never waits for more than the first.
//
// It waits through lost connections and restarted servers, for as long as ctx allows: a caller that can do without the
// stream for a while gives ctx a deadline and reads the log meanwhile. The error is
//
//   - [*GapError]: the stream does not have these events. Read them from the log. If the log has them, call Next
//     again: it goes on behind the gap. If the log does not have them all, [Consumer.Resume] to where the log ends.
//   - [*EpochError]: the log was restored. The consumer stays where it is and returns the same again.
//   - the cause of ctx, if it ended. Nothing is lost; call Next again.
//   - [ErrClosed] after Close.
//
// Events that stand before a gap or another epoch are returned first, without an error.
func (c *Consumer) Next(ctx context.Context) ([]eventstore.Event, error) {
	if err := c.pending; err != nil {
		return nil, c.report(err)
	}
	for {
		sub, err := c.subscription(ctx)
		if err != nil {
			return nil, c.report(err)
		}
		items, err := sub.take(ctx, c.cfg.MaxBatch, c.patience())
		if errors.Is(err, errQuiet) {
			if err := c.probe(ctx, sub); err != nil {
				return nil, c.report(err)
			}
			continue
		}
		if err != nil {
			if ended := context.Cause(ctx); ended != nil {
				return nil, fmt.Errorf("read stream %s from %d: %w", c.cfg.Stream, c.next, ended)
			}
			c.drop() // made anew behind what was returned
			continue
		}
		events, err := c.check(sub, items)
		switch {
		case len(events) > 0:
			c.pending = err
			return events, nil
		case err != nil:
			return nil, c.report(err)
		}
	}
}

// Events yields the events one by one, without an end, by [Consumer.Next]. After an error it stops; a caller that has
// dealt with the error may range over it again.
func (c *Consumer) Events(ctx context.Context) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		for {
			batch, err := c.Next(ctx)
			if err != nil {
				yield(eventstore.Event{}, err)
				return
			}
			for i := range batch {
				if !yield(batch[i], nil) {
					// What was taken but not yielded is delivered again.
					if rest := batch[i].Position + 1; rest < c.next {
						c.Resume(rest)
					}
					return
				}
			}
		}
	}
}

// Position is that of the next event that Next may return: one more than the last returned, or than the end of the
// gap that was reported last.
func (c *Consumer) Position() int64 { return c.next }

// Resume makes the event at position from the next one, whatever was read before.
func (c *Consumer) Resume(from int64) {
	c.drop()
	c.pending = nil
	c.next = max(from, 1)
}

// Close ends the consumer; a Next that waits returns [ErrClosed]. It may be called more than once.
func (c *Consumer) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.drop()
}

// report returns err to the caller, and moves the consumer behind a gap that the caller knows of from then on.
func (c *Consumer) report(err error) error {
	if gap, ok := errors.AsType[*GapError](err); ok {
		c.Resume(gap.To + 1)
	}
	return err
}

// drop ends the subscription, if there is one.
func (c *Consumer) drop() {
	c.mu.Lock()
	sub := c.sub
	c.sub = nil
	c.mu.Unlock()
	if sub != nil {
		sub.stop()
	}
}

// subscription returns the one there is, or makes one from the next position on, however long that takes.
func (c *Consumer) subscription(ctx context.Context) (*subscription, error) {
	for delay := minRetry; ; delay = min(2*delay, maxRetry) {
		c.mu.Lock()
		sub, closed := c.sub, c.closed
		c.mu.Unlock()
		if closed {
			return nil, fmt.Errorf("read stream %s from %d: %w", c.cfg.Stream, c.next, ErrClosed)
		}
		if sub != nil {
			return sub, nil
		}
		err := c.subscribe(ctx)
		if err == nil {
			continue
		}
		if errors.Is(err, ErrGap) || errors.Is(err, ErrEpoch) {
			return nil, err
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, fmt.Errorf("read stream %s from %d: %w (last try: %w)", c.cfg.Stream, c.next, context.Cause(ctx), err)
		}
	}
}

// subscribe looks at the stream as a whole and starts a subscription at the next position.
func (c *Consumer) subscribe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := c.js.Stream(ctx, c.cfg.Stream)
	if err != nil {
		return fmt.Errorf("find stream %s: %w", c.cfg.Stream, err)
	}
	info := stream.CachedInfo()
	if epoch := streamEpoch(info); epoch != uuid.Nil && c.epoch != uuid.Nil && epoch != c.epoch {
		return &EpochError{Position: firstPosition(info), Want: c.epoch, Got: epoch}
	}
	if first := firstPosition(info); first > c.next {
		return &GapError{From: c.next, To: first - 1}
	}
	sub, err := newSubscription(ctx, stream, &c.cfg, c.next)
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		sub.stop()
		return ErrClosed
	}
	c.sub = sub
	c.mu.Unlock()
	return nil
}

// patience is how long the server may send nothing before it is asked why.
func (c *Consumer) patience() time.Duration {
	if c.suspect == c.next {
		return min(c.cfg.Heartbeat, time.Second)
	}
	return c.cfg.Heartbeat
}

// probe asks why nothing comes. A server that cannot read a damaged message goes on with its heartbeats, and sends
// neither that message nor any behind it.
func (c *Consumer) probe(ctx context.Context, sub *subscription) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := sub.stream.Info(ctx)
	if err != nil {
		c.drop() // a new one finds out
		return nil
	}
	if first := firstPosition(info); first > c.next {
		return &GapError{From: c.next, To: first - 1}
	}
	if position(info.State.LastSeq) < c.next {
		return nil // there is nothing to send
	}
	if c.suspect != c.next {
		c.suspect = c.next // it may be on its way
		return nil
	}
	c.suspect = 0
	if _, err := sub.stream.GetMsg(ctx, sequence(c.next)); errors.Is(err, jetstream.ErrMsgNotFound) {
		return &GapError{From: c.next, To: c.next}
	}
	c.drop()
	return nil
}

// check returns the events among items up to the first thing that is wrong with them, and what that is.
func (c *Consumer) check(sub *subscription, items []item) ([]eventstore.Event, error) {
	events := make([]eventstore.Event, 0, len(items))
	for i := range items {
		it := &items[i]
		if it.delivery != sub.delivered+1 {
			c.drop() // lost on the way to here, not in the stream: ask again
			return events, nil
		}
		sub.delivered++
		switch {
		case it.position < c.next:
			continue
		case it.position > c.next:
			return events, &GapError{From: c.next, To: it.position - 1}
		case it.unwanted:
			c.next++
			continue
		case it.err != nil:
			return events, &GapError{From: it.position, To: it.position, Underlying: it.err}
		}
		if c.epoch == uuid.Nil {
			c.epoch = it.epoch
		}
		if it.epoch != c.epoch {
			return events, &EpochError{Position: it.position, Want: c.epoch, Got: it.epoch}
		}
		events = append(events, it.event)
		c.next = it.position + 1
	}
	return events, nil
}
