package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/api/auth"
)

const (
	readyLimit = 60 * time.Second // for the engine to answer that it is ready
	stopLimit  = 30 * time.Second // for it to stop in order
)

// process is `waybill serve` with all its roles, as a process of its own: its memory and its CPU time can then be told
// apart from those of the clients, of NATS and of the yardstick, which are in this one.
type process struct {
	base  string // address of the HTTP API
	admin string // address of metrics and pprof
	key   string // an API key with every scope

	cmd  *exec.Cmd
	said *lastWords
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; read after done
}

// startServer starts the program on a migrated database and returns when it is ready.
func startServer(ctx context.Context, program, dsn, natsURL string) (*process, error) {
	key, err := newKey(ctx, dsn)
	if err != nil {
		return nil, err
	}
	web, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &process{base: "http://" + web, admin: "http://" + admin, key: key, said: &lastWords{}, done: make(chan struct{})}
	// Not bound to ctx: it is stopped in order, by stop.
	s.cmd = exec.Command(program, "serve", "--http-addr", web, "--admin-addr", admin, "--log-level", "warn", "--log-format", "text") //nolint:noctx,gosec // see above; the program is ours
	s.cmd.Env = append(ownSettings(os.Environ()), "DATABASE_URL="+dsn, "NATS_URL="+natsURL)
	s.cmd.Stderr = s.said
	if err := s.start(); err != nil {
		return nil, fmt.Errorf("start %s serve: %w", program, err)
	}
	if err := s.awaitReady(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s serve: %w; it said: %s", program, err, s.said), s.stop(ctx))
	}
	return s, nil
}

// start starts the process on an OS thread that lives as long as the process: the kernel ends the child when the thread
// that forked it ends.
func (s *process) start() error {
	dieWithParent(s.cmd)
	started := make(chan error, 1)
	go func() {
		defer close(s.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.err = s.cmd.Wait()
		}
	}()
	return <-started
}

func (s *process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit, fmt.Errorf("not ready after %s", readyLimit))
	defer cancel()
	for {
		if s.isReady(ctx) {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("it ended: %w", errors.Join(s.err, errors.New("before it was ready")))
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *process) isReady(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// stop ends the process in order; one that does not end is killed, and that is an error.
func (s *process) stop(ctx context.Context) error {
	http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	select {
	case <-s.done:
		return s.alive()
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the engine: %w", err)
	}
	select {
	case <-s.done:
		if s.err != nil {
			return fmt.Errorf("stop the engine: %w; it said: %s", s.err, s.said)
		}
		return nil
	case <-ctx.Done():
		_ = s.cmd.Process.Kill()
		<-s.done
		return fmt.Errorf("stop the engine: still there after %s; it said: %s", stopLimit, s.said)
	}
}

// alive is an error if the process has ended.
func (s *process) alive() error {
	select {
	case <-s.done:
		return fmt.Errorf("the engine ended by itself: %w; it said: %s", errors.Join(s.err, errEnded), s.said)
	default:
		return nil
	}
}

var errEnded = errors.New("nobody asked it to")

// newKey makes an API key with every scope.
func newKey(ctx context.Context, dsn string) (string, error) {
	secret, err := auth.NewSecret("bench")
	if err != nil {
		return "", err
	}
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return "", fmt.Errorf("store an API key: %w", err)
	}
	defer pool.Close()
	_, err = auth.NewPostgresStore(pool).AddKey(ctx, secret, "bench", auth.Scopes(), nil)
	return secret, err
}

// ownSettings leaves out of the environment what would set the engine up otherwise than a user finds it.
func ownSettings(environ []string) []string {
	var kept []string
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "WAYBILL_") || strings.HasPrefix(name, "PG") || name == "DATABASE_URL" || name == "NATS_URL" {
			continue
		}
		kept = append(kept, v)
	}
	return kept
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("look for a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// lastWords keeps the end of what a process says.
type lastWords struct {
	mu  sync.Mutex
	end []byte
}

const mostWords = 4 << 10

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end = append(w.end, p...)
	if over := len(w.end) - mostWords; over > 0 {
		w.end = append(w.end[:0], w.end[over:]...)
	}
	return len(p), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.end) == 0 {
		return "(nothing)"
	}
	return string(bytes.TrimSpace(w.end))
}

// usage is what a process has used.
type usage struct {
	cpu            time.Duration // user and system, since it started
	resident, peak int64         // bytes: now, and at most since it started
}

// userHZ is the unit in which the kernel tells CPU times; it is 100 on every architecture that Go runs on.
const userHZ = 100

// usageOf reads what /proc knows of a process.
func usageOf(pid int) (usage, error) {
	var u usage
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return u, fmt.Errorf("read what process %d has used: %w", pid, err)
	}
	// The name, in brackets, may hold blanks: count from behind it. utime and stime are fields 14 and 15.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, f := range fields[11:13] {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, fmt.Errorf("read what process %d has used: %w", pid, err)
		}
		u.cpu += time.Duration(ticks) * time.Second / userHZ
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return u, fmt.Errorf("read what process %d has used: %w", pid, err)
	}
	u.resident, u.peak = kilobytes(status, "VmRSS:"), kilobytes(status, "VmHWM:")
	return u, nil
}

// kilobytes finds a line such as "VmRSS:  1234 kB" and returns it in bytes; 0 if there is none.
func kilobytes(status []byte, name string) int64 {
	for line := range bytes.Lines(status) {
		fields := strings.Fields(string(line))
		if len(fields) == 3 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

func (s *process) usage() (usage, error) { return usageOf(s.cmd.Process.Pid) }

// megabytes as the aims mean them: 1 MB is 2^20 bytes, to a tenth.
func megabytes(bytes int64) float64 { return float64(bytes*10>>20) / 10 }

// startEngine starts the engine with all its roles on the servers of this Env, until it is closed. program is the binary
// of Waybill; empty for the one that runs.
func (e *Env) startEngine(ctx context.Context, program string) (*process, error) {
	s, err := e.launch(ctx, program)
	if err != nil {
		return nil, err
	}
	e.OnClose(s.stop)
	return s, nil
}

// launch is startEngine for whoever stops it himself.
func (e *Env) launch(ctx context.Context, program string) (*process, error) {
	if program == "" {
		var err error
		if program, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find the program that runs: %w", err)
		}
	}
	dsn, err := e.Database(ctx)
	if err != nil {
		return nil, err
	}
	natsURL, err := e.natsURL(ctx)
	if err != nil {
		return nil, err
	}
	return startServer(ctx, program, dsn, natsURL)
}

// natsURL is the address of NATS for another process.
func (e *Env) natsURL(ctx context.Context) (string, error) {
	if _, err := e.Connector(ctx); err != nil { // brings the server up
		return "", err
	}
	if e.servers.cfg.NATSURL != "" {
		return e.servers.cfg.NATSURL, nil
	}
	if url := e.servers.nats.ClientURL(); url != "" {
		return url, nil
	}
	return "", errors.New("the NATS of the bench does not listen")
}
