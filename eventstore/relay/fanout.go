package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
)

// FanoutConfig says what a [Fanout] follows and how much of it is kept. Only Conn is required.
type FanoutConfig struct {
	Conn *nats.Conn
	// Events and Bytes bound what is kept: the newest events, default 4096 of them, and 8 MiB.
	Events, Bytes int
	// Heartbeat is that of [ConsumerConfig].
	Heartbeat time.Duration
	Logger    *slog.Logger
}

// Fanout follows the live end of the stream once, for all readers of a process: each event is sent and decoded one
// time, and all of them are given the same.
//
//	JetStream ──► Consumer ──► window of the newest events ──┬──► Next: within the window
//	                                                         ├──► Next: waits for what follows it
//	                                                         └──► Next: BehindError, to the log
//
// A reader is nothing but a position that it asks from, so there may be any number of them, and a slow one holds up
// nobody. The window has no holes: after a gap in the stream it begins anew behind the gap.
type Fanout struct {
	cfg    FanoutConfig
	stream ConsumerConfig
	js     jetstream.JetStream

	mu      sync.Mutex
	window  []eventstore.Event // dense; what was handed out of it is never written again
	bytes   int                // size of the window
	next    int64              // position behind the window; 0 until the stream was seen
	epoch   uuid.UUID          // of the stream; zero until known
	changed chan struct{}      // closed when one of the above changes
}

// NewFanout returns a Fanout that has not spoken to the server yet. It follows the stream while [Fanout.Run] runs.
func NewFanout(cfg FanoutConfig) (*Fanout, error) {
	cfg.Events, cfg.Bytes = cmp.Or(cfg.Events, 4096), cmp.Or(cfg.Bytes, 8<<20)
	if cfg.Events < 1 || cfg.Bytes < 1 {
		return nil, fmt.Errorf("fanout: Events is %d and Bytes is %d, must be positive", cfg.Events, cfg.Bytes)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	stream := ConsumerConfig{Conn: cfg.Conn, Heartbeat: cfg.Heartbeat}.withDefaults()
	if err := stream.validate(); err != nil {
		return nil, fmt.Errorf("fanout: %w", err)
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("fanout of stream %s: %w", stream.Stream, err)
	}
	return &Fanout{cfg: cfg, stream: stream, js: js, changed: make(chan struct{})}, nil
}

// Next returns the events from position from on that are kept, in order, without a hole and at least one, and waits
// for the first of them while it is yet to come. They are shared with every other reader: do not change them, nor what
// their Data and Meta hold. epoch is that of the caller's position. The error is
//
//   - [*BehindError]: these events are not kept, or the stream does not have them. Read them from the log.
//   - [*EpochError]: the log was restored, and the caller's position means nothing in the epoch of the stream.
//   - the cause of ctx, if it ended. So it is too while the server is away or Run does not run: a caller that can do
//     without the stream for a while gives ctx a deadline and reads the log meanwhile.
func (f *Fanout) Next(ctx context.Context, from int64, epoch uuid.UUID) ([]eventstore.Event, error) {
	for {
		events, changed, err := f.kept(from, epoch)
		if len(events) > 0 || err != nil {
			return events, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for position %d of stream %s: %w", from, f.stream.Stream, context.Cause(ctx))
		}
	}
}

// kept returns what there is from a position on; changed is closed when there may be more.
func (f *Fanout) kept(from int64, epoch uuid.UUID) (events []eventstore.Event, changed <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.epoch != uuid.Nil && f.epoch != epoch {
		return nil, nil, &EpochError{Position: f.next, Want: epoch, Got: f.epoch}
	}
	if from >= f.next {
		return nil, f.changed, nil
	}
	first := f.next - int64(len(f.window))
	if from < first {
		return nil, nil, &BehindError{From: from, To: first - 1}
	}
	events = f.window[from-first:]
	n := min(len(events), f.stream.MaxBatch)
	return events[:n:n], nil, nil
}

// Published returns the last position that the stream has.
func (f *Fanout) Published(ctx context.Context) (int64, error) {
	info, err := f.look(ctx)
	if err != nil {
		return 0, err
	}
	return position(info.State.LastSeq), nil
}

func (f *Fanout) look(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	stream, err := f.js.Stream(ctx, f.stream.Stream)
	if err != nil {
		return nil, fmt.Errorf("find stream %s: %w", f.stream.Stream, err)
	}
	return stream.CachedInfo(), nil
}

// Run follows the stream from its end on, until ctx ends, and then returns nil. It runs once at a time; what is kept
// outlives it.
func (f *Fanout) Run(ctx context.Context) error {
	said := ""
	for delay := minRetry; ; delay = min(2*delay, maxRetry) {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it ended because it was told to
		}
		if reason := err.Error(); reason != said { // the same again and again is said once
			said = reason
			f.cfg.Logger.InfoContext(ctx, "stream cannot be followed: looking at it again", slog.Any("reason", err))
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		}
	}
}

// follow keeps what comes behind the end of the stream, until ctx ends or the stream is of another epoch.
func (f *Fanout) follow(ctx context.Context) error {
	info, err := f.look(ctx)
	if err != nil {
		return err
	}
	cfg := f.stream
	cfg.From, cfg.Epoch = position(info.State.LastSeq)+1, cmp.Or(streamEpoch(info), f.epoch) // nobody else writes it
	consumer, err := NewConsumer(cfg)
	if err != nil {
		return err
	}
	defer consumer.Close()
	f.begin(cfg.From, cfg.Epoch)
	for {
		events, err := consumer.Next(ctx)
		if err == nil {
			f.add(events, consumer.epoch)
			continue
		}
		if other, ok := errors.AsType[*EpochError](err); ok {
			f.begin(consumer.Position(), other.Got)
		}
		if _, gap := errors.AsType[*GapError](err); !gap {
			return err
		}
		f.cfg.Logger.WarnContext(ctx, "stream has a gap: its readers turn to the log", slog.Any("gap", err))
		f.begin(consumer.Position(), consumer.epoch)
	}
}

// begin makes position next the one that follows. The window is kept if that is the case already.
func (f *Fanout) begin(next int64, epoch uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if next != f.next || epoch != f.epoch {
		f.window, f.bytes = nil, 0
	}
	f.next, f.epoch = next, epoch
	f.wake()
}

// add keeps events, which begin at next, and lets go of the oldest.
func (f *Fanout) add(events []eventstore.Event, epoch uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range events {
		f.bytes += size(&events[i])
	}
	f.window = append(f.window, events...) // behind everything that was handed out, or into a new array
	for len(f.window) > f.cfg.Events || f.bytes > f.cfg.Bytes {
		f.bytes -= size(&f.window[0])
		f.window = f.window[1:]
	}
	f.next += int64(len(events))
	f.epoch = epoch
	f.wake()
}

// wake lets everybody who waits look again.
func (f *Fanout) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// size is about what an event takes in memory: its data shares an allocation with the headers of its message.
func size(e *eventstore.Event) int { return len(e.Data) + len(e.Meta) + 1<<10 }
