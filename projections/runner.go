package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/eventstore"
)

// Config says what a [Runner] runs, and on what. Projection, Pool and Log are required.
type Config struct {
	Projection Projection
	// Pool connects as eventstore.RoleProject. The runner takes from it only to read and make the registry; the
	// batches go through one connection of its own, made with the same settings.
	Pool *pgxpool.Pool
	// Log is where everything can be read, always.
	Log eventstore.Reader
	// Feed delivers what is new without asking. Without one the log is polled.
	Feed       Feed
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	// PageEvents is how many events are read and applied at once when far behind; default 4000.
	PageEvents int
	// FarBehind is the distance, in events, from which on the log is read in pages instead of following the feed;
	// default 8000.
	FarBehind int64
	// Pace bounds the pause after a batch at the head, in which the next one gathers; default 10 ms. The pause is twice
	// as long as the batch took, so an idle machine hardly pauses, and a busy one gets fewer and larger transactions.
	// The first event after a quiet time does not wait.
	Pace time.Duration
	// PollInterval is how long the feed may be silent before the log is asked whether that is right, and if it is, the
	// registry whether the checkpoint is where the runner left it; default 200 ms.
	PollInterval time.Duration
	// Standby is how long a runner that lost its checkpoint to another one leaves the work to it; default 1 s.
	Standby time.Duration
	// StallAfter is how long a runner may be behind without any progress before it is unhealthy; default 30 s.
	StallAfter time.Duration
	// MaxParkedKeys is where a runner stops to park and stops altogether: so many keys do not fail by themselves;
	// default 1000.
	MaxParkedKeys int
	// Now is the clock for lag and health; default time.Now. No row depends on it.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.PageEvents = cmp.Or(c.PageEvents, 4000)
	c.FarBehind = cmp.Or(c.FarBehind, 8000)
	c.Pace = cmp.Or(c.Pace, 10*time.Millisecond)
	c.PollInterval = cmp.Or(c.PollInterval, 200*time.Millisecond)
	c.Standby = cmp.Or(c.Standby, time.Second)
	c.StallAfter = cmp.Or(c.StallAfter, 30*time.Second)
	c.MaxParkedKeys = cmp.Or(c.MaxParkedKeys, 1000)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Projection == nil:
		return errors.New("projection runner: Projection is missing")
	case c.Pool == nil:
		return errors.New("projection runner: Pool is missing")
	case c.Log == nil:
		return errors.New("projection runner: Log is missing")
	case c.PageEvents < 1 || c.PageEvents > eventstore.MaxPage:
		return fmt.Errorf("projection runner: PageEvents is %d, want 1 to %d", c.PageEvents, eventstore.MaxPage)
	case c.FarBehind < 1:
		return fmt.Errorf("projection runner: FarBehind is %d, want at least 1", c.FarBehind)
	case c.MaxParkedKeys < 1:
		return fmt.Errorf("projection runner: MaxParkedKeys is %d, want at least 1", c.MaxParkedKeys)
	case c.Pace < 0 || c.PollInterval < 0 || c.Standby < 0 || c.StallAfter < 0:
		return errors.New("projection runner: Pace, PollInterval, Standby and StallAfter cannot be negative")
	}
	return validProjection(c.Projection)
}

