package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"waybill/eventstore"
	"waybill/internal/failpoint"
)

var (
	errStandby    = errors.New("another relay holds the lease")
	errLogChanged = errors.New("log is another than a moment ago")
)

// session is one stretch of publishing, from a look to the first thing that goes wrong.
//
//	log ── read, barrier (one goroutine) ──▶ pages ── encode, send in order (another) ──▶ stream
type session struct {
	*Relay
	changes   <-chan nats.Status
	confirmed int64 // last position known to be in the stream and right; unknown at first
}

// run looks, then publishes until something goes wrong or ctx ends.
func (s *session) run(ctx context.Context) error {
	for len(s.changes) > 0 {
		<-s.changes // whatever happened before the look does not matter any more
	}
	if !s.cfg.Conn.IsConnected() {
		return errDisconnected
	}
	s.enter(Looking, s.Status().Err)
	head, err := s.cfg.Log.Head(ctx)
	if err != nil {
		return fmt.Errorf("find the end of the log: %w", err)
	}
	if err := s.hold(ctx, head.Position); err != nil {
		return err
	}
	v, err := s.observe(ctx)
	if err != nil {
		return err
	}
	if err := failpoint.Hit(ctx, failpoint.RelayAfterCursor); err != nil {
		return err
	}
	w, err := openWindow(s.cfg.Conn, s.cfg.Stream.Name, v.last, s.cfg.Window, s.cfg.AckTimeout, s.changes)
	if err != nil {
		return err
	}
	defer w.close()
	s.enter(Publishing, nil)

	ctx, cancel := context.WithCancelCause(ctx)
	pages := make(chan []eventstore.Event, 2)
	var wg sync.WaitGroup
	wg.Go(func() { cancel(s.read(ctx, v, pages)) })
	err = s.publish(ctx, w, newEncoder(s.cfg.Stream.Name, v.head.Epoch), pages)
	cancel(err)
	wg.Wait()
	// Also when stopping in order: what is in flight is stored, and the next relay finds a stream that stands still.
	w.settle(context.WithoutCancel(ctx))
	s.note(w)
	return err
}

// observe looks and keeps what it saw.
func (s *session) observe(ctx context.Context) (view, error) {
	v, err := s.lookWhileConnected(ctx)
	if err != nil {
		return view{}, err
	}
	if !v.created && s.confirmed != unknown && v.last < s.confirmed {
		s.metrics.resets.WithLabelValues("lost_tail").Inc()
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "event stream lost its tail, publishing it again", attrPosition("last", v.last), attrPosition("confirmed", s.confirmed))
	}
	if v.created && s.confirmed > 0 {
		s.metrics.resets.WithLabelValues("lost_stream").Inc()
		s.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "event stream was gone, publishing it again", attrPosition("first", v.last+1), attrPosition("confirmed", s.confirmed))
	}
	s.confirmed = v.last
	s.mu.Lock()
	s.status.Epoch, s.status.Holes, s.status.Published = v.head.Epoch, v.holes, v.last
	s.mu.Unlock()
	s.saw(v.head.Position, v.last)
	return v, nil
}

// lookWhileConnected looks, and gives up when the connection goes: a question that was under way is never answered.
func (s *session) lookWhileConnected(ctx context.Context) (view, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	wg.Go(func() {
		select {
		case <-s.changes:
			cancel(errDisconnected)
		case <-ctx.Done():
		}
	})
	v, err := s.look(ctx, s.confirmed)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errDisconnected) {
		return view{}, cause
	}
	return v, err
}

// note keeps what the stream has confirmed.
func (s *session) note(w *window) {
	if now := w.confirmed.Load(); now > s.confirmed {
		s.metrics.published.Add(float64(now - s.confirmed))
		s.confirmed = now
		s.saw(0, now)
	}
}

