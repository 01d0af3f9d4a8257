// Package engine wires the parts of Waybill into a running process: the log and its appender, the bus, the relay, the
// projections, the processes and the edges, as many of them as the process has roles.
//
// It decides nothing: every part has a package of its own. Here stands who gets what, what starts with what, and in
// which order everything stops.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/api"
	"waybill/api/auth"
	"waybill/api/intake"
	"waybill/commands"
	"waybill/eventstore"
	"waybill/eventstore/relay"
	"waybill/internal/config"
	"waybill/processes"
	"waybill/projections"
	"waybill/projections/orderdetail"
	"waybill/projections/orderlist"
	"waybill/projections/stocklevels"
	"waybill/projections/stuckorders"
	"waybill/projections/timeline"
)

// Migrations are the schema of every part, in the order in which it is built.
func Migrations() ([]eventstore.MigrationSet, error) {
	keys, err := auth.Migrations()
	if err != nil {
		return nil, err
	}
	poison, err := intake.Migrations()
	if err != nil {
		return nil, err
	}
	return []eventstore.MigrationSet{projections.Migrations(), processes.Migrations(), {Name: "api", FS: keys}, {Name: "intake", FS: poison}}, nil
}

// Projections are all read models.
func Projections() []projections.Projection {
	return []projections.Projection{
		orderlist.Projection{}, orderdetail.Projection{}, timeline.Projection{}, stocklevels.Projection{}, stuckorders.Projection{},
	}
}

// Processes are the names of all process managers.
func Processes() []string { return []string{processes.Placement{}.Name()} }

// Options say what a process runs on. All are required.
type Options struct {
	Config config.Config
	// Connect makes the NATS connection of a part; every part that speaks NATS has one of its own, and may have a user
	// of its own.
	Connect  func(part Part, options ...nats.Option) (*nats.Conn, error)
	Logger   *slog.Logger
	Registry *prometheus.Registry
	Version  string // of the program
}

// Part is a part of the engine as NATS knows it: the name of its user in nats.conf, where those have users.
type Part string

// The parts that connect to NATS.
const (
	Relay    Part = "relay"
	Service  Part = "service"  // answers requests
	Intake   Part = "intake"   // takes commands from the work queue
	Consumer Part = "consumer" // projections and processes
	Admin    Part = "admin"    // people, for repair; the engine itself never
)

// Parts are all of them.
func Parts() []Part { return []Part{Relay, Service, Intake, Consumer, Admin} }

// Engine is a process with its roles, ready to run.
type Engine struct {
	Options
	Log *eventstore.Postgres
	Bus *commands.Bus
	// Server is the HTTP edge; nil without the role.
	Server *api.Server

	holder    string // names this process in leases
	relay     *relay.Relay
	feed      *relay.Fanout
	runners   []*projections.Runner
	processes []*processes.Runner
	edges     []part
	onAppend  []func() // called after commits of this process; must not block
	pools     []*pgxpool.Pool
	conns     []*nats.Conn
}

