// Package api is the edge that programs and people touch: HTTP with server-sent events, and, in its sub-packages, the
// NATS service and the durable intake.
//
//	wire      the shapes of commands and events, and the one strict decoder
//	dispatch  command in, outcome out: the same for every transport
//	problem   the vocabulary of refusals and errors, with its pages
//	auth      who asks, and what they may do
//	tail      following the log, without a gap, for any number of readers
//	service   the NATS micro service
//	intake    commands that survive our downtime, from a JetStream work queue
//
// All HTTP routes stand in one table with a guard before it; commands are decoded by hand from the table of package wire,
// queries go through huma, and the OpenAPI document describes both. The package decides nothing about orders or stock and
// stores nothing but API keys.
package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/netutil"
	"golang.org/x/time/rate"

	"waybill/api/auth"
	"waybill/api/dispatch"
	"waybill/api/tail"
	"waybill/eventstore"
	"waybill/projections"
	"waybill/projections/keyset"
	"waybill/projections/timeline"
)

// Config configures [NewServer]. The first block is required; the zero value of everything else is a default.
type Config struct {
	Dispatcher  *dispatch.Dispatcher // carries out commands
	Auth        auth.Authenticator   // finds the principal of every request
	Log         eventstore.Reader    // the raw log
	Tail        *tail.Tail           // follows the log; the caller runs it
	Reads       keyset.Querier       // the read models: a pool with the role waybill_read
	Checkpoints Checkpoints          // how far the read models are
	Logger      *slog.Logger

	// Refused finds the refused commands of an order, for its timeline; nil leaves them out.
	Refused timeline.Outcomes
	// Checks say what must work before this instance is ready.
	Checks []Check
	// Registerer takes the metrics; nil keeps them to ourselves.
	Registerer prometheus.Registerer
	// Gatherer is what GET /metrics shows; nil shows nothing.
	Gatherer prometheus.Gatherer
	// Fallback answers what no route takes, such as a console; nil answers 404.
	Fallback http.Handler
	// Version is that of the program, for the OpenAPI document; "dev" by default.
	Version string
	// Now tells the time; the wall clock by default.
	Now func() time.Time

	// Address is where to listen; 127.0.0.1:8080 by default.
	Address string
	// MaxConnections bounds open connections; 4,096 by default.
	MaxConnections int
	// MaxInFlight bounds the commands that are worked on, and as many queries; streams do not count. 1,024 by default.
	MaxInFlight int
	// MaxStreams bounds clients of /v1/stream; 256 by default.
	MaxStreams int
	// MaxBody bounds a body, or a line of a batch, in bytes; 256 KiB by default.
	MaxBody int64
	// BatchConcurrency bounds how many lines of one batch are carried out at a time; 64 by default.
	BatchConcurrency int
	// Rate is how many requests a second a principal may send, lines of a batch counted; 10,000 by default.
	Rate float64
	// Burst is how many it may send at once; twice the rate by default.
	Burst int
	// ReadHeaderTimeout, ReadTimeout and IdleTimeout bound what a client may take; 5, 15 and 60 s by default.
	ReadHeaderTimeout, ReadTimeout, IdleTimeout time.Duration
	// WriteTimeout bounds how long a client may take to accept an answer, or a part of a stream; 30 s by default.
	WriteTimeout time.Duration
	// Heartbeat is the time between signs of life on a quiet stream; 15 s by default.
	Heartbeat time.Duration
	// MaxWait bounds how long a query waits for its read model; 10 s by default. Without a wish, it is 2 s.
	MaxWait time.Duration
	// DrainDelay is how long the server goes on after readyz has turned 503, for load balancers to notice; none by
	// default.
	DrainDelay time.Duration
	// ShutdownTimeout bounds how long requests in flight may take to finish; 15 s by default.
	ShutdownTimeout time.Duration
}

// Checkpoints tells how far read models are: [projections.Checkpoints] does.
type Checkpoints interface {
	Position(ctx context.Context, name string) (int64, error)
	WaitFor(ctx context.Context, name string, position int64) error
}

var _ Checkpoints = (*projections.Checkpoints)(nil)

// maxHeader bounds the header of a request, in bytes.
const maxHeader = 16 << 10

func (c Config) withDefaults() Config {
	c.Version = cmp.Or(c.Version, "dev")
	c.Address = cmp.Or(c.Address, "127.0.0.1:8080")
	c.MaxConnections = cmp.Or(c.MaxConnections, 4096)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 1024)
	c.MaxStreams = cmp.Or(c.MaxStreams, 256)
	c.MaxBody = cmp.Or(c.MaxBody, 256<<10)
	c.BatchConcurrency = cmp.Or(c.BatchConcurrency, 64)
	c.Rate = cmp.Or(c.Rate, 10_000)
	c.Burst = cmp.Or(c.Burst, int(2*c.Rate))
	c.ReadHeaderTimeout = cmp.Or(c.ReadHeaderTimeout, 5*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 15*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 60*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 30*time.Second)
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.MaxWait = cmp.Or(c.MaxWait, 10*time.Second)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, 15*time.Second)
	return c
}

