// Package tail lets any number of readers follow the log: one reader of the store for all of them, and no gap between
// what was and what comes.
//
// A [Tail] keeps the newest events in memory. Whoever stands within them reads there; whoever is further behind reads
// pages of the store; and both go by position, so passing from one to the other skips nothing and repeats nothing. A
// slow reader holds up nobody, and costs no memory but its own page.
package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"waybill/eventstore"
)

// Config configures [New]. The zero value of every field but Log and Logger is a default.
type Config struct {
	Log    eventstore.Reader // required
	Logger *slog.Logger      // required
	// Wake says that the log may have grown; sending must not block. Without it, Poll alone finds out.
	Wake <-chan struct{}
	// Poll is how often the log is asked when nobody wakes the tail; 100 ms by default.
	Poll time.Duration
	// Keep is how many of the newest events are kept in memory; 8,192 by default.
	Keep int
}

// page is how many events are read from the store at a time.
const page = 500

// Tail is a shared window on the end of the log.
type Tail struct {
	log  eventstore.Reader
	slog *slog.Logger
	wake <-chan struct{}
	poll time.Duration
	keep int

	mu      sync.Mutex
	events  []eventstore.Event // dense, newest last
	head    int64              // position of the newest event, -1 until it is known
	changed chan struct{}      // closed when head grows
}

// New returns a tail. It follows the log while [Tail.Run] runs.
func New(c Config) (*Tail, error) {
	switch {
	case c.Log == nil:
		return nil, errors.New("tail: Log is missing")
	case c.Logger == nil:
		return nil, errors.New("tail: Logger is missing")
	case c.Poll < 0 || c.Keep < 0:
		return nil, fmt.Errorf("tail: Poll %s and Keep %d must not be negative", c.Poll, c.Keep)
	}
	return &Tail{
		log: c.Log, slog: c.Logger, wake: c.Wake, poll: cmp.Or(c.Poll, 100*time.Millisecond), keep: cmp.Or(c.Keep, 8192),
		head: -1, changed: make(chan struct{}),
	}, nil
}

// Run follows the log until ctx ends, and then returns nil. A log that cannot be reached is tried again.
func (t *Tail) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		case <-timer.C:
		}
		err := t.advance(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			t.slog.WarnContext(ctx, "log tail cannot read the log", slog.Any("error", err))
		}
		failed = err != nil
		timer.Reset(t.poll)
	}
}

// advance reads what is new.
func (t *Tail) advance(ctx context.Context) error {
	t.mu.Lock()
	head := t.head
	t.mu.Unlock()
	if head < 0 {
		h, err := t.log.Head(ctx)
		if err != nil {
			return fmt.Errorf("follow log: %w", err)
		}
		t.grow(nil, h.Position)
		head = h.Position
	}
	for {
		events, err := t.log.ReadLog(ctx, head+1, page)
		if err != nil {
			return fmt.Errorf("follow log: %w", err)
		}
		if len(events) == 0 {
			return nil
		}
		if events[0].Position != head+1 {
			return fmt.Errorf("follow log: position %d follows %d", events[0].Position, head)
		}
		head = events[len(events)-1].Position
		t.grow(events, head)
		if len(events) < page {
			return nil
		}
	}
}

func (t *Tail) grow(events []eventstore.Event, head int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events)+len(events) > 2*t.keep {
		// A new array, so that pages handed out stay as they are and the old one can go.
		t.events = append(make([]eventstore.Event, 0, 3*t.keep), t.events[len(t.events)-min(t.keep, len(t.events)):]...)
	}
	t.events = append(t.events, events...)
	t.head = head
	close(t.changed)
	t.changed = make(chan struct{})
}

// After returns events behind position, in order and without a hole, at most 500 of them. Without any, the channel is
// closed when there may be some. Do not change the events: they are shared.
func (t *Tail) After(ctx context.Context, position int64) ([]eventstore.Event, <-chan struct{}, error) {
	t.mu.Lock()
	changed, head, window := t.changed, t.head, t.events
	t.mu.Unlock()
	if head >= 0 && position >= head {
		return nil, changed, nil
	}
	if len(window) > 0 && position+1 >= window[0].Position {
		from := int(position + 1 - window[0].Position)
		to := min(from+page, len(window))
		return window[from:to:to], nil, nil
	}
	events, err := t.log.ReadLog(ctx, position+1, page)
	if err != nil {
		return nil, nil, fmt.Errorf("read log after %d: %w", position, err)
	}
	if len(events) == 0 {
		return nil, changed, nil
	}
	if events[0].Position != position+1 {
		return nil, nil, fmt.Errorf("read log after %d: next is %d: the log has a hole", position, events[0].Position)
	}
	return events, nil, nil
}

// Head returns the position of the newest event that the tail has seen; ok is false before it has seen any state.
func (t *Tail) Head() (position int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.head, t.head >= 0
}
