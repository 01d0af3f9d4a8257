package eventstore_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cutMode says what the proxy does with the next request.
type cutMode int32

const (
	pass       cutMode = iota
	cutRequest         // the request never reaches the server
	cutAnswer          // the server carries the request out, and its answer is lost
)

// proxy stands between a client and Postgres and breaks connections on purpose, at the worst moments.
type proxy struct {
	t        testing.TB
	listener net.Listener
	target   string
	next     atomic.Int32 // cutMode of the next request
	cuts     atomic.Int32

	wg    sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool
}

// startProxy returns a proxy to the server of dsn, and the address to reach it by.
func startProxy(t testing.TB, dsn string) (p *proxy, through string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	name := ".s.PGSQL." + q.Get("port")
	p = &proxy{t: t, target: filepath.Join(q.Get("host"), name), conns: map[net.Conn]bool{}}
	dir := t.TempDir()
	if p.listener, err = (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	p.wg.Go(p.accept)
	t.Cleanup(p.stop)
	return p, u.String()
}

// arm sets what happens to the next request.
func (p *proxy) arm(m cutMode) { p.next.Store(int32(m)) }

func (p *proxy) stop() {
	_ = p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(p.t.Context(), "unix", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		var mute atomic.Bool // answers are thrown away
		p.wg.Go(func() { p.requests(client, server, &mute) })
		p.wg.Go(func() { p.answers(server, client, &mute) })
	}
}

func (p *proxy) requests(client, server net.Conn, mute *atomic.Bool) {
	defer p.drop(client, server)
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		switch cutMode(p.next.Swap(int32(pass))) {
		case pass:
		case cutRequest:
			p.cuts.Add(1)
			return
		case cutAnswer:
			p.cuts.Add(1)
			mute.Store(true)
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) answers(server, client net.Conn, mute *atomic.Bool) {
	defer p.drop(client, server)
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if mute.Load() {
			return // the server has carried it out: it answers only after the commit
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
		if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			p.t.Logf("proxy: %v", err)
		}
	}
}

// eventually polls until done or a generous deadline.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline.C:
			t.Fatalf("waited too long for: %s", what)
		case <-tick.C:
		}
	}
}
