//go:build unix

package devstack_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"waybill/internal/devstack"
)

// The test binary runs itself again as the process that owns a server and is killed.
const ownerDir = "WAYBILL_TEST_OWNER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerDir); dir != "" {
		own(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// own starts a server, commits a row, says the postmaster's process id and waits to be killed.
func own(dir string) {
	ctx := context.Background()
	pg, err := devstack.StartPostgres(ctx, devstack.PostgresConfig{Dir: dir})
	if err == nil {
		err = exec1(ctx, pg, "CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(pg.PID(), os.Getuid())
	select {}
}

func exec1(ctx context.Context, pg *devstack.Postgres, sql string) error {
	conn, err := pgx.Connect(ctx, pg.URL(devstack.Superuser))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

func number(t *testing.T, url, sql string) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	err = conn.QueryRow(t.Context(), sql).Scan(&n)
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	return n
}

// folder is a temporary folder that the user that Postgres runs as can reach, which t.TempDir alone is not.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != filepath.Clean(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func start(t *testing.T, cfg devstack.PostgresConfig) *devstack.Postgres {
	t.Helper()
	pg, err := devstack.StartPostgres(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return pg
}

func gone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("process %d still runs", pid)
		case <-tick.C:
		}
	}
}

func TestPostgresKeepsDataOverStopAndKill(t *testing.T) {
	t.Parallel()
	cfg := devstack.PostgresConfig{Dir: filepath.Join(folder(t), "pg")}
	for round, end := range []func(*devstack.Postgres) error{
		func(pg *devstack.Postgres) error { return pg.Stop(t.Context()) },
		(*devstack.Postgres).Kill,
		(*devstack.Postgres).Kill,
	} {
		pg, err := devstack.StartPostgres(t.Context(), cfg)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := exec1(t.Context(), pg, "CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		if err := end(pg); err != nil {
			t.Fatalf("round %d: end: %v", round, err)
		}
		gone(t, pg.PID())
	}
	pg := start(t, cfg)
	if got := number(t, pg.URL(devstack.Superuser), "SELECT count(*) FROM kept"); got != 3 {
		t.Errorf("rows after a stop and two kills = %d, want 3", got)
	}
}

func TestPostgresKilledWhileBackendsWork(t *testing.T) {
	t.Parallel()
	cfg := devstack.PostgresConfig{Dir: filepath.Join(folder(t), "pg")}
	pg, err := devstack.StartPostgres(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), pg.URL(devstack.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	busy := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT count(*) FROM generate_series(1, 10000000000)")
		busy <- err
	}()
	// The postmaster alone dies, as by the kernel's OOM killer: its busy backend holds the shared memory for a while.
	if err := syscall.Kill(pg.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := pg.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("Run after a death nobody asked for = %v", err)
	}
	if err := pg.Stop(t.Context()); err != nil {
		t.Errorf("stop what is dead: %v", err)
	}
	again := start(t, cfg)
	if got := number(t, again.URL(devstack.Superuser), "SELECT 1"); got != 1 {
		t.Errorf("SELECT 1 = %d", got)
	}
	if err := <-busy; err == nil {
		t.Error("the backend of the killed server went on to its end")
	}
}

// TestPostgresDiesWithItsOwner kills -9 the process that owns a server, as root and as an ordinary user.
func TestPostgresDiesWithItsOwner(t *testing.T) {
	t.Parallel()
	users := map[string]*syscall.Credential{"as ourselves": nil}
	if os.Geteuid() == 0 {
		users["as an ordinary user"] = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	for name, credential := range users {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			self := runnable(t, dir)
			cfg := devstack.PostgresConfig{Dir: filepath.Join(dir, "pg")}
			if credential != nil {
				if err := os.Chown(dir, int(credential.Uid), int(credential.Gid)); err != nil {
					t.Fatal(err)
				}
			}
			const rounds = 3
			for range rounds {
				owner := exec.CommandContext(t.Context(), self)
				owner.Dir = dir
				owner.Env = []string{ownerDir + "=" + cfg.Dir, "PATH=" + os.Getenv("PATH")}
				owner.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
				owner.Stderr = t.Output()
				out, err := owner.StdoutPipe()
				if err == nil {
					err = owner.Start()
				}
				if err != nil {
					t.Fatal(err)
				}
				var pid, uid int
				if _, err := fmt.Fscan(out, &pid, &uid); err != nil {
					t.Fatalf("read what the owner says: %v", err)
				}
				if credential != nil && uid != int(credential.Uid) {
					t.Fatalf("owner runs as %d, want %d", uid, credential.Uid)
				}
				if held, ok := errors.AsType[*devstack.InUseError](second(t, cfg)); !ok || held.PID != owner.Process.Pid {
					t.Errorf("second start = %v, want it to name process %d", held, owner.Process.Pid)
				}
				if err := owner.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := owner.Wait(); err == nil {
					t.Error("the owner was not killed")
				}
				// The next round starts at once, whether the postmaster is gone by now or not.
			}
			pg := start(t, cfg)
			if got := number(t, pg.URL(devstack.Superuser), "SELECT count(*) FROM kept"); got != rounds {
				t.Errorf("rows = %d, want %d", got, rounds)
			}
		})
	}
}

