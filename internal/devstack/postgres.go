package devstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Superuser is the name of the one role that a fresh cluster has.
const Superuser = "postgres"

const (
	defaultPort = 5432             // only the name of the socket file, unless PostgresConfig.Port says more
	quitGrace   = 10 * time.Second // between an immediate shutdown and SIGKILL
	stopGrace   = 20 * time.Second // for the orderly stop of Run, before an immediate one
	startRetry  = 15 * time.Second // how long the last backends of a killed predecessor may take to leave
	readyPoll   = 10 * time.Millisecond
)

// PostgresConfig says where and how a private Postgres runs. The zero value of each field but Dir is its default.
type PostgresConfig struct {
	// Dir is the folder of the cluster: data, log, lock and socket. Created when missing, kept by Stop. It may be
	// empty when Ephemeral is set. Where the user that Postgres runs as cannot reach it (below /root, say), another
	// place is taken and logged; Postgres.Dir answers which.
	Dir string
	// Binaries to run; the zero value finds them by FindPostgres.
	Binaries Binaries
	// Port on 127.0.0.1, beside the Unix socket; 0: the socket alone; -1: a free port. Every local user may connect
	// to it as superuser, the socket is ours alone.
	Port int
	// Ephemeral discards the folder at Stop and creates it without syncing it to disk. Commits are durable as ever.
	Ephemeral bool
	// Settings are server parameters that go before those of this package, such as max_connections.
	Settings map[string]string
	// Logger hears of recovery, of a changed folder and of a slow stop; nil: nobody.
	Logger *slog.Logger
}

func (c PostgresConfig) validate() error {
	if c.Dir == "" && !c.Ephemeral {
		return errors.New("start postgres: Dir is empty")
	}
	if c.Port < -1 || c.Port > 65535 {
		return fmt.Errorf("start postgres: Port is %d, want -1 to 65535", c.Port)
	}
	return nil
}

// InUseError says that another process runs the cluster in the folder.
type InUseError struct {
	Dir string
	PID int // of the Waybill process that holds it; 0 when unknown
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return e.Dir + " is in use by another process"
	}
	return fmt.Sprintf("%s is in use by process %d", e.Dir, e.PID)
}

// Postgres is a running private server. Its methods may be called by any goroutine.
type Postgres struct {
	home   home
	port   int
	tcp    bool
	eph    bool
	server *child
	log    *slog.Logger

	mu     sync.Mutex
	lock   *os.File // nil once released
	wanted bool     // the end was asked for
}

// StartPostgres brings the cluster in cfg.Dir up and returns when it answers queries. What a killed predecessor left
// is taken over: a postmaster that still runs is shut down, and its WAL is recovered. A folder that another living
// process runs is an [*InUseError], a missing Postgres a [*NoPostgresError]. The server does not end with ctx, which
// bounds the start alone; it ends by Stop, by Kill, or with this process.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	log := cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if cfg.Binaries == (Binaries{}) {
		found, err := findPostgres(ctx, "")
		if err != nil {
			return nil, err
		}
		cfg.Binaries = found
	}
	h, err := openHome(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	p := &Postgres{home: h, port: defaultPort, tcp: cfg.Port != 0, eph: cfg.Ephemeral, log: log}
	if p.lock, err = lockDir(h.dir); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if err := p.start(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start postgres in %s: %w", h.dir, err), p.release())
	}
	return p, nil
}

func (p *Postgres) start(ctx context.Context, cfg PostgresConfig) error {
	var err error
	switch {
	case cfg.Port > 0:
		p.port = cfg.Port
	case cfg.Port < 0:
		if p.port, err = freePort(ctx); err != nil {
			return err
		}
	}
	if err := p.home.endOrphan(ctx, p.log); err != nil {
		return err
	}
	if err := p.home.initialise(ctx, cfg); err != nil {
		return err
	}
	if p.home.socketDir, err = p.home.makeSocketDir(p.port); err != nil {
		return err
	}
	if err := p.home.writeHBA(p.tcp); err != nil {
		return err
	}
	deadline := time.Now().Add(startRetry)
	for {
		err = p.launch(ctx, cfg)
		// The backends of a postmaster that was killed see its death at their next wait, and until then hold its
		// shared memory: Postgres rightly refuses to start beside them. Ours is the lock, so nobody needs them.
		if err == nil || !strings.Contains(err.Error(), "still in use") || time.Now().After(deadline) {
			return err
		}
		endStrays(p.home.data())
		if err := pause(ctx, 10*readyPoll); err != nil {
			return err
		}
	}
}

