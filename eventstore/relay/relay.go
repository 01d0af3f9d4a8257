package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/eventstore"
)

// Source is the part of [eventstore.Reader] that the relay copies from.
type Source interface {
	ReadLog(ctx context.Context, from int64, limit int) ([]eventstore.Event, error)
	Head(ctx context.Context) (eventstore.Head, error)
}

// Signal tells what this process appended, as [eventstore.Postgres] does.
type Signal interface {
	// Appended returns the last position known to be committed, and a channel that is closed when there are more.
	Appended() (position int64, later <-chan struct{})
}

// Lease is both the lease that lets one relay work while others stand by, and the barrier before publication.
//
// A commit whose wait for the synchronous standby was cancelled can be read and yet be gone after a failover. What Hold
// wrote comes behind it in the same WAL: once that write was acknowledged, everything up to upto is as durable.
type Lease interface {
	// Hold takes or renews the lease and records upto, in one durable write that it waits for. It returns false if
	// another holder has the lease; an error if nothing is known.
	Hold(ctx context.Context, upto int64) (held bool, err error)
	// Release gives the lease back, so that another need not wait for its end.
	Release(ctx context.Context) error
}

// Config says what a [Relay] copies and where. Log and Conn are required; the zero value of every other field is its
// default.
type Config struct {
	Log Source
	// Conn must have been opened with [ConnOptions].
	Conn *nats.Conn
	// Signal is nil if nothing is appended in this process; then the log is polled, and other processes [Announce].
	Signal Signal
	// Lease is nil for a log that has no standby and one process, such as [eventstore.Memory].
	Lease  Lease
	Stream Stream
	// Window is how many messages are in flight at most; default 1024.
	Window int
	// Page is how many events are read from the log at once; default 512.
	Page int
	// Poll is how often the log is asked for its end when nobody signals; default 200 ms.
	Poll time.Duration
	// Audit is how often the stream is compared with the log while all goes well; default 5 s.
	Audit time.Duration
	// Renew is how often the lease is renewed while there is nothing to publish; default 1.5 s.
	Renew time.Duration
	// Pace is the shortest time between two barriers, each of which is a commit; default 2 ms.
	Pace time.Duration
	// AckTimeout is how long the stream may leave everything in flight unanswered; default 5 s.
	AckTimeout time.Duration
	// Reseed is how many of the newest events a stream gets that had to be made again; default 0: all.
	Reseed int64
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default: nobody hears
	Reg    prometheus.Registerer
}

func (c Config) withDefaults() Config {
	c.Stream.Name = cmp.Or(c.Stream.Name, StreamName)
	c.Stream.Replicas = cmp.Or(c.Stream.Replicas, 1)
	c.Stream.MaxAge = cmp.Or(c.Stream.MaxAge, 7*24*time.Hour)
	c.Window = cmp.Or(c.Window, 1024)
	c.Page = cmp.Or(c.Page, 512)
	c.Poll = cmp.Or(c.Poll, 200*time.Millisecond)
	c.Audit = cmp.Or(c.Audit, 5*time.Second)
	c.Renew = cmp.Or(c.Renew, 1500*time.Millisecond)
	c.Pace = cmp.Or(c.Pace, 2*time.Millisecond)
	c.AckTimeout = cmp.Or(c.AckTimeout, 5*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Log == nil:
		return errors.New("relay: Log is missing")
	case c.Conn == nil:
		return errors.New("relay: Conn is missing")
	case c.Conn.Opts.ReconnectBufSize >= 0:
		return errors.New("relay: Conn buffers while it reconnects: open it with relay.ConnOptions")
	case c.Window < 1:
		return fmt.Errorf("relay: Window is %d, must be positive", c.Window)
	case c.Page < 2 || c.Page > eventstore.MaxPage:
		return fmt.Errorf("relay: Page is %d, must be 2 to %d", c.Page, eventstore.MaxPage)
	case c.Poll <= 0, c.Audit <= 0, c.Renew <= 0, c.Pace <= 0, c.AckTimeout <= 0:
		return errors.New("relay: Poll, Audit, Renew, Pace and AckTimeout must be positive")
	case c.Reseed < 0:
		return fmt.Errorf("relay: Reseed is %d, must not be negative", c.Reseed)
	}
	return nil
}

// ConnOptions are the options that the relay's connection needs: no buffer that would send messages late and out of
// order after a reconnect, no end to reconnecting, and a dead server noticed within seconds.
func ConnOptions() []nats.Option {
	return []nats.Option{
		nats.Name("waybill-relay"), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond), nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2),
	}
}

