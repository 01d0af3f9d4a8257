package projections

import (
	"context"
	"fmt"
	"sync"
	"time"

	"waybill/eventstore"
)

// Stage is what a runner is busy with: where it hangs, if it hangs.
type Stage string

// The stages of a runner.
const (
	StageSetup   Stage = "setup"   // makes or checks tables and checkpoint
	StageRead    Stage = "read"    // waits for the feed or the log
	StageApply   Stage = "apply"   // is inside Apply
	StageCommit  Stage = "commit"  // commits a batch
	StageRetry   Stage = "retry"   // waits after a failure
	StageStandby Stage = "standby" // leaves the work to another runner
)

// StallError says that a projection is behind and does not get on, where it hangs, and since when.
type StallError struct {
	Projection     string
	Stage          Stage
	Position, Head int64
	For            time.Duration
	Last           error // what failed last; nil if nothing did
}

func (e *StallError) Error() string {
	s := fmt.Sprintf("projection %s makes no progress: at position %d of %d for %s, in stage %s",
		e.Projection, e.Position, e.Head, e.For.Round(time.Second), e.Stage)
	if e.Last != nil {
		s += ": " + e.Last.Error()
	}
	return s
}

// Unwrap gives what failed last.
func (e *StallError) Unwrap() error { return e.Last }

// watch judges a runner from outside: by the end of the log, and by whether its checkpoint moves.
type watch struct {
	projection string
	limit      time.Duration
	now        func() time.Time

	mu        sync.Mutex
	running   bool
	stopped   error
	stage     Stage
	position  int64
	delivered int64
	head      int64
	last      error     // of the last attempt; cleared by progress
	since     time.Time // of the last progress, or of falling behind, whichever is later
	headAt    time.Time // when the end of the log was read last
	headErr   error
}

func newWatch(projection string, limit time.Duration, now func() time.Time) *watch {
	return &watch{projection: projection, limit: limit, now: now}
}

func (w *watch) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	w.running, w.stopped, w.since, w.headAt = true, nil, now, now
}

func (w *watch) stop(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running, w.stopped = false, err
}

func (w *watch) enter(s Stage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stage = s
}

func (w *watch) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stage, w.last = StageRetry, err
}

func (w *watch) deliver(position int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delivered = max(w.delivered, position)
}

// move notes where the checkpoint is. Backwards is progress too: the tables were made anew.
func (w *watch) move(position int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if position != w.position {
		w.since, w.last = w.now(), nil
	}
	if position < w.position {
		w.delivered = position
	}
	w.position, w.delivered = position, max(w.delivered, position)
}

// observe notes where the log ends, or that it cannot be read.
func (w *watch) observe(head int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.headErr = err
	if err != nil {
		return
	}
	now := w.now()
	if w.head <= w.position && head > w.position {
		w.since = now // was at the head until now
	}
	w.head, w.headAt = head, now
}

func (w *watch) marks() (delivered, visible int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.delivered, w.position
}

// health is nil, or what is wrong.
func (w *watch) health() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	switch {
	case w.stopped != nil:
		return fmt.Errorf("projection %s has stopped: %w", w.projection, w.stopped)
	case !w.running:
		return fmt.Errorf("projection %s does not run", w.projection)
	case w.headErr != nil && now.Sub(w.headAt) >= w.limit:
		return fmt.Errorf("projection %s cannot see the end of the log for %s: %w", w.projection, now.Sub(w.headAt).Round(time.Second), w.headErr)
	case w.head > w.position && now.Sub(w.since) >= w.limit:
		return &StallError{Projection: w.projection, Stage: w.stage, Position: w.position, Head: w.head, For: now.Sub(w.since), Last: w.last}
	}
	return nil
}

// Health is nil while the runner runs and is at the head or gets on, and else says what is wrong and in which stage
// it hangs. It is measured against the end of the log, by a goroutine that does not depend on the work.
func (r *Runner) Health() error { return r.watch.health() }

// Position is the checkpoint as this runner last saw it. It is a hint: after a crash of Postgres the tables may be
// older for a moment. Ask [Checkpoints] for what the tables hold.
func (r *Runner) Position() int64 {
	_, visible := r.watch.marks()
	return visible
}

// Bounds of the monitor.
const (
	monitorInterval = time.Second
	monitorTimeout  = 5 * time.Second
)

// monitor measures the lag of every stage until ctx ends.
func (r *Runner) monitor(ctx context.Context) {
	ticker := time.NewTicker(monitorInterval)
	defer ticker.Stop()
	for {
		r.measure(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// measure compares each stage with the end of the log: committed → published → delivered → visible.
func (r *Runner) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, monitorTimeout)
	defer cancel()
	head, err := r.cfg.Log.Head(ctx)
	r.watch.observe(head.Position, err)
	if err != nil {
		return
	}
	delivered, visible := r.watch.marks()
	r.lag(ctx, "delivered", head, delivered)
	r.lag(ctx, "visible", head, visible)
	if r.cfg.Feed == nil {
		return
	}
	published, err := r.cfg.Feed.Published(ctx)
	if err != nil {
		r.metrics.feedUp.Set(0)
		return
	}
	r.metrics.feedUp.Set(1)
	r.lag(ctx, "published", head, published)
}

// lag is the number of events that a stage lacks, and the age of the oldest of them.
func (r *Runner) lag(ctx context.Context, stage string, head eventstore.Head, position int64) {
	behind, age := max(head.Position-position, 0), time.Duration(0)
	if behind > 0 {
		oldest, err := r.cfg.Log.ReadLog(ctx, position+1, 1)
		if err != nil || len(oldest) == 0 {
			return
		}
		age = max(r.cfg.Now().Sub(oldest[0].RecordedAt), 0)
	}
	r.metrics.lagEvents.WithLabelValues(stage).Set(float64(behind))
	r.metrics.lagSeconds.WithLabelValues(stage).Set(age.Seconds())
}