// launch starts the server process and waits until it answers.
func (p *Postgres) launch(ctx context.Context, cfg PostgresConfig) error {
	logFile, mark, err := p.home.openLog()
	if err != nil {
		return err
	}
	defer logFile.Close() // the child has its own copy
	// Not bound to ctx: the server outlives the start.
	cmd := exec.Command(cfg.Binaries.path("postgres"), p.home.arguments(cfg, p.port)...) //nolint:noctx // see above
	p.home.dress(cmd)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if p.server, err = startChild(cmd); err != nil {
		return err
	}
	err = p.awaitReady(ctx)
	if err == nil {
		return nil
	}
	if stopErr := p.server.end(context.WithoutCancel(ctx), signalImmediate); stopErr != nil {
		err = errors.Join(err, stopErr)
	}
	return fmt.Errorf("%w; its log says: %s", err, p.home.logSince(mark))
}

func (p *Postgres) awaitReady(ctx context.Context) error {
	for {
		conn, err := pgconn.Connect(ctx, p.URL(Superuser))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.server.done:
			return fmt.Errorf("it ended at once: %w", cmp.Or(p.server.err, errors.New("exit status 0")))
		case <-ctx.Done():
			return fmt.Errorf("wait until it answers: %w", errors.Join(context.Cause(ctx), err))
		case <-time.After(readyPoll):
		}
	}
}

// URL is the address of a database, as superuser, over the Unix socket.
func (p *Postgres) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(Superuser), Path: "/" + database}
	u.RawQuery = url.Values{"host": {p.home.socketDir}, "port": {strconv.Itoa(p.port)}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// TCPURL is the address of a database over TCP, for what cannot stand before a Unix socket, such as a proxy that
// breaks connections on purpose. Empty when the server was started without a port.
func (p *Postgres) TCPURL(database string) string {
	if !p.tcp {
		return ""
	}
	u := url.URL{Scheme: "postgres", User: url.User(Superuser), Path: "/" + database}
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port))
	u.RawQuery = url.Values{"sslmode": {"disable"}}.Encode()
	return u.String()
}

// Dir is the folder of the cluster: that of the configuration, or the one that had to be taken instead.
func (p *Postgres) Dir() string { return p.home.dir }

// PID of the postmaster.
func (p *Postgres) PID() int { return p.server.cmd.Process.Pid }

// Run waits until ctx ends, then stops the server as Stop does, in 20 seconds at most. An end that nobody asked for is
// an error, at once; Kill then gives the folder free, and StartPostgres on it recovers what was committed.
func (p *Postgres) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		return p.Stop(ctx)
	case <-p.server.done:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.wanted {
			return nil
		}
		return fmt.Errorf("postgres in %s ended by itself (%w); its log is %s", p.home.dir,
			cmp.Or(p.server.err, errors.New("exit status 0")), p.home.logPath())
	}
}

// Stop ends the server in order: open transactions are rolled back, a checkpoint is written. When ctx ends first, it
// is shut down at once, which loses nothing that was committed but makes the next start recover. An ephemeral folder
// is removed. A second call does nothing.
func (p *Postgres) Stop(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	err := p.server.end(ctx, signalFast)
	if err == nil {
		err = p.home.leave(p.eph)
	}
	return errors.Join(err, p.release())
}

// Kill ends the postmaster and all its backends with SIGKILL, as a crash would. The folder stays as it is, also an
// ephemeral one, and StartPostgres on Dir recovers it.
func (p *Postgres) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	return errors.Join(p.server.kill(), p.release())
}

// release gives the folder free.
func (p *Postgres) release() error {
	if p.lock == nil {
		return nil
	}
	f := p.lock
	p.lock = nil
	return f.Close()
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("look for a free port: %w", err)
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.Join(fmt.Errorf("look for a free port: got %s", l.Addr()), l.Close())
	}
	return addr.Port, l.Close()
}

// pause waits for d, or for the end of ctx, which is an error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

func quoted(path string) string {
	return `"` + strings.ReplaceAll(filepath.Clean(path), `"`, `""`) + `"`
}