func validProjection(p Projection) error {
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`).MatchString(p.Name()) {
		return fmt.Errorf("projection %q: Name: want lower case letters, digits and underscores, at most 41", p.Name())
	}
	if p.Version() < 1 || p.Version() > 999_999 {
		return fmt.Errorf("projection %s: Version is %d, want 1 to 999999", p.Name(), p.Version())
	}
	return nil
}

// slowAttempts is how often a batch may run into the statement time-out before it is taken apart.
const slowAttempts = 3

// Bounds of the pause before a failed attempt is repeated.
const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// Runner keeps the tables of one version of one projection up to date.
//
//	far behind      pages of the log ──► batch ──┐        one transaction:
//	                (next page is read meanwhile)├──►     move checkpoint (compare-and-set)
//	near the head   JetStream ──► what is there ─┘        Apply
//	                holes, silence: the log               park what fails
//
// Any number of runners of one projection may run: the compare-and-set lets one of them through with each batch.
type Runner struct {
	cfg     Config
	folder  folder
	reg     registry
	log     *slog.Logger
	metrics *metrics
	watch   *watch
	signal  *signal

	// The following belong to the goroutine of Run.
	own       *pgxpool.Pool
	at        checkpoint
	slow      int           // attempts of this batch that ran out of time
	slowUntil int64         // up to here, running out of time is the fault of an event
	lastMove  time.Time     // end of the last batch
	took      time.Duration // what it cost
	standby   bool          // another runner moved the checkpoint last
	// since when the log, or the replica of it that is read, has been shorter than the checkpoint; zero: it is not
	aheadSince time.Time
}

// New returns a runner that has done nothing yet.
func New(cfg Config) (*Runner, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := cfg.Projection
	m, err := newMetrics(cfg.Registerer, p.Name(), p.Version())
	if err != nil {
		return nil, err
	}
	return &Runner{
		cfg: cfg, folder: newFolder(p), metrics: m, signal: newSignal(),
		reg:   registry{pool: cfg.Pool, name: p.Name(), version: p.Version()},
		log:   cfg.Logger.With(slog.String("projection", p.Name()), slog.Int("version", p.Version())),
		watch: newWatch(p.Name(), cfg.StallAfter, cfg.Now),
	}, nil
}

// Name is that of the projection.
func (r *Runner) Name() string { return r.reg.name }

// Version is that of the projection.
func (r *Runner) Version() int { return r.reg.version }

// Run follows the log until ctx ends, and then returns nil. It lives through whatever passes: Postgres or JetStream
// away, another runner, events that cannot be applied. It runs once at a time. It returns an error if only an operator
// can help: another epoch ([ErrEpoch]), a log that lost its end ([ErrAhead]), a hole in it ([ErrHole]), tables that were
// made by other SQL ([ErrSchemaChanged]), a version that was dropped ([ErrUnknown]), or more failing keys than can be
// the fault of events ([ErrTooManyParked]).
func (r *Runner) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	own, err := dedicated(ctx, r.cfg.Pool, r.reg.schema(), 1)
	if err != nil {
		return err
	}
	defer own.Close()
	r.own = own
	r.watch.start()
	wg.Go(func() { r.monitor(ctx) })
	err = r.supervise(ctx)
	r.watch.stop(err)
	return err
}

// supervise starts the work over, from the checkpoint that the database has, after whatever ended it.
func (r *Runner) supervise(ctx context.Context) error {
	var ready bool
	delay := minBackoff
	for {
		before := r.at
		err := r.attempt(ctx, &ready)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it ended because it was told to
		case isFinal(err), r.ahead(err):
			r.log.ErrorContext(ctx, "projection stopped", slog.Any("error", err))
			return err
		case errors.Is(err, errFenced):
			r.metrics.fenced.Inc()
			if err := r.yield(ctx); err != nil {
				r.log.WarnContext(ctx, "checkpoint could not be read", slog.Any("error", err))
			}
			continue
		}
		if r.at.position != before.position {
			delay = minBackoff
		}
		r.watch.fail(err)
		r.log.WarnContext(ctx, "projection starts over", slog.Any("error", err), slog.Duration("after", delay))
		if !sleep(ctx, delay/2+rand.N(delay/2)) {
			return nil
		}
		delay = min(2*delay, maxBackoff)
	}
}

// yield leaves the work to the runner that moved the checkpoint, unless it was an operator, or a crash of Postgres, which
// takes the last batches with it: then there is work to do at once.
func (r *Runner) yield(ctx context.Context) error {
	now, err := r.reg.load(ctx)
	if err != nil || now.revision != r.at.revision || now.position <= r.at.position {
		return err
	}
	if !r.standby {
		r.log.InfoContext(ctx, "another runner of this projection is active", slog.Int64("position", now.position))
	}
	r.standby = true
	r.watch.enter(StageStandby)
	r.seen(now)
	sleep(ctx, r.cfg.Standby)
	return nil
}

// ahead tells whether the log has been shorter than the checkpoint for so long that it is no replica that lags.
func (r *Runner) ahead(err error) bool {
	if _, ok := errors.AsType[*AheadError](err); !ok {
		r.aheadSince = time.Time{}
		return false
	}
	now := r.cfg.Now()
	if r.aheadSince.IsZero() {
		r.aheadSince = now
	}
	return now.Sub(r.aheadSince) >= r.cfg.StallAfter
}

func isFinal(err error) bool {
	return errors.Is(err, ErrEpoch) || errors.Is(err, ErrHole) || errors.Is(err, ErrSchemaChanged) ||
		errors.Is(err, ErrUnknown) || errors.Is(err, ErrTooManyParked)
}

// attempt works until something fails. ready tells that the tables were there before: if they are gone then, they
// were dropped, and are not to be made again behind the back of who did it.
func (r *Runner) attempt(ctx context.Context, ready *bool) error {
	r.watch.enter(StageSetup)
	head, err := r.cfg.Log.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	if !*ready {
		if err := r.reg.ensure(ctx, r.cfg.Projection, head.Epoch); err != nil {
			return err
		}
		*ready = true
	}
	at, err := r.reg.load(ctx)
	if err != nil {
		return err
	}
	r.seen(at)
	for {
		if head, err = r.head(ctx); err != nil {
			return err
		}
		if head.Position-r.at.position > r.cfg.FarBehind {
			err = r.catchUp(ctx, head.Position)
		} else {
			err = r.follow(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// seen takes over a checkpoint from the database.
func (r *Runner) seen(at checkpoint) {
	r.at = at
	r.metrics.parked.Set(float64(len(at.parked)))
	r.metrics.position.Set(float64(at.position))
	r.watch.move(at.position)
	r.signal.set(at.position)
}

// moved tells everybody that a batch is in the tables.
func (r *Runner) moved(b batch, applied int, began time.Time) {
	now := r.cfg.Now()
	r.lastMove, r.took, r.standby = now, now.Sub(began), false
	r.metrics.position.Set(float64(b.to))
	r.metrics.events.Add(float64(applied))
	if applied > 0 {
		r.metrics.batch.Observe(float64(applied))
		r.metrics.visible.Observe(max(now.Sub(b.recordedAt), 0).Seconds())
	}
	r.watch.move(b.to)
	r.signal.set(b.to)
}

// head reads the end of the log, and checks that the checkpoint belongs to it.
func (r *Runner) head(ctx context.Context) (eventstore.Head, error) {
	head, err := r.cfg.Log.Head(ctx)
	if err != nil {
		return eventstore.Head{}, fmt.Errorf("read the end of the log: %w", err)
	}
	if head.Epoch != r.at.epoch {
		return eventstore.Head{}, &EpochError{Projection: r.reg.name, Source: "log", Checkpoint: r.at.epoch, Other: head.Epoch}
	}
	if head.Position < r.at.position {
		return eventstore.Head{}, &AheadError{Projection: r.reg.name, Position: r.at.position, Head: head.Position}
	}
	return head, nil
}

// sleep waits for d, and tells whether ctx still lives.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
