package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"waybill/cmd/waybill/engine"
	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

const (
	runLimit   = 60 * time.Second // of a command that ends by itself
	readyLimit = 60 * time.Second // of a server, on a machine that is busy with other tests
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait for other processes most of the time, so more of them may run than there are processors.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := devtest.Main(m, func(ctx context.Context, url string) error {
		sets, err := engine.Migrations()
		if err != nil {
			return err
		}
		return eventstore.Migrate(ctx, url, sets...)
	})
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// built holds the programs under test; the first test that needs one builds it.
var built struct {
	mu   sync.Mutex
	dir  string
	done map[string]error
	port int // how many were given out
}

// program builds a main package and returns where it is.
func program(t *testing.T, pkg, name string) string {
	t.Helper()
	built.mu.Lock()
	defer built.mu.Unlock()
	if built.dir == "" {
		built.dir, built.done = folder(t, "waybill-bin-"), map[string]error{}
	}
	path := filepath.Join(built.dir, name)
	err, ok := built.done[name]
	if !ok {
		args := []string{"build", "-o", path}
		if withRace && name == "waybill" {
			args = append(args, "-race")
		}
		var out []byte
		if out, err = exec.CommandContext(context.WithoutCancel(t.Context()), "go", append(args, pkg)...).CombinedOutput(); err != nil {
			err = fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
		built.done[name] = err
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func waybill(t *testing.T) string {
	t.Helper()
	return program(t, "waybill/cmd/waybill", "waybill")
}

// folder makes a folder that other users may pass through, which those of t.TempDir are not.
func folder(t *testing.T, prefix string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", prefix) //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	return dir
}

// place is where a test runs programs: a folder with everything that they read from their surroundings.
type place struct {
	t   *testing.T
	dir string // the working folder, with a folder for temporary files
	env []string
	as  *syscall.Credential // nil: whoever runs the test
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, dir: folder(t, "wb-")}
	t.Cleanup(func() { _ = os.RemoveAll(p.dir) })
	tmp := filepath.Join(p.dir, "tmp")
	if err := os.Mkdir(tmp, 0o777); err != nil { //nolint:gosec // as /tmp is
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o777|os.ModeSticky); err != nil { //nolint:gosec // as /tmp is
		t.Fatal(err)
	}
	p.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "TMPDIR=" + tmp, "GORACE=halt_on_error=1"}
	return p
}

// with returns the place with more environment.
func (p *place) with(env ...string) *place {
	q := *p
	q.env = append(append([]string{}, p.env...), env...)
	return &q
}

// process is a running program.
type process struct {
	t        *testing.T
	name     string
	cmd      *exec.Cmd
	out, err *output
	ended    chan struct{} // closed when it has ended
	failure  error         // how, once it has
}

// output collects what a program writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start starts a program, which is killed at the end of the test if it still runs.
func (p *place) start(path string, args ...string) *process {
	p.t.Helper()
	c := &process{t: p.t, name: filepath.Base(path) + " " + strings.Join(args, " "), out: &output{}, err: &output{}, ended: make(chan struct{})}
	c.cmd = exec.Command(path, args...)
	c.cmd.Dir, c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = p.dir, p.env, c.out, c.err
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.as}
	if err := c.cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", c.name, err)
	}
	go func() {
		c.failure = c.cmd.Wait()
		close(c.ended)
	}()
	p.t.Cleanup(func() {
		c.kill()
		if strings.Contains(c.err.String(), "DATA RACE") {
			p.t.Errorf("%s:\n%s", c.name, c.err)
		}
		if p.t.Failed() {
			p.t.Logf("%s\nstdout: %s\nstderr: %s", c.name, tail(c.out.String()), tail(c.err.String()))
		}
	})
	return c
}

func tail(s string) string {
	const most = 6000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}

// kill ends the program as a power loss would, and waits until it is gone.
func (c *process) kill() {
	_ = c.cmd.Process.Kill() // it may have ended
	<-c.ended
}

// stop asks the program to end, waits until it has, and returns its exit code.
func (c *process) stop(s os.Signal) int {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Errorf("%s: %v", c.name, err)
	}
	return c.wait(readyLimit)
}

// wait waits until the program has ended by itself, and returns its exit code.
func (c *process) wait(limit time.Duration) int {
	c.t.Helper()
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		_ = c.cmd.Process.Signal(syscall.SIGQUIT) // where does it hang?
		c.kill()
		c.t.Fatalf("%s still runs after %s: %s", c.name, limit, tail(c.err.String()))
		return -1
	}
}