// second tries to start another server on the folder and returns the error.
func second(t *testing.T, cfg devstack.PostgresConfig) error {
	t.Helper()
	pg, err := devstack.StartPostgres(t.Context(), cfg)
	if err == nil {
		t.Error("a second server started in the same folder")
		return pg.Stop(t.Context())
	}
	return err
}

// runnable copies the test binary to where any user may run it.
func runnable(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	self := filepath.Join(dir, "owner")
	if err := os.WriteFile(self, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return self
}

func TestPostgresStalePidFileOfAnotherProcess(t *testing.T) {
	t.Parallel()
	cfg := devstack.PostgresConfig{Dir: filepath.Join(folder(t), "pg")}
	pg, err := devstack.StartPostgres(t.Context(), cfg)
	if err == nil {
		err = pg.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	// After a reboot the number may be anybody's: ours, here.
	pidFile := filepath.Join(cfg.Dir, "data", "postmaster.pid")
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n")
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())+"\n"+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
}

func TestPostgresInterruptedInitdbIsBegunAnew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "pg")
	if err := os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o755); err != nil {
		t.Fatal(err)
	}
	start(t, devstack.PostgresConfig{Dir: dir})
}

func TestPostgresEphemeralLeavesNothing(t *testing.T) {
	t.Parallel()
	pg, err := devstack.StartPostgres(t.Context(), devstack.PostgresConfig{Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := pg.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pg.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestPostgresUnreachableFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30)) // too long for a socket as well
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for d := dir; d != filepath.Clean(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	pg := start(t, devstack.PostgresConfig{Dir: filepath.Join(dir, "pg"), Ephemeral: true})
	if os.Geteuid() == 0 && strings.HasPrefix(pg.Dir(), dir) {
		t.Errorf("Dir() = %s, which only root can reach", pg.Dir())
	}
	if os.Geteuid() != 0 && pg.Dir() != filepath.Join(dir, "pg") {
		t.Errorf("Dir() = %s, want the one asked for", pg.Dir())
	}
	if got := number(t, pg.URL(devstack.Superuser), "SELECT 1"); got != 1 {
		t.Errorf("SELECT 1 = %d", got)
	}
}

func TestPostgresTCP(t *testing.T) {
	t.Parallel()
	silent := start(t, devstack.PostgresConfig{Ephemeral: true})
	if got := silent.TCPURL("postgres"); got != "" {
		t.Errorf("TCPURL without a port = %q, want none", got)
	}
	if got := number(t, silent.URL("postgres"), "SELECT count(*) FROM pg_settings WHERE name = 'listen_addresses' AND setting <> ''"); got != 0 {
		t.Error("the server listens without having been asked to")
	}
	pg := start(t, devstack.PostgresConfig{Ephemeral: true, Port: -1, Settings: map[string]string{"max_connections": "17"}})
	if got := number(t, pg.TCPURL("postgres"), "SELECT setting::int FROM pg_settings WHERE name = 'max_connections'"); got != 17 {
		t.Errorf("max_connections = %d, want 17", got)
	}
}

func TestPostgresErrors(t *testing.T) {
	t.Parallel()
	notOurs := folder(t)
	if err := os.MkdirAll(filepath.Join(notOurs, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(notOurs, "data", "PG_VERSION"), []byte("9\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		cfg  devstack.PostgresConfig
		want string
	}{
		"no folder":       {devstack.PostgresConfig{}, "Dir is empty"},
		"bad port":        {devstack.PostgresConfig{Dir: "x", Port: 70000}, "Port is 70000"},
		"another version": {devstack.PostgresConfig{Dir: notOurs}, "made by PostgreSQL 9"},
		"bad setting": {
			devstack.PostgresConfig{Ephemeral: true, Dir: filepath.Join(folder(t), "pg"), Settings: map[string]string{"no_such": "1"}},
			`unrecognized configuration parameter "no_such"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := devstack.StartPostgres(t.Context(), tt.cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestPostgresRunStopsWithItsContext(t *testing.T) {
	t.Parallel()
	pg := start(t, devstack.PostgresConfig{Ephemeral: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pg.Run(ctx); err != nil {
		t.Error(err)
	}
	gone(t, pg.PID())
}
