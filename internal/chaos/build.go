package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

// built holds the programs of one test binary, and the ports that it gave out. TestMain has no other way to hand
// something to its tests.
//
//nolint:gochecknoglobals // see above
var built programs

type programs struct {
	mu   sync.Mutex
	dir  string
	done map[string]error // by path: what building it came to
	port int              // how many were given out
}

// Main runs the tests of a package and removes what [Build] built for them. It is what TestMain of this package does,
// and answers the exit code. It is 1 when the tests passed but goroutines were left behind.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "waybill-chaos-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos: make a folder for programs:", err)
		return 1
	}
	built.mu.Lock()
	built.dir, built.done = dir, map[string]error{}
	built.mu.Unlock()
	zerolog.SetGlobalLevel(zerolog.Disabled) // some of what breaks links speaks to standard error, whoever was given as its logger
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "chaos: remove the programs:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(leftByLinks()...); err != nil {
			fmt.Fprintln(os.Stderr, "chaos: the tests passed but left goroutines behind:", err)
			code = 1
		}
	}
	return code
}

// leftByLinks are goroutines that toxiproxy leaves behind when a toxic is taken off a connection that is closed.
func leftByLinks() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).write"),
	}
}

// Build builds the waybill of this source tree with its failpoints, and with further build tags such as that of a seeded
// bug; once for each set of tags. It returns where the program is.
func Build(tb testing.TB, tags ...string) string {
	tb.Helper()
	all := append([]string{"failpoints"}, tags...)
	path, err := built.program(context.WithoutCancel(tb.Context()), "waybill/cmd/waybill", "waybill-"+strings.Join(all, "-"), all)
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// BuildNATS builds the nats-server of go.mod and returns where it is.
func BuildNATS(tb testing.TB) string {
	tb.Helper()
	path, err := built.program(context.WithoutCancel(tb.Context()), "github.com/nats-io/nats-server/v2", "nats-server", nil)
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

func (p *programs) program(ctx context.Context, pkg, name string, tags []string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == "" {
		return "", errors.New("build: this package has no TestMain that calls chaos.Main")
	}
	path := filepath.Join(p.dir, name)
	err, ok := p.done[path]
	if !ok {
		cmd := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", path, pkg)
		cmd.SysProcAttr = attributes()
		if out, e := cmd.CombinedOutput(); e != nil {
			err = fmt.Errorf("build %s: %w\n%s", name, e, out)
		}
		p.done[path] = err
	}
	return path, err
}

// freePort finds a port of 127.0.0.1 that nobody else was given. It is below those that the kernel hands out by itself,
// which may be taken for an outgoing connection while the server that they belong to is down.
func freePort(ctx context.Context) (int, error) {
	const lowest, count = 20_000, 12_000
	for range count {
		built.mu.Lock()
		built.port++
		port := lowest + (os.Getpid()*97+built.port)%count
		built.mu.Unlock()
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", loopback(port))
		if err != nil {
			continue // taken
		}
		return port, l.Close()
	}
	return 0, errors.New("look for a free port: all are taken")
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