// wakeSubject is where a process tells relays in other processes that it appended.
const wakeSubject = "waybill.wake"

const (
	lookTimeout = 30 * time.Second
	levelNotice = slog.LevelInfo
)

// Announce tells the relays of other processes that there is something to publish. It is a hint that may get lost:
// the relay also asks by itself.
func Announce(nc *nats.Conn) error {
	if err := nc.Publish(wakeSubject, nil); err != nil {
		return fmt.Errorf("announce an append: %w", err)
	}
	return nil
}

// Relay copies the log to the stream. Any number of them may run at once, in any number of processes.
type Relay struct {
	cfg     Config
	js      jetstream.JetStream
	metrics *metrics
	wake    chan struct{}

	mu     sync.Mutex
	status Status
}

// New returns a relay that has not spoken to anybody yet.
func New(cfg Config) (*Relay, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	m, err := newMetrics(cfg.Reg)
	if err != nil {
		return nil, err
	}
	r := &Relay{cfg: cfg, js: js, metrics: m, wake: make(chan struct{}, 1)}
	r.enter(Stopped, nil)
	return r, nil
}

// Wake tells the relay that something was appended. It never blocks, and any goroutine may call it.
func (r *Relay) Wake() { poke(r.wake) }

// Run publishes until ctx ends, and then returns nil. Trouble with the log, with JetStream or between the two is no
// reason to return: it shows in [Relay.Status] and the metrics, and Run goes on when it is over. It returns an error
// only if the connection was closed for good.
func (r *Relay) Run(ctx context.Context) error {
	wakes, err := r.cfg.Conn.Subscribe(wakeSubject, func(*nats.Msg) { r.Wake() })
	if err != nil {
		return fmt.Errorf("relay: listen on %s: %w", wakeSubject, err)
	}
	defer func() { _ = wakes.Unsubscribe() }()
	changes := r.cfg.Conn.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.CLOSED)
	defer r.cfg.Conn.RemoveStatusListener(changes)
	defer r.enter(Stopped, nil)
	defer r.release(ctx)

	s := &session{Relay: r, confirmed: unknown, changes: changes}
	for delay := minRetry; ; {
		before := s.confirmed
		err := s.run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if r.cfg.Conn.IsClosed() {
			return fmt.Errorf("relay: %w", nats.ErrConnectionClosed)
		}
		if s.confirmed > before {
			delay = minRetry
		}
		r.pause(ctx, err, &delay)
	}
}

// pause says what happened, and waits as long as it deserves.
func (r *Relay) pause(ctx context.Context, err error, delay *time.Duration) {
	state, reason, wait := r.judge(err)
	if wait < 0 {
		wait = *delay + rand.N(*delay)
		*delay = min(2**delay, maxRetry)
	}
	was := r.Status()
	r.enter(state, err)
	if reason != "" {
		r.metrics.resets.WithLabelValues(reason).Inc()
	}
	if was.Err == nil || err == nil || was.Err.Error() != err.Error() {
		level := slog.LevelWarn
		if state == Forked {
			level = slog.LevelError
		}
		if state == Standby {
			level = slog.LevelDebug
		}
		r.cfg.Logger.LogAttrs(ctx, level, "relay stopped publishing", slog.String("state", string(state)), slog.String("reason", reason), slog.Any("error", err))
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
}

// judge says what an error means: the state to be in, the reason to count, and how long to wait before the next look;
// a negative wait is the usual backoff.
func (r *Relay) judge(err error) (State, string, time.Duration) {
	switch {
	case errors.Is(err, ErrFork):
		return Forked, "fork", r.cfg.Audit
	case errors.Is(err, ErrConfig):
		return Forked, "config", r.cfg.Audit
	case errors.Is(err, errStandby):
		return Standby, "", r.cfg.Renew
	case errors.Is(err, errLogChanged):
		return Looking, "log_changed", -1
	case errors.Is(err, errDisconnected), errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrDisconnected):
		return Retrying, "connection", -1
	case errors.Is(err, errAckTimeout):
		return Retrying, "timeout", -1
	case wrongSequence(err):
		return Looking, "sequence", -1
	default:
		return Retrying, "error", -1
	}
}

func wrongSequence(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// release gives the lease back, also when ctx has ended.
func (r *Relay) release(ctx context.Context) {
	if r.cfg.Lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err := r.cfg.Lease.Release(ctx); err != nil {
		r.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "relay lease not released", slog.Any("error", err))
	}
}

func attrStream(name string) slog.Attr              { return slog.String("stream", name) }
func attrPosition(name string, pos int64) slog.Attr { return slog.Int64(name, pos) }
