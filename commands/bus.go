package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/eventstore"
	"waybill/internal/failpoint"
)

// Config is what a bus works with. Log is required; the zero value of any other field is its default.
type Config struct {
	// Log takes the commits.
	Log eventstore.Log
	// Snapshots shortens the loading of long streams; nil: every load replays all events.
	Snapshots eventstore.Snapshots
	// Numbers gives orders their numbers; nil: every order must bring its own.
	Numbers Numbers

	// CacheEntries is how many aggregates are kept in memory; default 50,000.
	CacheEntries int
	// CacheBytes is how much of them, by a rough estimate; default 128 MiB.
	CacheBytes int64
	// Attempts is how often a command is decided before it ends with [ErrContended]; default 24.
	Attempts int
	// SnapshotEvery is after how many events of a stream a snapshot is due; default 200.
	SnapshotEvery int

	// Now is the clock of the metrics; default time.Now. What commands say about time comes in with them.
	Now func() time.Time
	// Logger default discards.
	Logger *slog.Logger
	// Registerer takes the metrics; nil: nobody sees them.
	Registerer prometheus.Registerer
}

func (c Config) withDefaults() Config {
	c.CacheEntries = cmp.Or(c.CacheEntries, 50_000)
	c.CacheBytes = cmp.Or(c.CacheBytes, 128<<20)
	c.Attempts = cmp.Or(c.Attempts, 24)
	c.SnapshotEvery = cmp.Or(c.SnapshotEvery, 200)
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return c
}

func (c Config) validate() error {
	switch {
	case c.Log == nil:
		return errors.New("command bus: Log is missing")
	case c.CacheEntries < 1:
		return fmt.Errorf("command bus: CacheEntries %d: want at least 1", c.CacheEntries)
	case c.CacheBytes < 1:
		return fmt.Errorf("command bus: CacheBytes %d: want at least 1", c.CacheBytes)
	case c.Attempts < 1:
		return fmt.Errorf("command bus: Attempts %d: want at least 1", c.Attempts)
	case c.SnapshotEvery < 1:
		return fmt.Errorf("command bus: SnapshotEvery %d: want at least 1", c.SnapshotEvery)
	}
	return nil
}

// Bus carries out commands. It is safe for concurrent use, and any number of buses in any number of processes may work
// on one log.
type Bus struct {
	cfg     Config
	log     eventstore.Log
	kinds   kinds
	cache   *cache
	flights flights
	saver   *saver
	metrics *metrics
}

// New returns a bus. It starts nothing: [Bus.Run] does what happens in the background.
func New(cfg Config) (*Bus, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	b := &Bus{cfg: cfg, log: cfg.Log, kinds: newKinds()}
	var err error
	if b.metrics, err = newMetrics(cfg.Registerer); err != nil {
		return nil, err
	}
	b.cache = newCache(cfg.CacheEntries, cfg.CacheBytes, b.metrics)
	b.saver = newSaver(b)
	return b, nil
}

// Run saves snapshots until ctx ends, then returns nil. Commands are carried out without it, too; long streams then
// take longer to load.
func (b *Bus) Run(ctx context.Context) error {
	b.saver.run(ctx)
	return nil
}

// Execute carries out one command and returns when its outcome is stored.
//
// The error is a [*Refused] if the state of its aggregates does not allow it, a [*VersionError] if it expected another
// version, matches [ErrInvalid], [ErrKeyReused], [ErrInFlight] or [ErrContended], or matches
// [eventstore.ErrOutcomeUnknown]: then the command may have been carried out or may still be, and sending it again with
// the same id, or [Bus.Outcome], finds out. So it is when ctx ends while the commit is under way. Any other error is a
// fault of the log or of the program: nothing was stored, and the command may be sent again.
func (b *Bus) Execute(ctx context.Context, c Command) (Result, error) {
	start := b.cfg.Now()
	b.metrics.inFlight.Inc()
	r, err := b.execute(ctx, &c)
	b.metrics.inFlight.Dec()
	b.metrics.observe(c.Type, &r, err, b.cfg.Now().Sub(start))
	return r, err
}

