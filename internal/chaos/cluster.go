package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	engineUser = "engine" // who the engine is in the database: a member of the group roles, and owner of nothing
	scopes     = "orders:read,orders:write,stock:read,stock:write,events:read,system:read"
)

// Config says what a cluster is made of. The zero value is two serve processes with all roles.
type Config struct {
	// Tags are further build tags of waybill, such as that of a seeded bug.
	Tags []string
	// Servers is how many serve processes there are; default 2.
	Servers int
	// Args are further arguments of each serve process, such as --roles.
	Args []string
	// Env is more environment of each serve process.
	Env []string
	// DrainLimit bounds how long everything may take, after the last fault, to be where the log is; default 60 s.
	DrainLimit time.Duration
}

// Cluster is a Postgres, a nats-server and serve processes between which and both of which stand links. Everything is on
// 127.0.0.1, in one folder, and ends with this process.
type Cluster struct {
	// Dir holds everything. It is kept when the test fails.
	Dir string
	// Program is the waybill that runs.
	Program string
	// Database and Broker are the servers themselves, ToDatabase and ToBroker the ways of the serve processes to them.
	Database   *Database
	Broker     *Broker
	ToDatabase *Link
	ToBroker   *Link
	// Servers are the serve processes. None runs until it is started.
	Servers []*Server
	// Key is the API key of the clients.
	Key string

	cfg       Config
	env       []string // of commands that look at the servers without a proxy, as the owner of the database
	engineEnv []string // of serve processes
}

// New brings up Postgres and NATS, migrates, makes a user and a key, and takes it all down when the test ends. Serve
// processes are made and not started: see [Cluster.Start].
func New(tb testing.TB, cfg Config) *Cluster {
	tb.Helper()
	program, natsServer := Build(tb, cfg.Tags...), BuildNATS(tb)
	dir, err := os.MkdirTemp("", "waybill-chaos-") //nolint:usetesting // Postgres runs as another user, who may not pass through t.TempDir
	if err != nil {
		tb.Fatal(err)
	}
	c := &Cluster{Dir: dir, Program: program, cfg: cfg}
	if c.cfg.Servers == 0 {
		c.cfg.Servers = 2
	}
	if c.cfg.DrainLimit == 0 {
		c.cfg.DrainLimit = 60 * time.Second
	}
	tb.Cleanup(func() {
		if err := c.close(); err != nil {
			tb.Errorf("end the cluster: %v", err)
		}
		if tb.Failed() {
			tb.Logf("everything is kept in %s", dir)
		} else if err := removeAll(dir); err != nil {
			tb.Errorf("remove the cluster: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(tb.Context(), 3*time.Minute)
	defer cancel()
	if err := c.bringUp(ctx, natsServer); err != nil {
		tb.Fatalf("bring a cluster up: %v", err)
	}
	return c
}

func (c *Cluster) bringUp(ctx context.Context, natsServer string) error {
	if err := os.Chmod(c.Dir, 0o755); err != nil { //nolint:gosec // Postgres has to pass through
		return err
	}
	var err error
	if c.Database, err = newDatabase(ctx, filepath.Join(c.Dir, "postgres")); err != nil {
		return err
	}
	if c.Broker, err = newBroker(ctx, natsServer, c.Dir); err != nil {
		return err
	}
	if c.ToDatabase, err = newLink(ctx, "postgres", loopback(c.Database.cfg.Port)); err != nil {
		return err
	}
	if c.ToBroker, err = newLink(ctx, "nats", c.Broker.Addr()); err != nil {
		return err
	}
	base := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir, "TMPDIR=" + c.Dir, "WAYBILL_LOG_FORMAT=text"}, natsPasswords()...)
	c.env = append(slices.Clone(base), "DATABASE_URL="+c.Database.URL(), "WAYBILL_NATS_URL=nats://"+c.Broker.Addr())
	c.engineEnv = append(base, "DATABASE_URL="+c.Database.url(engineUser, c.ToDatabase.Addr()), "WAYBILL_NATS_URL=nats://"+c.ToBroker.Addr())
	if err := c.prepare(ctx); err != nil {
		return err
	}
	for n := range c.cfg.Servers {
		s, err := c.newServer(ctx, n+1)
		if err != nil {
			return err
		}
		c.Servers = append(c.Servers, s)
	}
	return nil
}

// prepare does what docs/operations.md says has to be done once.
func (c *Cluster) prepare(ctx context.Context) error {
	if _, err := c.must(ctx, "migrate"); err != nil {
		return err
	}
	conn, err := c.Database.Connect(ctx)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `CREATE ROLE `+engineUser+` LOGIN;
GRANT waybill_append, waybill_relay, waybill_project, waybill_process, waybill_read TO `+engineUser)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	key, err := c.must(ctx, "keys", "create", "shop", "--scopes", scopes)
	c.Key = strings.TrimSpace(string(key))
	return err
}

// Start starts all serve processes and waits until they are ready.
func (c *Cluster) Start(ctx context.Context, env ...string) error {
	for _, s := range c.Servers {
		if err := s.Launch(env...); err != nil {
			return err
		}
	}
	for _, s := range c.Servers {
		if err := s.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Supervise starts serve processes again whenever they end without being asked to, until the returned function is
// called.
func (c *Cluster) Supervise(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, s := range c.Servers {
		wg.Go(func() { s.supervise(ctx) })
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// Heal undoes every fault that lasts: links are whole, the servers run, serve processes are not frozen. Serve processes
// that have ended are left to their supervisor.
func (c *Cluster) Heal(ctx context.Context) error {
	err := errors.Join(c.ToDatabase.Heal(ctx), c.ToBroker.Heal(ctx), c.Database.Start(ctx), c.Broker.Start(ctx), c.Broker.Thaw())
	for _, s := range c.Servers {
		err = errors.Join(err, s.Thaw())
	}
	return err
}

// Run runs a command of waybill to its end, as the owner of the database and without links in between.
func (c *Cluster) Run(ctx context.Context, args ...string) (stdout, stderr []byte, code int, err error) {
	return runProgram(ctx, c.Program, args, c.env, c.Dir)
}

// must is Run of a command that has to succeed.
func (c *Cluster) must(ctx context.Context, args ...string) ([]byte, error) {
	out, errs, code, err := c.Run(ctx, args...)
	if err == nil && code != 0 {
		err = fmt.Errorf("waybill %s: exit code %d: %s", strings.Join(args, " "), code, tail(errs))
	}
	return out, err
}

// close ends everything.
func (c *Cluster) close() error {
	for _, s := range c.Servers {
		s.Kill()
	}
	if c.ToDatabase != nil {
		c.ToDatabase.Cut()
	}
	if c.ToBroker != nil {
		c.ToBroker.Cut()
	}
	if c.Broker != nil {
		c.Broker.Kill()
	}
	if c.Database != nil {
		return c.Database.Kill()
	}
	return nil
}

// removeAll removes a folder in which a process may have been busy when it was killed.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	for range 50 {
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		wait(context.Background(), 20*time.Millisecond)
		err = os.RemoveAll(dir)
	}
	return err
}