// publish sends page after page, and between them compares stream and log every now and then.
func (s *session) publish(ctx context.Context, w *window, enc *encoder, pages <-chan []eventstore.Event) error {
	audit := time.NewTicker(s.cfg.Audit)
	defer audit.Stop()
	report := time.NewTicker(s.cfg.Poll)
	defer report.Stop()
	for {
		select {
		case page := <-pages:
			for i := range page {
				if err := w.send(ctx, enc.encode(&page[i])); err != nil {
					return err
				}
				if err := failpoint.Hit(ctx, failpoint.RelayAfterPublish); err != nil {
					return err
				}
			}
			w.tell()
			s.note(w)
		case <-w.room:
			s.note(w)
		case <-report.C:
			s.note(w)
		case <-audit.C:
			if err := w.wait(ctx, 0); err != nil {
				return err
			}
			s.note(w)
			if v, err := s.observe(ctx); err != nil {
				return err
			} else if v.last != w.sent {
				return fmt.Errorf("stream ends at %d, published up to %d", v.last, w.sent)
			}
		case <-w.failed:
			return w.err()
		case <-s.changes:
			return errDisconnected
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// read reads the log in pages from the position behind v.last on, up to what is behind the barrier.
func (s *session) read(ctx context.Context, v view, pages chan<- []eventstore.Event) error {
	b := &barrier{session: s, epoch: v.head.Epoch, held: s.cfg.Now()}
	var before *eventstore.Event // the last that was read
	for from := v.last + 1; ; {
		upto, err := b.next(ctx, from)
		if err != nil {
			return err
		}
		if err := failpoint.Hit(ctx, failpoint.RelayAfterBarrier); err != nil {
			return err
		}
		for from <= upto {
			events, err := s.page(ctx, from, upto, before)
			if err != nil {
				return err
			}
			select {
			case pages <- events:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			from += int64(len(events))
			before = &events[len(events)-1]
		}
	}
}

// page reads events from position from on. It reads the one before them once more: if that has changed, the log was
// exchanged under this relay, and goes on from another past.
func (s *session) page(ctx context.Context, from, upto int64, before *eventstore.Event) ([]eventstore.Event, error) {
	start := from
	if before != nil {
		start--
	}
	events, err := s.cfg.Log.ReadLog(ctx, start, int(min(upto-start+1, int64(s.cfg.Page))))
	if err != nil {
		return nil, fmt.Errorf("read the log from %d: %w", start, err)
	}
	for i := range events {
		if want := start + int64(i); events[i].Position != want {
			return nil, &holeError{want: want, got: events[i].Position}
		}
	}
	if before != nil && len(events) > 0 {
		if Hash(&events[0]) != Hash(before) {
			return nil, errLogChanged
		}
		events = events[1:]
	}
	if len(events) == 0 {
		return nil, errLogChanged
	}
	return events, nil
}

// barrier says up to where the log may be published.
type barrier struct {
	*session
	epoch uuid.UUID
	held  time.Time // last time the lease was held
}

// next waits for events from position from on, and returns how far they may be published.
func (b *barrier) next(ctx context.Context, from int64) (int64, error) {
	poll := time.NewTimer(b.cfg.Poll)
	defer poll.Stop()
	for {
		known, later := b.appended()
		if known < from {
			var err error
			if known, err = b.end(ctx, from); err != nil {
				return 0, err
			}
		}
		b.saw(known, 0)
		if known >= from {
			return b.pass(ctx, known)
		}
		if b.cfg.Now().Sub(b.held) >= b.cfg.Renew {
			if err := b.renew(ctx, known); err != nil {
				return 0, err
			}
		}
		poll.Reset(b.cfg.Poll)
		select {
		case <-later:
		case <-b.wake:
		case <-poll.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// appended asks this process, which costs nothing. Without a signal the channel is nil.
func (b *barrier) appended() (int64, <-chan struct{}) {
	if b.cfg.Signal == nil {
		return 0, nil
	}
	return b.cfg.Signal.Appended()
}

// end asks the log for its end.
func (b *barrier) end(ctx context.Context, from int64) (int64, error) {
	head, err := b.cfg.Log.Head(ctx)
	if err != nil {
		return 0, fmt.Errorf("find the end of the log: %w", err)
	}
	if head.Epoch != b.epoch || head.Position < from-1 {
		return 0, errLogChanged
	}
	return head.Position, nil
}

// pass returns how far may be published, at least to position known, when that is behind the barrier. Under load it
// takes its time: what is appended meanwhile passes with the same write.
func (b *barrier) pass(ctx context.Context, known int64) (int64, error) {
	if b.cfg.Lease == nil || failpoint.On(failpoint.BugPublishBeforeCommit) {
		return known, nil
	}
	if rest := b.cfg.Pace - b.cfg.Now().Sub(b.held); rest > 0 {
		if err := sleep(ctx, rest); err != nil {
			return 0, err
		}
		more, _ := b.appended()
		known = max(known, more)
	}
	return known, b.renew(ctx, known)
}

func (b *barrier) renew(ctx context.Context, upto int64) error {
	err := b.hold(ctx, upto)
	b.held = b.cfg.Now()
	return err
}

// hold takes or renews the lease and waits until upto is as durable as the write that records it.
func (s *session) hold(ctx context.Context, upto int64) error {
	if s.cfg.Lease == nil {
		return nil
	}
	held, err := s.cfg.Lease.Hold(ctx, upto)
	if err != nil {
		return fmt.Errorf("record position %d with the lease: %w", upto, err)
	}
	if !held {
		return errStandby
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
