package projections

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
	"waybill/internal/failpoint"
)

// item is a wanted event, ready to be applied.
type item struct {
	event Event
	key   string
	err   error // why it cannot even be handed to the projection
}

// batch is a piece of the log without holes: (from, to], and what of it the projection wants.
type batch struct {
	from, to   int64
	recordedAt time.Time // of the event at to
	items      []item
}

// folder turns events into batches. It is used by the runner and by Verify, so that both see the same.
type folder struct {
	projection Projection
	wanted     map[string]bool
}

func newFolder(p Projection) folder {
	f := folder{projection: p, wanted: map[string]bool{}}
	for _, t := range p.Types() {
		f.wanted[t] = true
	}
	return f
}

// prepare checks that events follow after without a hole, and decodes what the projection wants of them.
func (f folder) prepare(after int64, events []eventstore.Event) (batch, error) {
	b := batch{from: after, to: after}
	wanted := 0
	for i := range events {
		if f.wanted[events[i].Type] {
			wanted++
		}
	}
	b.items = make([]item, 0, wanted) // items are large, and a page may be all wanted or not at all
	for i := range events {
		e := &events[i]
		if e.Position != b.to+1 {
			return batch{}, &HoleError{Want: b.to + 1, Got: e.Position}
		}
		b.to, b.recordedAt = e.Position, e.RecordedAt
		if f.wanted[e.Type] {
			b.items = append(b.items, f.item(e))
		}
	}
	return b, nil
}

// item decodes the metadata and asks for the key. An event for which that fails is parked under its stream.
func (f folder) item(e *eventstore.Event) (it item) {
	it = item{event: Event{Event: *e}, key: e.Stream}
	defer func() {
		if p := recover(); p != nil {
			it.err = fmt.Errorf("key of event %d: panic: %v", e.Position, p)
		}
	}()
	meta, err := e.Metadata()
	if err != nil {
		it.err = err
		return it
	}
	it.event.Meta = meta
	if key := f.projection.Key(&it.event); utf8.ValidString(key) && !strings.ContainsRune(key, 0) {
		it.key = key
	} else {
		it.key, it.err = printable(key), fmt.Errorf("key %q is not valid text", key)
	}
	return it
}