func (b *Bus) execute(ctx context.Context, c *Command) (Result, error) {
	if err := c.validate(); err != nil {
		return Result{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return Result{}, fmt.Errorf("execute %s %s: %w", c.Type, c.ID, err)
	}
	if c.DryRun {
		return b.dryRun(ctx, c)
	}
	if !b.flights.enter(c.ID) {
		return Result{}, fmt.Errorf("execute %s %s: %w", c.Type, c.ID, ErrInFlight)
	}
	defer b.flights.leave(c.ID)
	if err := failpoint.Hit(ctx, failpoint.CommandAfterKeyLookup); err != nil {
		return Result{}, err
	}
	r, err := b.untilSettled(ctx, c)
	if err != nil && !isAnswer(err) {
		err = fmt.Errorf("execute %s %s: %w", c.Type, c.ID, err)
	}
	return r, err
}

// isAnswer tells whether err says all there is to say.
func isAnswer(err error) bool {
	switch err.(type) { //nolint:errorlint // only as made here, never wrapped
	case *Refused, *VersionError:
		return true
	}
	return false
}

// Outcome returns what became of a command: its result, or a [*Refused] as the error. The error matches
// [ErrUnknownCommand] if the log has no outcome of it.
func (b *Bus) Outcome(ctx context.Context, id uuid.UUID) (Result, error) {
	o, ok, err := b.log.Outcome(ctx, id)
	if err != nil {
		return Result{}, fmt.Errorf("outcome of command %s: %w", id, err)
	}
	if !ok {
		return Result{}, fmt.Errorf("outcome of command %s: %w", id, ErrUnknownCommand)
	}
	return b.replay(ctx, id, &o)
}

// untilSettled makes attempts until the command has an outcome, or none is to be had.
//
// An attempt that ended unknown may still take place behind our back. That is harmless, because the next one carries the
// same id and the log takes only one of them; but it must not be forgotten when all later attempts come to nothing.
func (b *Bus) untilSettled(ctx context.Context, c *Command) (Result, error) {
	p, err := b.plan(ctx, c)
	if err != nil {
		return Result{}, err
	}
	unknown := false
	for n := 1; ; n++ {
		r, err := b.attempt(ctx, p)
		if moved, ok := errors.AsType[*VersionError](err); ok {
			return b.versionMismatch(ctx, c, moved)
		}
		if err == nil || isAnswer(err) {
			return r, err
		}
		lost := errors.Is(err, eventstore.ErrOutcomeUnknown)
		unknown = unknown || lost
		switch {
		case lost && ctx.Err() == nil:
			o, ok, lookErr := b.log.Outcome(ctx, c.ID)
			if lookErr != nil {
				return Result{}, errors.Join(err, fmt.Errorf("look for its outcome: %w", lookErr))
			}
			if ok {
				return b.settled(ctx, c, &o, false)
			}
		case errors.Is(err, eventstore.ErrConflict), errors.Is(err, errAnotherNumber):
		default:
			return Result{}, stillUnknown(err, unknown)
		}
		if n >= b.cfg.Attempts {
			return Result{}, stillUnknown(fmt.Errorf("%w under %d attempts, last: %w", ErrContended, n, err), unknown)
		}
		b.metrics.retries.Inc()
		if err := pause(ctx, n); err != nil {
			return Result{}, stillUnknown(err, unknown)
		}
	}
}

// versionMismatch answers a command that expected another version, unless it is one that was carried out before: then the
// stream has moved because of it, and it gets its outcome.
func (b *Bus) versionMismatch(ctx context.Context, c *Command, moved *VersionError) (Result, error) {
	o, ok, err := b.log.Outcome(ctx, c.ID)
	if err != nil {
		return Result{}, fmt.Errorf("%w; look for an outcome: %w", moved, err)
	}
	if ok {
		return b.settled(ctx, c, &o, true)
	}
	return Result{}, moved
}

// stillUnknown adds to err that an earlier attempt may have taken place.
func stillUnknown(err error, unknown bool) error {
	if unknown && !errors.Is(err, eventstore.ErrOutcomeUnknown) {
		return fmt.Errorf("%w: %w", eventstore.ErrOutcomeUnknown, err)
	}
	return err
}

const (
	firstPause = 500 * time.Microsecond
	longPause  = 50 * time.Millisecond
)

// pause waits before attempt n+1: not at all at first, then for a random part of a span that doubles. The randomness
// keeps two processes that fight over one stream from meeting again and again.
func pause(ctx context.Context, n int) error {
	if n == 1 {
		return nil
	}
	span := min(firstPause<<min(n-2, 10), longPause)
	t := time.NewTimer(rand.N(span))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