// Open connects to everything and checks that it fits; nothing runs yet. Close lets go of it.
func Open(ctx context.Context, o Options) (_ *Engine, err error) {
	e := &Engine{Options: o, holder: holder()}
	defer func() {
		if err != nil {
			e.Close()
		}
	}()
	sets, err := Migrations()
	if err != nil {
		return nil, err
	}
	if err := eventstore.CheckSchema(ctx, o.Config.Database.URL.Reveal(), sets...); err != nil {
		return nil, err
	}
	for _, open := range []func(context.Context) error{e.openLog, e.openRelay, e.openFeed, e.openProjections, e.openProcesses, e.openEdges} {
		if err := open(ctx); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// holder names this process in leases, for people too; no two are named alike.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString()[:8])
}

func (e *Engine) has(role string) bool { return slices.Contains(e.Config.Roles, role) }

func (e *Engine) openLog(ctx context.Context) error {
	var err error
	e.Log, err = eventstore.OpenPostgres(ctx, eventstore.PostgresConfig{
		DSN: e.Config.Database.URL.Reveal(), AllowDataLoss: e.Config.AllowDataLoss, Logger: e.Logger, Registerer: e.Registry,
	})
	if err != nil {
		return err
	}
	pool, err := e.pool(ctx, eventstore.RoleAppend, 2)
	if err != nil {
		return err
	}
	e.Bus, err = commands.New(commands.Config{
		Log: e.Log, Snapshots: e.Log, Numbers: commands.NewBlocks(eventstore.NewCounters(pool)), Logger: e.Logger, Registerer: e.Registry,
	})
	return err
}

func (e *Engine) openRelay(ctx context.Context) error {
	if !e.has(config.RoleRelay) {
		return e.announceToRelays()
	}
	pool, err := e.pool(ctx, eventstore.RoleRelay, 2)
	if err != nil {
		return err
	}
	conn, err := e.connect(Relay, relay.ConnOptions()...)
	if err != nil {
		return err
	}
	e.relay, err = relay.New(relay.Config{Log: e.Log, Conn: conn, Lease: relay.NewLease(eventstore.NewLeases(pool), e.holder, 0), Logger: e.Logger, Reg: e.Registry})
	if err != nil {
		return err
	}
	e.onAppend = append(e.onAppend, e.relay.Wake)
	return nil
}

// announceToRelays is for a process without a relay: those of other processes hear of its commits.
func (e *Engine) announceToRelays() error {
	part := Consumer
	switch {
	case e.has(config.RoleAPI):
		part = Service
	case e.has(config.RoleIntake):
		part = Intake
	}
	conn, err := e.connect(part, nats.Name("waybill-wake"))
	if err != nil {
		return err
	}
	e.onAppend = append(e.onAppend, func() { _ = relay.Announce(conn) }) // a hint: relays also ask by themselves
	return nil
}

// openFeed makes what projections and processes follow the events by.
func (e *Engine) openFeed(context.Context) error {
	if !e.has(config.RoleProjections) && !e.has(config.RoleProcesses) {
		return nil
	}
	conn, err := e.connect(Consumer, nats.Name("waybill-feed"))
	if err != nil {
		return err
	}
	e.feed, err = relay.NewFanout(relay.FanoutConfig{Conn: conn, Logger: e.Logger})
	return err
}

func (e *Engine) openProjections(ctx context.Context) error {
	if !e.has(config.RoleProjections) {
		return nil
	}
	all := Projections()
	pool, err := e.pool(ctx, eventstore.RoleProject, int32(len(all)+2))
	if err != nil {
		return err
	}
	for _, p := range all {
		r, err := projections.New(projections.Config{
			Projection: p, Pool: pool, Log: e.Log, Feed: e.feed, Logger: e.Logger, Registerer: e.Registry,
		})
		if err != nil {
			return err
		}
		e.runners = append(e.runners, r)
	}
	return nil
}

func (e *Engine) openProcesses(ctx context.Context) error {
	if !e.has(config.RoleProcesses) {
		return nil
	}
	pool, err := e.poolOf(ctx, processes.PoolConfig())
	if err != nil {
		return err
	}
	r, err := processes.NewRunner(processes.Config{
		Process: processes.Adapt(processes.Placement{}), Bus: e.Bus, Log: e.Log, Leases: eventstore.NewLeases(pool), Holder: e.holder,
		Stream: e.feed, Pool: pool, Logger: e.Logger, Registerer: e.Registry,
	})
	if err != nil {
		return err
	}
	e.processes = append(e.processes, r)
	return nil
}

func (e *Engine) pool(ctx context.Context, role eventstore.Role, conns int32) (*pgxpool.Pool, error) {
	return e.poolOf(ctx, eventstore.PoolConfig{Role: role, MaxConns: conns})
}

func (e *Engine) poolOf(ctx context.Context, cfg eventstore.PoolConfig) (*pgxpool.Pool, error) {
	pool, err := eventstore.NewPool(ctx, e.Config.Database.URL.Reveal(), cfg)
	if err != nil {
		return nil, err
	}
	e.pools = append(e.pools, pool)
	return pool, nil
}

// connect makes a connection that reconnects for ever.
func (e *Engine) connect(part Part, options ...nats.Option) (*nats.Conn, error) {
	conn, err := e.Connect(part, append([]nats.Option{nats.MaxReconnects(-1), nats.ErrorHandler(e.natsError)}, options...)...)
	if err != nil {
		return nil, err
	}
	e.conns = append(e.conns, conn)
	return conn, nil
}

// natsError says what the server objects to between two calls: a subject that the user may not use, a slow consumer.
func (e *Engine) natsError(conn *nats.Conn, sub *nats.Subscription, err error) {
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	e.Logger.LogAttrs(context.Background(), slog.LevelWarn, "NATS objects", slog.String("connection", conn.Opts.Name), slog.String("subject", subject), slog.Any("error", err))
}

// Run runs all roles until ctx ends or one of them cannot go on. Then everything stops in the order in which data
// flows: what comes in first, what follows from it after that, so that nothing accepted is left behind unnecessarily.
func (e *Engine) Run(ctx context.Context) error {
	intake, react, write, publish, project := stage{name: "edges", parts: e.edges}, stage{name: "processes"}, stage{name: "log"}, stage{name: "relay"}, stage{name: "projections"}
	feed := stage{name: "feed"}
	for _, p := range e.processes {
		react.parts = append(react.parts, part{"process", p.Run})
	}
	write.parts = []part{{"bus", e.Bus.Run}, {"log", e.Log.Run}}
	publish.parts = []part{{"wake-up", e.announce}}
	if e.relay != nil {
		publish.parts = append(publish.parts, part{"relay", e.relay.Run})
	}
	for _, r := range e.runners {
		project.parts = append(project.parts, part{"projection " + r.Name(), e.alone(r.Name(), r.Run)})
	}
	if e.feed != nil {
		feed.parts = []part{{"feed", e.feed.Run}}
	}
	return runStages(ctx, e.Logger, []stage{intake, react, write, publish, project, feed})
}

// alone keeps what stops a projection for good, such as a log that was restored, from stopping everything else. It is
// logged, and told by readyz and doctor until somebody has mended it and restarts this process.
func (e *Engine) alone(name string, run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := run(ctx); err != nil {
			e.Logger.ErrorContext(ctx, "a projection has stopped; the others go on", slog.String("projection", name), slog.Any("error", err))
			<-ctx.Done()
		}
		return nil
	}
}

// announce tells those who wait for events of this process that its appender has committed: the relay and the streams
// here, and the relays of other processes if there is none here.
func (e *Engine) announce(ctx context.Context) error {
	for {
		_, later := e.Log.Appended()
		select {
		case <-later:
			for _, tell := range e.onAppend {
				tell()
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Close lets go of all connections. It may be called more than once.
func (e *Engine) Close() {
	for _, c := range e.conns {
		c.Close()
	}
	for _, p := range e.pools {
		p.Close()
	}
	if e.Log != nil {
		e.Log.Close()
	}
	e.conns, e.pools, e.Log = nil, nil, nil
}
