// Package devtest gives tests real servers: one Postgres cluster for each test binary, started at first use, with a
// migrated template database and a clone of it for each test; and in-process NATS servers.
//
// It starts nothing for tests that ask for nothing, and leaves nothing behind: not after a failure, a panic or a
// kill -9. It does not mock anything, and it does not skip: without Postgres a test fails with the line that
// installs it.
package devtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"waybill/internal/devstack"
)

const (
	template    = "waybill_template"
	startLimit  = 2 * time.Minute // a cold, busy machine; usual is under a second
	cleanLimit  = 30 * time.Second
	connections = "300"
)

// shared is what the tests of one binary have in common. TestMain has no other way to hand something to its tests.
//
//nolint:gochecknoglobals // see above
var shared cluster

// cluster is started by the first test that needs it.
type cluster struct {
	mu      sync.Mutex
	entered bool // Main runs
	migrate func(ctx context.Context, url string) error
	pg      *devstack.Postgres
	dir     string
	janitor io.Closer
	err     error // why it could not be started: the same answer for all tests that follow
	clones  atomic.Int64
}

// Main runs the tests of a package that use [Database], and is all that its TestMain does:
//
//	func TestMain(m *testing.M) { os.Exit(devtest.Main(m, eventstore.Migrate)) }
//
// migrate brings an empty database up to date, once; nil leaves it empty. Main answers the exit code. It is 1 when
// the tests passed but goroutines were left behind.
func Main(m *testing.M, migrate func(ctx context.Context, url string) error) int {
	shared.mu.Lock()
	shared.entered, shared.migrate = true, migrate
	shared.mu.Unlock()
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "devtest: stop the test cluster:", err)
		code = max(code, 1)
	}
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "devtest: the tests passed but left goroutines behind:", err)
		return 1
	}
	return 0
}

// Database creates a clone of the migrated template database for this test and returns its address (superuser, Unix
// socket). It is dropped at the end of the test, open connections and all. Parallel tests may call it.
func Database(tb testing.TB) string {
	tb.Helper()
	pg, err := shared.start(tb.Context())
	if err != nil {
		tb.Fatalf("start the test cluster: %v", err)
	}
	name := fmt.Sprintf("test_%d", shared.clones.Add(1))
	if err := admin(tb.Context(), pg, "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		tb.Fatalf("clone the template database: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), cleanLimit)
		defer cancel()
		if err := admin(ctx, pg, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("drop the test database: %v", err)
		}
	})
	return pg.URL(name)
}

