package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"waybill/eventstore"
	"waybill/eventstore/relay"
	"waybill/internal/failpoint"
)

// crowd is how many events make a batch that is worth its transaction, so that the next need not be paced.
const crowd = 200

// catchUp applies the log up to position until, in pages. The next page is read and decoded while one is applied.
func (r *Runner) catchUp(ctx context.Context, until int64) error {
	type read struct {
		batch batch
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	pages := make(chan read, 1)
	from, epoch := r.at.position, r.at.epoch
	wg.Go(func() {
		defer close(pages)
		for from < until {
			b, err := r.page(ctx, from, epoch)
			select {
			case pages <- read{b, err}:
			case <-ctx.Done():
				return
			}
			if err != nil || b.to == from {
				return
			}
			from = b.to
		}
	})
	r.log.InfoContext(ctx, "projection catches up", slog.Int64("from", r.at.position), slog.Int64("until", until))
	for {
		r.watch.enter(StageRead)
		page, ok := <-pages
		if !ok {
			return context.Cause(ctx)
		}
		if page.err != nil {
			return page.err
		}
		r.watch.deliver(page.batch.to)
		if err := r.fold(ctx, page.batch); err != nil {
			return err
		}
	}
}

// page reads what follows after a position, and checks afterwards that the log was of the checkpoint's epoch then. It
// does not touch what belongs to the goroutine of Run.
func (r *Runner) page(ctx context.Context, after int64, epoch uuid.UUID) (batch, error) {
	events, err := r.cfg.Log.ReadLog(ctx, after+1, r.cfg.PageEvents)
	if err != nil {
		return batch{}, fmt.Errorf("read the log from %d: %w", after+1, err)
	}
	if len(events) > 0 {
		head, err := r.cfg.Log.Head(ctx)
		if err != nil {
			return batch{}, fmt.Errorf("read the end of the log: %w", err)
		}
		if head.Epoch != epoch {
			return batch{}, &EpochError{Projection: r.reg.name, Source: "log", Checkpoint: epoch, Other: head.Epoch}
		}
	}
	return r.folder.prepare(after, events)
}

// follow applies what the feed delivers, and reads the log when the feed is silent, away, or has a hole. It returns
// nil when the runner has fallen far behind.
func (r *Runner) follow(ctx context.Context) error {
	said := ""
	for {
		r.watch.enter(StageRead)
		if !sleep(ctx, r.lastMove.Add(min(2*r.took, r.cfg.Pace)).Sub(r.cfg.Now())) {
			return context.Cause(ctx)
		}
		events, err := r.next(ctx)
		if err == nil {
			said = ""
			if err := r.take(ctx, events); err != nil {
				return err
			}
			if len(events) >= crowd {
				r.lastMove = time.Time{} // there is more: no need to wait for company
			}
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if other, ok := errors.AsType[*relay.EpochError](err); ok {
			return &EpochError{Projection: r.reg.name, Source: "feed", Checkpoint: other.Want, Other: other.Got}
		}
		if behind, ok := errors.AsType[*relay.BehindError](err); ok {
			r.metrics.holes.Inc()
			if failpoint.On(failpoint.BugHoleSkipped) {
				if err := r.fold(ctx, batch{from: r.at.position, to: behind.To, recordedAt: r.cfg.Now()}); err != nil {
					return err
				}
				continue
			}
		}
		silent := errors.Is(err, context.DeadlineExceeded)
		if reason := err.Error(); !silent && reason != said { // the same again and again is said once
			said = reason
			r.log.InfoContext(ctx, "feed interrupted: reading the log", slog.Any("reason", err))
		}
		before := r.at.position
		if far, err := r.drain(ctx); err != nil || far {
			return err
		}
		if silent {
			continue
		}
		// A feed that fails at once is to be no busy loop, but a slow poll.
		pause := r.cfg.PollInterval
		if r.at.position > before {
			pause = r.cfg.Pace
		}
		if !sleep(ctx, pause) {
			return context.Cause(ctx)
		}
	}
}

// next waits for the feed, but not longer than it may be silent. Without a feed all is silence.
func (r *Runner) next(ctx context.Context) ([]eventstore.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.PollInterval)
	defer cancel()
	if r.cfg.Feed == nil {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return r.cfg.Feed.Next(ctx, r.at.position+1, r.at.epoch)
}

// drain applies what the log has, page by page, until a page is no crowd. It tells whether there is far more: that is
// for catchUp. If there is nothing, it asks whether the checkpoint still stands: no batch will find out that an operator
// reset the tables, or that a crash of Postgres took the last batches, while no event comes.
func (r *Runner) drain(ctx context.Context) (far bool, err error) {
	for {
		b, err := r.page(ctx, r.at.position, r.at.epoch)
		if err != nil {
			return false, err
		}
		if b.to == b.from {
			return false, r.reg.stands(ctx, r.at)
		}
		r.watch.deliver(b.to)
		if err := r.fold(ctx, b); err != nil {
			return false, err
		}
		if b.to-b.from < crowd {
			return false, nil
		}
		head, err := r.head(ctx)
		if far = head.Position-r.at.position > r.cfg.FarBehind; err != nil || far {
			return far, err
		}
	}
}

// take applies what the feed delivered. What the tables have already is passed over; before a jump, what lies between
// is read from the log.
func (r *Runner) take(ctx context.Context, events []eventstore.Event) error {
	for len(events) > 0 {
		if events[0].Position <= r.at.position {
			events = events[1:]
			continue
		}
		if gap := events[0].Position - 1; gap > r.at.position {
			if err := r.fill(ctx, gap); err != nil {
				return err
			}
			continue
		}
		n := contiguous(events)
		b, err := r.folder.prepare(r.at.position, events[:n])
		if err != nil {
			return err
		}
		r.watch.deliver(b.to)
		if err := r.fold(ctx, b); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// contiguous counts the events up to the first jump.
func contiguous(events []eventstore.Event) int {
	n := 1
	for n < len(events) && events[n].Position == events[n-1].Position+1 {
		n++
	}
	return n
}

// fill applies the log up to position until, which the feed has passed already.
func (r *Runner) fill(ctx context.Context, until int64) error {
	r.metrics.holes.Inc()
	r.log.InfoContext(ctx, "feed has a hole: reading the log", slog.Int64("from", r.at.position+1), slog.Int64("until", until))
	for r.at.position < until {
		b, err := r.page(ctx, r.at.position, r.at.epoch)
		if err != nil {
			return err
		}
		if b.to == b.from {
			return fmt.Errorf("feed has position %d, the log ends at %d: run `waybill doctor`", until+1, b.to)
		}
		if err := r.fold(ctx, b); err != nil {
			return err
		}
	}
	return nil
}