// apply folds items in tx. A panic is an error like any other. What comes from the events is an [applyError].
func (f folder) apply(ctx context.Context, tx pgx.Tx, items []item) (err error) {
	if len(items) == 0 {
		return nil
	}
	events := make([]Event, len(items))
	for i := range items {
		if items[i].err != nil {
			return &applyError{items[i].err}
		}
		events[i] = items[i].event
	}
	defer func() {
		if p := recover(); p != nil {
			err = &applyError{fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	if err := f.projection.Apply(ctx, tx, events); err != nil {
		return &applyError{err}
	}
	return nil
}

// isNetwork tells the errors of a connection that broke from those that Apply made itself.
func isNetwork(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// fold brings a batch into the tables, whatever is in it: what cannot be applied is parked. It returns an error only
// for what is not the fault of an event; the checkpoint is then to be read again.
func (r *Runner) fold(ctx context.Context, b batch) error {
	if err := failpoint.Hit(ctx, failpoint.ProjectionAfterFetch); err != nil {
		return err
	}
	err := r.transact(ctx, b, nil)
	if err == nil {
		r.slow = 0
		return nil
	}
	if errors.Is(err, errFenced) || ctx.Err() != nil {
		return err
	}
	switch classify(err) {
	case faultTransient:
		return err
	case faultSlow:
		if r.slow++; r.slow < slowAttempts && b.to > r.slowUntil {
			return err
		}
		r.slowUntil = max(r.slowUntil, b.to) // its parts need not show it three times each
	case faultEvent:
	}
	return r.isolate(ctx, b, err)
}

// isolate halves a batch that fails until the event that fails stands alone, and parks that one. Every half is a
// transaction of its own that moves the checkpoint, so nothing of the failed attempt can leak into the next, not even
// a connection that a panic left in the middle of a query.
func (r *Runner) isolate(ctx context.Context, b batch, cause error) error {
	run, wait := r.split(b.items)
	switch len(run) {
	case 0:
		return cause // no event was applied, so none is to blame
	case 1:
		return r.park(ctx, b, run[0], wait, cause)
	}
	middle := run[len(run)/2].event.Position
	left, right := b, b
	left.to, right.from = middle-1, middle-1
	left.items, right.items = nil, nil
	for _, it := range b.items {
		if it.event.Position < middle {
			left.items = append(left.items, it)
			left.recordedAt = it.event.RecordedAt
		} else {
			right.items = append(right.items, it)
		}
	}
	if err := r.fold(ctx, left); err != nil {
		return err
	}
	return r.fold(ctx, right)
}

// split tells the events that may be applied from those that have to wait behind a parked one.
func (r *Runner) split(items []item) (run, wait []item) {
	if len(r.at.parked) == 0 {
		return items, nil
	}
	for _, it := range items {
		if r.at.parked[it.key] {
			wait = append(wait, it)
		} else {
			run = append(run, it)
		}
	}
	return run, wait
}

// park moves the checkpoint past an event that cannot be applied, and puts it and those that wait aside.
func (r *Runner) park(ctx context.Context, b batch, failed item, wait []item, cause error) error {
	if !r.at.parked[failed.key] && len(r.at.parked) >= r.cfg.MaxParkedKeys {
		return fmt.Errorf("projection %s: %w: %d; event %d of key %s would be the next: %w; mend the projection, then run `waybill projections retry`",
			r.reg.name, ErrTooManyParked, len(r.at.parked), failed.event.Position, failed.key, cause)
	}
	b.items = wait
	if err := r.transact(ctx, b, &parking{item: failed, cause: cause}); err != nil {
		return err
	}
	r.at.parked[failed.key] = true
	r.metrics.parked.Set(float64(len(r.at.parked)))
	r.log.ErrorContext(ctx, "event cannot be applied: its key is parked", slog.String("key", failed.key),
		slog.Int64("position", failed.event.Position), slog.String("type", failed.event.Type), slog.Any("error", cause))
	return nil
}

// parking is an event that a transaction puts aside, and why.
type parking struct {
	item  item
	cause error
}

// transact is the one transaction of a batch: move the checkpoint if it is where it was left, apply, put aside.
func (r *Runner) transact(ctx context.Context, b batch, p *parking) error {
	began := r.cfg.Now()
	run, wait := r.split(b.items)
	r.watch.enter(StageApply)
	err := inPipeline(ctx, r.own, r.reg.move(r.at, b.to, b.recordedAt), func(tx *pipeline) error {
		if err := r.folder.apply(ctx, tx, run); err != nil {
			return err
		}
		if p != nil {
			if err := r.reg.park(ctx, tx, []item{p.item}, stateFailed, p.cause.Error(), 1); err != nil {
				return err
			}
		}
		if err := r.reg.park(ctx, tx, wait, stateWaiting, "", 0); err != nil {
			return err
		}
		r.watch.enter(StageCommit)
		return failpoint.Hit(ctx, failpoint.ProjectionBeforeCommit)
	})
	if err == nil {
		err = failpoint.Hit(ctx, failpoint.ProjectionAfterCommit)
	}
	if err != nil {
		return fmt.Errorf("fold events %d to %d into %s: %w", b.from+1, b.to, r.reg.schema(), err)
	}
	r.at.position = b.to
	r.moved(b, len(run), began)
	return nil
}

const insertParked = `
INSERT INTO projections.parked (name, version, position, key, type, state, error, attempts, parked_at)
SELECT $1, $2, u.position, u.key, u.type, $6, $7, $8, clock_timestamp()
FROM unnest($3::bigint[], $4::text[], $5::text[]) AS u (position, key, type)`

func (r registry) park(ctx context.Context, tx pgx.Tx, items []item, state, reason string, attempts int) error {
	if len(items) == 0 {
		return nil
	}
	positions, keys, types := make([]int64, len(items)), make([]string, len(items)), make([]string, len(items))
	for i := range items {
		positions[i], keys[i], types[i] = items[i].event.Position, items[i].key, items[i].event.Type
	}
	_, err := tx.Exec(ctx, insertParked, r.name, r.version, positions, keys, types, state, printable(reason), attempts)
	if err != nil {
		return fmt.Errorf("park %d events of %s: %w", len(items), r.schema(), err)
	}
	return nil
}

// printable is s as Postgres can store it, and not longer than somebody would read.
func printable(s string) string {
	const limit = 4000
	clean := make([]byte, 0, min(len(s), limit))
	for _, c := range s {
		if len(clean) > limit {
			break
		}
		if c != 0 && c != utf8.RuneError {
			clean = utf8.AppendRune(clean, c)
		}
	}
	return string(clean)
}
