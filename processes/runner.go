package processes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/commands"
	"waybill/eventstore"
	"waybill/internal/failpoint"
)

// Executor carries commands out; [commands.Bus] does.
type Executor interface {
	Execute(ctx context.Context, c commands.Command) (commands.Result, error)
}

// Leases sees to it that one process at a time does what only one should; [eventstore.Leases] does.
type Leases interface {
	AcquireLease(ctx context.Context, name, holder string, ttl time.Duration, upto int64) (eventstore.Lease, error)
	RenewLease(ctx context.Context, lease eventstore.Lease, ttl time.Duration, upto int64) (eventstore.Lease, error)
	ReleaseLease(ctx context.Context, lease eventstore.Lease) error
}

// Stream is the live end of the log, such as a relay.Fanout.
type Stream interface {
	// Next returns the events from position from on that are there, in order, without a hole and at least one, and
	// waits for the first until ctx ends. The runner does not change them: they may be shared. A relay.BehindError
	// says which of them only the log has. After any other error the runner starts over.
	Next(ctx context.Context, from int64, epoch uuid.UUID) ([]eventstore.Event, error)
}

// Config says what a runner needs. Process, Bus, Log, Leases, Stream and Pool are required.
type Config struct {
	Process Process
	Bus     Executor
	Log     eventstore.Reader
	Leases  Leases
	Stream  Stream
	Pool    *pgxpool.Pool // made with [PoolConfig]
	// Holder names this process in the lease; default is a random one.
	Holder string
	// LeaseTTL is how long a lease is good without renewal; default 10 s.
	LeaseTTL time.Duration
	// Poll is how long the stream may be silent before the log is asked whether that is right; default 500 ms.
	Poll time.Duration
	// TimerPoll is how often due timers are looked for; default 500 ms.
	TimerPoll  time.Duration
	Now        func() time.Time // default time.Now
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (c *Config) withDefaults() error {
	switch {
	case c.Process == nil:
		return errors.New("runner: Process is missing")
	case c.Bus == nil, c.Log == nil, c.Leases == nil, c.Stream == nil, c.Pool == nil:
		return fmt.Errorf("runner of %s: Bus, Log, Leases, Stream and Pool are required", c.Process.Name())
	}
	c.Holder = cmp.Or(c.Holder, uuid.NewString())
	c.LeaseTTL = cmp.Or(c.LeaseTTL, 10*time.Second)
	c.Poll = cmp.Or(c.Poll, 500*time.Millisecond)
	c.TimerPoll = cmp.Or(c.TimerPoll, 500*time.Millisecond)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func leaseName(process string) string { return "process:" + process }

// Runner runs one process. Any number may run at once: the lease lets one of them work.
type Runner struct {
	config  Config
	metrics *metrics
}

// NewRunner returns a runner that does nothing before [Runner.Run].
func NewRunner(config Config) (*Runner, error) {
	if err := config.withDefaults(); err != nil {
		return nil, err
	}
	m, err := newMetrics(config.Registerer, config.Process.Name())
	if err != nil {
		return nil, err
	}
	return &Runner{config: config, metrics: m}, nil
}

// Run follows the events and runs the process until ctx ends. While another instance holds the lease, it waits. What
// goes wrong on the way is logged and tried again: nothing is lost by it, since the checkpoint stays where it was.
func (r *Runner) Run(ctx context.Context) error {
	name := leaseName(r.config.Process.Name())
	for pause := minPause; ctx.Err() == nil; {
		lease, err := r.config.Leases.AcquireLease(ctx, name, r.config.Holder, r.config.LeaseTTL, 0)
		if err == nil {
			started := r.config.Now()
			err = r.lead(ctx, lease)
			r.release(ctx, lease)
			if r.config.Now().Sub(started) > r.config.LeaseTTL {
				pause = minPause
			}
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end
		}
		if !errors.Is(err, eventstore.ErrLeaseHeld) {
			r.config.Logger.WarnContext(ctx, "process was interrupted and starts again",
				slog.String("process", r.config.Process.Name()), slog.Any("error", err), slog.Duration("again_in", pause))
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, r.config.LeaseTTL/3)
		case <-ctx.Done():
		}
	}
	return nil
}

// minPause is the first pause before the lease is asked for again.
const minPause = 100 * time.Millisecond

// release lets the next instance begin at once.
func (r *Runner) release(ctx context.Context, lease eventstore.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err := r.config.Leases.ReleaseLease(ctx, lease); err != nil {
		r.config.Logger.WarnContext(ctx, "lease could not be released and runs out by itself", slog.Any("error", err))
	}
}

// lead runs the process while the lease is held.
func (r *Runner) lead(ctx context.Context, lease eventstore.Lease) error {
	head, err := r.config.Log.Head(ctx)
	if err != nil {
		return err
	}
	store := newStore(r.config.Pool, r.config.Process.Name(), head.Epoch, lease.Term)
	parking, err := loadParking(ctx, store)
	if err != nil {
		return err
	}
	checkpoint, err := store.checkpoint(ctx)
	if err != nil {
		return err
	}
	fresh, err := store.head(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sub := newSubscriber(&r.config, checkpoint)
	store.mark, store.kept = sub.mark, checkpoint
	h := &handler{Config: &r.config, store: store, parking: parking, metrics: r.metrics, fresh: fresh}
	router, err := r.router(sub, h)
	if err != nil {
		return err
	}
	// The store goes on until the router has let go of the last message.
	storeCtx, stopStore := context.WithCancel(context.WithoutCancel(ctx))
	var workers, saver sync.WaitGroup
	saver.Go(func() { store.run(storeCtx, r.config.Logger) })
	workers.Go(func() { r.keepLease(ctx, lease, cancel) })
	workers.Go(func() { r.fireTimers(ctx, sub, store) })
	workers.Go(func() {
		if err := sub.follow(ctx, head.Epoch); ctx.Err() == nil {
			cancel(fmt.Errorf("follow the events: %w", err))
		}
	})
	err = router.Run(ctx)
	cancel(err)
	workers.Wait()
	_ = sub.Close() // it only waits
	stopStore()
	saver.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// router is Watermill's: it recovers panics, tries again, and parks what can never be handled.
func (r *Runner) router(sub message.Subscriber, h *handler) (*message.Router, error) {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 30 * time.Second}, watermill.NewSlogLogger(r.config.Logger))
	if err != nil {
		return nil, fmt.Errorf("router of %s: %w", r.config.Process.Name(), err)
	}
	park, err := middleware.PoisonQueueWithFilter(h, r.config.Process.Name(), isPermanent)
	if err != nil {
		return nil, fmt.Errorf("router of %s: %w", r.config.Process.Name(), err)
	}
	again := middleware.Retry{
		MaxRetries: 3, InitialInterval: 20 * time.Millisecond, MaxInterval: 500 * time.Millisecond, Multiplier: 3, RandomizationFactor: 0.5,
		ShouldRetry: func(p middleware.RetryParams) bool { return !isPermanent(p.Err) && !errors.Is(p.Err, errFenced) },
	}
	router.AddMiddleware(park, again.Middleware, middleware.Recoverer)
	for share := range Shares {
		router.AddConsumerHandler(fmt.Sprintf("%s-%d", r.config.Process.Name(), share), topic(share), sub, h.handle)
	}
	return router, nil
}

// keepLease renews the lease until ctx ends, and ends everything when it is lost.
func (r *Runner) keepLease(ctx context.Context, lease eventstore.Lease, fail context.CancelCauseFunc) {
	good := r.config.Now().Add(r.config.LeaseTTL)
	for {
		select {
		case <-time.After(r.config.LeaseTTL / 3):
		case <-ctx.Done():
			return
		}
		_, err := r.config.Leases.RenewLease(ctx, lease, r.config.LeaseTTL, 0)
		switch {
		case err == nil:
			good = r.config.Now().Add(r.config.LeaseTTL)
		case errors.Is(err, eventstore.ErrLeaseLost) || r.config.Now().After(good):
			fail(err)
			return
		}
	}
}

// fireTimers hands due timers to their shares, and counts what is open while it is at it. A timer stays in its table
// until what came of it is saved, so it is looked at again and again: a share gets new ones when it has none left, and
// the handler passes over those that are gone.
func (r *Runner) fireTimers(ctx context.Context, sub *subscriber, store *store) {
	tick := time.NewTicker(r.config.TimerPoll)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		fired, pending, err := store.due(ctx, r.config.Now(), 1000)
		if err == nil {
			err = failpoint.Hit(ctx, failpoint.ProcessAfterTimers)
		}
		if err != nil {
			if ctx.Err() == nil {
				r.config.Logger.WarnContext(ctx, "timers could not be read", slog.String("process", r.config.Process.Name()), slog.Any("error", err))
			}
			continue
		}
		r.metrics.pending.Set(float64(pending))
		var busy [Shares]bool
		for share := range busy {
			busy[share] = len(sub.timers[share]) > 0
		}
		for _, f := range fired {
			share := shareOf(f.Key)
			if busy[share] || len(sub.timers[share]) == queue {
				continue // at the next tick
			}
			sub.timers[share] <- &trigger{share: share, key: f.Key, name: f.Name, due: f.Due} // has room: nobody else sends
		}
	}
}
