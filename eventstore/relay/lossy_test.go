package relay_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

// TestLossyBus has a wire between relay, server and consumer that loses, doubles and swaps messages, loses answers and
// breaks. The stream is the log all the same, and the consumer has every event once, in order. A seed that fails is
// added to the list.
func TestLossyBus(t *testing.T) {
	t.Parallel()
	var all mishaps
	t.Run("seeds", func(t *testing.T) {
		for _, seed := range []uint64{1, 2, uint64(time.Now().UnixNano())} {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				lossy(t, rand.New(rand.NewPCG(seed, 0)), &all)
			})
		}
	})
	total := int64(0)
	for name, n := range map[string]*atomic.Int64{"lost": &all.lost, "doubled": &all.doubled, "swapped": &all.swapped, "muted": &all.muted, "cut": &all.cut} {
		total += n.Load()
		t.Logf("%s: %d", name, n.Load())
	}
	if total < 8 {
		t.Errorf("only %d messages were mistreated", total)
	}
}

func lossy(t *testing.T, rnd *rand.Rand, count *mishaps) {
	t.Helper()
	b, log := startBroker(t), eventstore.NewMemory()
	fill(t, log, 50)
	w := startWire(t, b, rnd, count)
	var relays []*running
	for range 1 + rnd.IntN(2) {
		relays = append(relays, startRelay(t, relay.Config{
			Log: log, Conn: w.connect(), Window: 1 + rnd.IntN(200), Page: 2 + rnd.IntN(60), AckTimeout: 60 * time.Millisecond,
		}))
	}
	c := newConsumer(t, relay.ConsumerConfig{Conn: w.connect(), Heartbeat: 500 * time.Millisecond})
	got := readTo(t, c, 50)
	head := int64(50)
	w.ill.Store(true)
	for range 3 {
		fill(t, log, 40)
		head += 40
		relays[0].reaches(head)
		got = append(got, readTo(t, c, head)...)
	}
	w.ill.Store(false)
	fill(t, log, 10)
	head += 10
	for _, r := range relays {
		r.reaches(head)
	}
	sameAsLog(t, b.connect(), log, 1)
	got = append(got, readTo(t, c, head)...)
	want, err := log.ReadLog(t.Context(), 1, int(head))
	if err != nil {
		t.Fatal(err)
	}
	sameEvents(t, got, want)
}

// mishaps counts what was done to messages.
type mishaps struct{ lost, doubled, swapped, muted, cut atomic.Int64 }

// wire stands between clients and a NATS server. It mistreats events on their way to the server or to a consumer, and
// the answers to publications. Everything else passes.
type wire struct {
	*mishaps
	t        testing.TB
	server   string
	listener net.Listener
	ill      atomic.Bool

	wg    sync.WaitGroup
	mu    sync.Mutex
	rnd   *rand.Rand
	conns map[net.Conn]bool
}

func startWire(t testing.TB, b *broker, rnd *rand.Rand, count *mishaps) *wire {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{
		mishaps: count, t: t, server: "127.0.0.1:" + strconv.Itoa(b.port), listener: l,
		rnd: rand.New(rand.NewPCG(rnd.Uint64(), 1)), conns: map[net.Conn]bool{},
	}
	w.wg.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

// connect connects through the wire.
func (w *wire) connect() *nats.Conn {
	w.t.Helper()
	opts := append(relay.ConnOptions(), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.IgnoreDiscoveredServers())
	nc, err := nats.Connect("nats://"+w.listener.Addr().String(), opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	return nc
}

func (w *wire) close() {
	_ = w.listener.Close()
	w.mu.Lock()
	for c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.wg.Wait()
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(w.t.Context(), "tcp", w.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.mu.Lock()
		w.conns[client], w.conns[server] = true, true
		w.mu.Unlock()
		w.wg.Go(func() { w.carry(client, server) })
		w.wg.Go(func() { w.carry(server, client) })
	}
}

// carry takes protocol messages from one side to the other until the connection ends.
func (w *wire) carry(from, to net.Conn) {
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, from)
		delete(w.conns, to)
		_, _ = from.Close(), to.Close()
	}()
	in := bufio.NewReader(from)
	var held []byte // goes behind the next one
	for {
		message, kind, err := readMessage(in)
		if err != nil {
			return
		}
		out := [][]byte{message}
		if kind != other && w.ill.Load() {
			switch w.fate(kind) {
			case passes:
			case isLost:
				out = nil
			case isDoubled:
				out = append(out, message)
			case isRepeated:
				out, held = append(out, held), message
			case isSwapped:
				out, held = [][]byte{held}, message
			case isCut:
				return
			}
		} else if held != nil && kind != other {
			out, held = append(out, held), nil
		}
		for _, m := range out {
			if _, err := to.Write(m); err != nil {
				return
			}
		}
	}
}

// kind is what the wire sees in a message of the protocol.
type kind int

const (
	other  kind = iota
	event       // published, or on its way to a consumer
	answer      // to a publication
)

// readMessage reads one message of the NATS client protocol, in either direction.
func readMessage(in *bufio.Reader) ([]byte, kind, error) {
	message, err := in.ReadBytes('\n')
	if err != nil {
		return nil, other, err
	}
	words := bytes.Fields(message)
	if len(words) < 3 {
		return message, other, nil
	}
	verb := string(words[0])
	switch verb {
	case "PUB", "HPUB", "MSG", "HMSG":
	default:
		return message, other, nil
	}
	size, err := strconv.Atoi(string(words[len(words)-1]))
	if err != nil {
		return nil, other, fmt.Errorf("message %q: %w", message, err)
	}
	body := make([]byte, size+len("\r\n"))
	if _, err := io.ReadFull(in, body); err != nil {
		return nil, other, err
	}
	message = append(message, body...)
	switch {
	case bytes.HasPrefix(words[1], []byte("waybill.evt.")):
		return message, event, nil
	case verb == "MSG" && bytes.Contains(body, []byte(`"seq":`)) && !bytes.Contains(body, []byte(`"type":`)):
		return message, answer, nil
	}
	return message, other, nil
}

// fates of a message.
type fate int

const (
	passes fate = iota
	isLost
	isDoubled
	isRepeated // later
	isSwapped  // with the next
	isCut      // and the connection with it
)

func (w *wire) fate(k kind) fate {
	w.mu.Lock()
	n := w.rnd.IntN(500)
	w.mu.Unlock()
	count := func(c *atomic.Int64, f fate) fate {
		c.Add(1)
		return f
	}
	switch {
	case k == answer && n < 5:
		return count(&w.muted, isLost)
	case k == answer || n >= 12:
		return passes
	case n < 3:
		return count(&w.lost, isLost)
	case n < 5:
		return count(&w.doubled, isDoubled)
	case n < 7:
		return count(&w.doubled, isRepeated)
	case n < 10:
		return count(&w.swapped, isSwapped)
	default:
		return count(&w.cut, isCut)
	}
}