func (c Config) validate() error {
	for _, required := range []struct {
		name    string
		missing bool
	}{
		{"Dispatcher", c.Dispatcher == nil},
		{"Auth", c.Auth == nil},
		{"Log", c.Log == nil},
		{"Tail", c.Tail == nil},
		{"Reads", c.Reads == nil},
		{"Checkpoints", c.Checkpoints == nil},
		{"Logger", c.Logger == nil},
	} {
		if required.missing {
			return fmt.Errorf("api: %s is missing", required.name)
		}
	}
	for _, positive := range []struct {
		name  string
		value float64
	}{
		{"MaxConnections", float64(c.MaxConnections)},
		{"MaxInFlight", float64(c.MaxInFlight)},
		{"MaxStreams", float64(c.MaxStreams)},
		{"MaxBody", float64(c.MaxBody)},
		{"BatchConcurrency", float64(c.BatchConcurrency)},
		{"Rate", c.Rate},
		{"Burst", float64(c.Burst)},
		{"ReadHeaderTimeout", float64(c.ReadHeaderTimeout)},
		{"ReadTimeout", float64(c.ReadTimeout)},
		{"IdleTimeout", float64(c.IdleTimeout)},
		{"WriteTimeout", float64(c.WriteTimeout)},
		{"Heartbeat", float64(c.Heartbeat)},
		{"MaxWait", float64(c.MaxWait)},
		{"ShutdownTimeout", float64(c.ShutdownTimeout)},
	} {
		if positive.value <= 0 {
			return fmt.Errorf("api: %s is %v, it must be more than zero", positive.name, positive.value)
		}
	}
	return nil
}

// Server is the HTTP edge.
type Server struct {
	cfg      Config
	log      *slog.Logger
	dispatch *dispatch.Dispatcher
	tail     *tail.Tail
	metrics  *metrics
	table    *table
	limits   *limits
	bodies   bodies
	openapi  []byte
	commands atomic.Int64 // in flight
	queries  atomic.Int64 // in flight
	streams  atomic.Int64 // open
	draining atomic.Bool
	started  atomic.Bool
	settled  atomic.Bool // every check has passed once

	stopping context.Context //nolint:containedctx // ends every open stream when the server stops
	stop     context.CancelFunc

	mu       sync.Mutex
	listener net.Listener
}

// NewServer returns a server. It does not listen before [Server.Listen] or [Server.Run].
func NewServer(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, dispatch: cfg.Dispatcher, tail: cfg.Tail, metrics: m,
		limits: &limits{rate: rate.Limit(cfg.Rate), burst: cfg.Burst, buckets: map[string]*rate.Limiter{}},
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	if err := s.routes(); err != nil {
		s.stop()
		return nil, fmt.Errorf("api: %w", err)
	}
	return s, nil
}

func (s *Server) now() time.Time {
	if s.cfg.Now != nil {
		return s.cfg.Now()
	}
	return time.Now() //nolint:forbidigo // the default clock
}

// routes fills the table.
func (s *Server) routes() error {
	t := newTable(s)
	s.table = t
	for _, r := range s.commandRoutes() {
		t.add(r)
	}
	for _, r := range s.openRoutes() {
		t.add(r)
	}
	t.add(&route{method: http.MethodGet, path: "/v1/stream", scope: auth.EventsRead, uncounted: true, handle: s.stream})
	doc, err := s.describe(t)
	if err != nil {
		return err
	}
	s.openapi = doc
	fallback := t.fallback()
	fallback.metrics = s.metrics.route("unmatched")
	t.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, fallback) })
	return t.err
}

// Handler returns the whole HTTP interface, for tests and for servers of one's own.
func (s *Server) Handler() http.Handler { return s.table }

// OpenAPI returns the OpenAPI 3.1 document.
func (s *Server) OpenAPI() []byte { return s.openapi }

// Listen begins to listen, and returns the address. Connections wait until [Server.Run] runs.
func (s *Server) Listen(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Address)
		if err != nil {
			return "", fmt.Errorf("listen for HTTP on %s: %w", s.cfg.Address, err)
		}
		s.listener = l
	}
	return s.listener.Addr().String(), nil
}

// Run serves until ctx ends. Then it reports itself not ready, ends the streams, lets requests in flight finish, and
// returns nil; or an error if they did not finish in time, or if it could not serve.
func (s *Server) Run(ctx context.Context) error {
	address, err := s.Listen(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	server := &http.Server{
		Handler:           s.table,
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.ReadTimeout,
		WriteTimeout:      s.cfg.WriteTimeout + s.cfg.ReadTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { served <- server.Serve(netutil.LimitListener(s.listener, s.cfg.MaxConnections)) })
	s.log.InfoContext(ctx, "serving HTTP", slog.String("address", address))
	s.started.Store(true)
	select {
	case err := <-served:
		return fmt.Errorf("serve HTTP on %s: %w", address, err)
	case <-ctx.Done():
	}
	return s.shutdown(ctx, server)
}

func (s *Server) shutdown(ctx context.Context, server *http.Server) error {
	s.draining.Store(true)
	if s.cfg.DrainDelay > 0 {
		t := time.NewTimer(s.cfg.DrainDelay)
		<-t.C
	}
	s.stop()
	begin := s.now()
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stopCtx); err != nil {
		return errors.Join(fmt.Errorf("finish HTTP requests within %s: %w", s.cfg.ShutdownTimeout, err), server.Close())
	}
	s.log.InfoContext(stopCtx, "HTTP server stopped", slog.Duration("took", s.now().Sub(begin)))
	return nil
}