// result is what a program left that has ended.
type result struct {
	name     string
	code     int
	out, err string
}

// run runs waybill until it ends.
func (p *place) run(args ...string) result {
	p.t.Helper()
	c := p.start(waybill(p.t), args...)
	code := c.wait(runLimit)
	return result{name: c.name, code: code, out: c.out.String(), err: c.err.String()}
}

// must runs waybill and wants it to succeed.
func (p *place) must(args ...string) string {
	p.t.Helper()
	r := p.run(args...)
	if r.code != 0 {
		p.t.Fatalf("%s: exit code %d\n%s%s", r.name, r.code, r.out, r.err)
	}
	return r.out
}

// says wants an exit code and words of the message for people.
func (r *result) says(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("%s: exit code %d, want %d\n%s%s", r.name, r.code, code, r.out, r.err)
	}
	for _, w := range words {
		if !strings.Contains(r.err, w) {
			t.Errorf("%s: does not say %q:\n%s", r.name, w, r.err)
		}
	}
}

// port finds a free port of this machine that no other test was given. It is below those that the kernel hands out by
// itself, which may be taken for an outgoing connection before they are used.
func port(t *testing.T) string {
	t.Helper()
	const lowest, count = 20_000, 12_000
	for range count {
		built.mu.Lock()
		built.port++
		n := lowest + (os.Getpid()*61+built.port)%count
		built.mu.Unlock()
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", n))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return strconv.Itoa(n)
	}
	t.Fatal("no port is free")
	return ""
}

func address(t *testing.T) string {
	t.Helper()
	return "127.0.0.1:" + port(t)
}

// until waits for a condition; what says in the end what was missing.
func until(t *testing.T, limit time.Duration, condition func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %s: %v", limit, err)
		}
	}
}

// alive fails the test if the program has ended.
func (c *process) alive() {
	c.t.Helper()
	select {
	case <-c.ended:
		c.t.Fatalf("%s ended: %v\n%s", c.name, c.failure, tail(c.err.String()))
	default:
	}
}

// ready waits until a server says that it is, or has ended.
func (c *process) ready(base string) {
	c.t.Helper()
	until(c.t, readyLimit, func() error {
		c.alive()
		status, body, err := call(c.t.Context(), http.MethodGet, base+"/readyz?verbose", "", "")
		if err != nil || status == http.StatusOK {
			return err
		}
		return fmt.Errorf("%d %s", status, body)
	})
}

// call makes one HTTP request on a connection of its own.
func call(ctx context.Context, method, url, key, body string, headers ...string) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Close = true
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Timeout: 15 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, errors.Join(err, resp.Body.Close())
}

// get reads JSON into v and wants the status 200.
func get(ctx context.Context, url, key string, v any) error {
	status, body, err := call(ctx, http.MethodGet, url, key, "")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s: %d %s", url, status, body)
	}
	return json.Unmarshal(body, v)
}

// orderOf is an order of n lines of one unit of a SKU, at one euro each.
func orderOf(sku string, n int) string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"sku":%q,"quantity":1,"unit_price":"1.00","total":{"minor":100,"currency":"EUR"}}`, sku)
	}
	return fmt.Sprintf(`{"channel":"web","currency":"EUR","payment_terms":{"kind":"on_account"},"lines":[%s],"totals":{"goods":{"minor":%d,"currency":"EUR"},"grand":{"minor":%[2]d,"currency":"EUR"}}}`,
		strings.Join(lines, ","), 100*n)
}

// confirmed waits until the list of orders shows an order as confirmed.
func confirmed(t *testing.T, base, key, id string) {
	t.Helper()
	until(t, readyLimit, func() error {
		var o struct {
			Lifecycle string          `json:"lifecycle"`
			Rejection json.RawMessage `json:"rejection"`
		}
		if err := get(t.Context(), base+"/v1/orders/"+id, key, &o); err != nil {
			return err
		}
		if o.Lifecycle == "rejected" {
			t.Fatalf("order %s is rejected: %s", id, o.Rejection)
		}
		if o.Lifecycle != "confirmed" {
			return fmt.Errorf("order %s is %s", id, o.Lifecycle)
		}
		return nil
	})
}
