package devtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/internal/devstack/devtest"
)

// The test binary runs itself once more for the tests of what happens after a panic.
const reexec = "WAYBILL_DEVTEST_PANIC"

func TestMain(m *testing.M) {
	os.Exit(devtest.Main(m, func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "CREATE TABLE migrated (n int); INSERT INTO migrated VALUES (1)")
		return errors.Join(err, conn.Close(ctx))
	}))
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func TestDatabaseClonesTheMigratedTemplate(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			conn := connect(t, devtest.Database(t))
			var sum int
			// What one clone writes no other sees: each finds the template's row and its own alone.
			err := conn.QueryRow(t.Context(), `WITH w AS (INSERT INTO migrated VALUES ($1) RETURNING n)
				SELECT (SELECT sum(n) FROM migrated) + (SELECT n FROM w)`, i).Scan(&sum)
			if err != nil {
				t.Fatal(err)
			}
			if sum != 1+i {
				t.Errorf("sum in the clone = %d, want %d", sum, 1+i)
			}
		})
	}
}

func TestDatabaseIsDroppedAtTheEnd(t *testing.T) {
	t.Parallel()
	var name string
	var open *pgx.Conn // still open when its database is dropped: the drop does not wait for it
	t.Run("user", func(t *testing.T) {
		var err error
		if open, err = pgx.Connect(t.Context(), devtest.Database(t)); err != nil {
			t.Fatal(err)
		}
		name = open.Config().Database
	})
	if err := open.Ping(t.Context()); err == nil {
		t.Error("the connection outlived its database")
	}
	conn := connect(t, devtest.Database(t))
	var found bool
	if err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&found); err != nil {
		t.Fatal(err)
	}
	if found {
		t.Errorf("database %s is still there", name)
	}
}

func TestDatabaseIsDurable(t *testing.T) {
	t.Parallel()
	conn := connect(t, devtest.Database(t))
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit", "data_checksums"} {
		var value string
		if err := conn.QueryRow(t.Context(), "SHOW "+setting).Scan(&value); err != nil {
			t.Fatal(err)
		}
		if value != "on" {
			t.Errorf("%s = %s, want on", setting, value)
		}
	}
}

func TestPanicLeavesNothingBehind(t *testing.T) {
	if os.Getenv(reexec) != "" {
		connect(t, devtest.Database(t))
		fmt.Println("about to panic")
		panic("on purpose")
	}
	t.Parallel()
	tmp := t.TempDir()
	reachable(t, tmp)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanicLeavesNothingBehind$", "-test.v")
	cmd.Env = append(os.Environ(), reexec+"=1", "TMPDIR="+tmp)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "about to panic") {
		t.Fatalf("the child did not get as far as its panic: %v\n%s", err, out)
	}
	eventually(t, func() error {
		left, err := filepath.Glob(filepath.Join(tmp, "*"))
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("left behind: %v", left)
		}
		return err
	})
}

func TestNATSHasJetStream(t *testing.T) {
	t.Parallel()
	n := devtest.NATS(t)
	nc, err := n.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AccountInfo(); err != nil {
		t.Error(err)
	}
	if n.ClientURL() == "" {
		t.Error("no client url")
	}
}

// reachable opens the folders that t.TempDir made to the user that Postgres runs as.
func reachable(t *testing.T, dir string) {
	t.Helper()
	for ; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
}

// eventually waits until check answers nil.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-tick.C:
		}
	}
}