// Cluster starts a server of this test's own, for tests that kill it or need settings of their own. The database
// "postgres" in it is empty. Restart it after Kill by devstack.StartPostgres on its Dir. Whoever runs in the folder
// at the end of the test is ended by the test's clean-up.
func Cluster(tb testing.TB, settings map[string]string) *devstack.Postgres {
	tb.Helper()
	dir, janitor, err := reserve()
	if err != nil {
		tb.Fatalf("make a folder for a cluster: %v", err)
	}
	tb.Cleanup(func() {
		if err := janitor.Close(); err != nil {
			tb.Errorf("remove the cluster: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(tb.Context(), startLimit)
	defer cancel()
	pg, err := devstack.StartPostgres(ctx, devstack.PostgresConfig{Dir: dir, Settings: settings, Port: -1})
	if err != nil {
		tb.Fatalf("start a cluster: %v", err)
	}
	tb.Cleanup(func() {
		if err := pg.Kill(); err != nil {
			tb.Errorf("end the cluster: %v", err)
		}
	})
	return pg
}

// NATS starts an in-process server with JetStream on a folder of this test's own; it ends with the test. It also
// listens, on a free port of 127.0.0.1.
func NATS(tb testing.TB) *devstack.NATS {
	tb.Helper()
	n, err := devstack.StartNATS(devstack.NATSConfig{Dir: tb.TempDir(), Port: -1})
	if err != nil {
		tb.Fatalf("start nats: %v", err)
	}
	tb.Cleanup(n.Stop)
	return n
}

func (c *cluster) start(ctx context.Context) (*devstack.Postgres, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pg != nil || c.err != nil {
		return c.pg, c.err
	}
	if !c.entered {
		return nil, errors.New("this package has no TestMain that calls devtest.Main")
	}
	// One test starts it for all: its own end must not cut the start short.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
	defer cancel()
	if err := c.bringUp(ctx); err != nil {
		c.err = err
	}
	return c.pg, c.err
}

func (c *cluster) bringUp(ctx context.Context) error {
	var err error
	if c.dir, c.janitor, err = reserve(); err != nil {
		return err
	}
	pg, err := devstack.StartPostgres(ctx, devstack.PostgresConfig{
		Dir:       filepath.Join(c.dir, "postgres"),
		Ephemeral: true,
		Settings:  map[string]string{"max_connections": connections},
	})
	if err != nil {
		return err
	}
	if err := prepare(ctx, pg, c.migrate); err != nil {
		return errors.Join(err, pg.Stop(ctx))
	}
	c.pg = pg
	return nil
}

// prepare makes the template database. Nobody may connect to it afterwards: a connection would block the cloning.
func prepare(ctx context.Context, pg *devstack.Postgres, migrate func(context.Context, string) error) error {
	if err := admin(ctx, pg, "CREATE DATABASE "+template); err != nil {
		return fmt.Errorf("create the template database: %w", err)
	}
	if migrate != nil {
		if err := migrate(ctx, pg.URL(template)); err != nil {
			return fmt.Errorf("migrate the template database: %w", err)
		}
	}
	if err := admin(ctx, pg, "ALTER DATABASE "+template+" WITH ALLOW_CONNECTIONS false"); err != nil {
		return fmt.Errorf("close the template database: %w", err)
	}
	return nil
}

func (c *cluster) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.pg != nil {
		ctx, cancel := context.WithTimeout(context.Background(), cleanLimit)
		defer cancel()
		err = c.pg.Stop(ctx)
	}
	if c.janitor != nil {
		err = errors.Join(err, c.janitor.Close())
	}
	return err
}

// admin runs one statement on a connection of its own: cheap over a Unix socket, and nothing is left open.
func admin(ctx context.Context, pg *devstack.Postgres, sql string) error {
	conn, err := pgx.Connect(ctx, pg.URL(devstack.Superuser))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// reserve makes a folder that is removed when the closer is closed, or when this process ends in whatever way: a
// panic in a test ends it without clean-up. So a small shell waits for the end of its standard input, ends a
// postmaster that still runs below the folder, and removes it.
func reserve() (string, io.Closer, error) {
	dir, err := os.MkdirTemp("", "waybill-test-")
	if err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // Postgres may run as another user and has to get in
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	// Not bound to a context: it has to outlive the tests.
	cmd := exec.Command("/bin/sh", "-c", janitorScript, "waybill-test-janitor", dir) //nolint:noctx // see above
	apart(cmd)
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("start the clean-up shell: %w", err), os.RemoveAll(dir))
	}
	return dir, &janitor{in: in, cmd: cmd}, nil
}

const janitorScript = `cat >/dev/null
for f in "$1"/data/postmaster.pid "$1"/*/data/postmaster.pid; do
	[ -e "$f" ] || continue
	read -r pid <"$f"
	kill -QUIT "$pid" 2>/dev/null
	n=0
	while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.1; done
done
rm -rf "$1"`

// janitor is that shell. Close makes it remove the folder and waits until it has.
type janitor struct {
	in  io.Closer
	cmd *exec.Cmd
}

func (j *janitor) Close() error {
	err := j.in.Close()
	if waitErr := j.cmd.Wait(); waitErr != nil {
		return fmt.Errorf("remove the folder of a test cluster: %w", waitErr)
	}
	return err
}
