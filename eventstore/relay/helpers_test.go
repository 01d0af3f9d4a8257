package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
	"waybill/eventstore/relay"
	"waybill/internal/devstack"
)

// broker is a NATS server that a test stops, starts and damages.
type broker struct {
	t      testing.TB
	dir    string
	port   int
	server *devstack.NATS
}

func startBroker(t testing.TB) *broker {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b := &broker{t: t, dir: filepath.Join(t.TempDir(), "nats"), port: port}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

func (b *broker) start() {
	b.t.Helper()
	server, err := devstack.StartNATS(devstack.NATSConfig{Dir: b.dir, Port: b.port, MaxPayload: 2 << 20})
	if err != nil {
		b.t.Fatal(err)
	}
	b.server = server
}

func (b *broker) stop() {
	if b.server != nil {
		b.server.Stop()
		b.server = nil
	}
}

// restart stops the server, does something to its files, and starts it again.
func (b *broker) restart(meanwhile func()) {
	b.t.Helper()
	b.stop()
	if meanwhile != nil {
		meanwhile()
	}
	b.start()
}

func (b *broker) wipe() {
	if err := os.RemoveAll(b.dir); err != nil {
		b.t.Fatal(err)
	}
}

// save copies the server's files, and returns what puts them back.
func (b *broker) save() (restore func()) {
	b.t.Helper()
	kept := filepath.Join(b.t.TempDir(), "copy")
	if err := os.CopyFS(kept, os.DirFS(b.dir)); err != nil {
		b.t.Fatal(err)
	}
	return func() {
		b.wipe()
		if err := os.CopyFS(b.dir, os.DirFS(kept)); err != nil {
			b.t.Fatal(err)
		}
	}
}

// flip changes one bit of message 501, in the stream's newest block file. The server then misses the one message. The bit is
// one of its headers: a nats-server 2.15.2 that meets another sequence there goes through all that it takes for missing,
// one by one, and may need hours and all memory for it.
func (b *broker) flip() {
	b.t.Helper()
	blocks, err := filepath.Glob(filepath.Join(b.messages(), "*.blk"))
	if err != nil || len(blocks) == 0 {
		b.t.Fatalf("no block files in %s: %v", b.dir, err)
	}
	slices.Sort(blocks)
	name := blocks[len(blocks)-1]
	data, err := os.ReadFile(name)
	if err != nil {
		b.t.Fatal(err)
	}
	at := bytes.Index(data, []byte("ce-position: 501\r\n"))
	if at < 0 {
		b.t.Fatalf("message 501 is not in %s", name)
	}
	data[at] ^= 0x10
	if err := os.WriteFile(name, data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// flipUnindexed does the same when the server's index is gone, as after a crash: it then drops everything behind the
// bit, and hands those sequences out again.
func (b *broker) flipUnindexed() {
	b.t.Helper()
	b.flip()
	if err := os.Remove(filepath.Join(b.messages(), "index.db")); err != nil {
		b.t.Fatal(err)
	}
}

func (b *broker) messages() string {
	return filepath.Join(b.dir, "jetstream", "$G", "streams", relay.StreamName, "msgs")
}

func (b *broker) connect(opts ...nats.Option) *nats.Conn {
	b.t.Helper()
	opts = append(relay.ConnOptions(), append([]nats.Option{nats.ReconnectWait(10 * time.Millisecond)}, opts...)...)
	nc, err := nats.Connect("nats://127.0.0.1:"+strconv.Itoa(b.port), opts...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(nc.Close)
	return nc
}

func jetStream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// streamInfo returns nil if there is no stream, or nobody to ask.
func streamInfo(ctx context.Context, js jetstream.JetStream) *jetstream.StreamInfo {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s, err := js.Stream(ctx, relay.StreamName)
	if err != nil {
		return nil
	}
	return s.CachedInfo()
}

// fill appends n events, in commits of up to 100 events to two streams.
func fill(t testing.TB, log eventstore.Appender, n int) {
	t.Helper()
	for n > 0 {
		size := min(n, 100)
		order, stock := "order-"+uuid.NewString(), "stock-"+uuid.NewString()+"@BER1"
		c := eventstore.Commit{CommandID: uuid.New()}
		c.Streams = append(c.Streams, newEvents(t, order, order, size-size/2))
		if size > 1 {
			c.Streams = append(c.Streams, newEvents(t, stock, order, size/2))
		}
		if _, err := log.Append(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		n -= size
	}
}

func newEvents(t testing.TB, stream, key string, n int) eventstore.StreamEvents {
	t.Helper()
	meta, err := eventstore.EncodeMeta(eventstore.Meta{
		Key: key, Command: "order.place", Actor: "key:web-shop", Channel: "web", CorrelationID: uuid.NewString(),
		CausationID: uuid.NewString(), Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	})
	if err != nil {
		t.Fatal(err)
	}
	s := eventstore.StreamEvents{ID: stream}
	for i := range n {
		data := fmt.Appendf(nil, "event %d of %s ", i, stream)
		data = append(data, make([]byte, 300-len(data))...)
		s.Events = append(s.Events, eventstore.NewEvent{Type: "order.placed", Schema: 1, Data: data, Meta: meta})
	}
	return s
}

// source is a log that a test can exchange for another one behind the relay's back.
type source struct{ log atomic.Pointer[relay.Source] }

func newSource(s relay.Source) *source {
	var x source
	x.set(s)
	return &x
}

func (s *source) set(log relay.Source) { s.log.Store(&log) }

func (s *source) ReadLog(ctx context.Context, from int64, limit int) ([]eventstore.Event, error) {
	return (*s.log.Load()).ReadLog(ctx, from, limit)
}

func (s *source) Head(ctx context.Context) (eventstore.Head, error) {
	return (*s.log.Load()).Head(ctx)
}

// shortened is a log that was restored to an earlier point.
type shortened struct {
	relay.Source
	last  int64
	epoch uuid.UUID // zero: nobody began another
}

func (s shortened) Head(ctx context.Context) (eventstore.Head, error) {
	h, err := s.Source.Head(ctx)
	h.Position = min(h.Position, s.last)
	if s.epoch != uuid.Nil {
		h.Epoch = s.epoch
	}
	return h, err
}

func (s shortened) ReadLog(ctx context.Context, from int64, limit int) ([]eventstore.Event, error) {
	if from > s.last {
		return nil, nil
	}
	return s.Source.ReadLog(ctx, from, int(min(int64(limit), s.last-from+1)))
}

// running is a relay at work.
type running struct {
	*relay.Relay
	t    testing.TB
	stop func() // waits until it has ended
}

func newRelay(t testing.TB, cfg relay.Config) *relay.Relay {
	t.Helper()
	cfg.Audit = orDefault(cfg.Audit, 50*time.Millisecond)
	cfg.Poll = orDefault(cfg.Poll, 5*time.Millisecond)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	r, err := relay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func startRelay(t testing.TB, cfg relay.Config) *running {
	t.Helper()
	r := newRelay(t, cfg)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	stop := sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return &running{Relay: r, t: t, stop: stop}
}

// reaches waits until the stream has every event of the log, as the relay sees it.
func (r *running) reaches(head int64) {
	r.t.Helper()
	eventually(r.t, func() error {
		if s := r.Status(); s.State != relay.Publishing || s.Published < head {
			return fmt.Errorf("relay is %s at %d of %d: %w", s.State, s.Published, head, s.Err)
		}
		return nil
	})
}

// becomes waits for a state, and returns the status then.
func (r *running) becomes(state relay.State) relay.Status {
	r.t.Helper()
	var s relay.Status
	eventually(r.t, func() error {
		if s = r.Status(); s.State != state {
			return fmt.Errorf("relay is %s, want %s: %w", s.State, state, s.Err)
		}
		return nil
	})
	return s
}

// eventually asks until the answer is nil, for a minute at most.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	ask := time.NewTicker(2 * time.Millisecond)
	defer ask.Stop()
	end := time.After(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ask.C:
		case <-end:
			t.Fatal(err)
		}
	}
}

// sameAsLog reads the stream message by message, and holds sequence, position and every byte to the log.
func sameAsLog(t testing.TB, nc *nats.Conn, log eventstore.Reader, from int64) {
	t.Helper()
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info := streamInfo(t.Context(), jetStream(t, nc))
	if info == nil {
		t.Fatal("no stream")
	}
	if got := int64(info.State.LastSeq); got != head.Position {
		t.Fatalf("stream ends at %d, log at %d", got, head.Position)
	}
	if got, want := int64(info.State.Msgs), head.Position-from+1; got != want {
		t.Fatalf("stream has %d messages, want %d", got, want)
	}
	c, err := relay.NewConsumer(relay.ConsumerConfig{Conn: nc, From: from, Epoch: head.Epoch})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for from <= head.Position {
		batch, err := c.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want, err := log.ReadLog(ctx, from, len(batch))
		if err != nil {
			t.Fatal(err)
		}
		sameEvents(t, batch, want)
		from += int64(len(batch))
	}
}

func sameEvents(t testing.TB, got, want []eventstore.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d events, want %d", len(got), len(want))
	}
	for i := range got {
		if relay.Hash(&got[i]) != relay.Hash(&want[i]) {
			t.Fatalf("position %d: got %+v, want %+v", want[i].Position, got[i], want[i])
		}
	}
}
