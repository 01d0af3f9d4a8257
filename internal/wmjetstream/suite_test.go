package wmjetstream_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/internal/wmjetstream"
)

// restartEnv tells the copy of the test binary that the suite runs to restart the broker where to ask for it.
const restartEnv = "WMJETSTREAM_RESTART"

func TestMain(m *testing.M) {
	if address := os.Getenv(restartEnv); address != "" && len(os.Args) == 2 && os.Args[1] == "restart" {
		os.Exit(askForRestart(address))
	}
	os.Exit(m.Run())
}

// TestPubSub holds publisher and subscriber to Watermill's own suite, broker restarts included.
func TestPubSub(t *testing.T) {
	b := startBroker(t)
	b.serveRestarts(t)
	features := tests.Features{
		ConsumerGroups:    true,
		GuaranteedOrder:   true,
		Persistent:        true,
		GenerateTopicFunc: func(c tests.TestContext) string { return "wm.topic-" + c.TestID.String() },
		// Not declared: NewSubscriberReceivesOldMessages. A group remembers what it has handled, also for new members.
	}
	if !withRace { // the suite's own race; see TestReconnect
		features.RestartServiceCommand = []string{os.Args[0], "restart"}
	}
	tests.TestPubSub(t, features,
		func(t *testing.T) (message.Publisher, message.Subscriber) {
			t.Helper()
			return b.pubSub(t, "suite")
		},
		b.pubSub,
	)
}

// broker is an in-process nats-server that listens, so that a restart cuts its clients off like a real one.
type broker struct {
	mu      sync.Mutex
	server  *server.Server
	options server.Options
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{options: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	}}
	b.start(t)
	t.Cleanup(func() { s := b.current(); s.Shutdown(); s.WaitForShutdown() })
	_, err := b.connect(t).CreateStream(t.Context(), jetstream.StreamConfig{Name: "WM", Subjects: []string{"wm.>"}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *broker) start(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	options := b.options
	b.mu.Unlock()
	s, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("broker is not ready")
	}
	address, ok := s.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("broker listens on %v", s.Addr())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.server = s
	b.options.Port = address.Port // the same one after a restart
}

func (b *broker) current() *server.Server {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.server
}

// serveRestarts restarts the broker whenever somebody connects, and answers when it is back.
func (b *broker) serveRestarts(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	t.Setenv(restartEnv, l.Addr().String())
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s := b.current()
			s.Shutdown()
			s.WaitForShutdown()
			b.start(t)
			fmt.Fprintln(c, "back")
			_ = c.Close()
		}
	})
}

func askForRestart(address string) int {
	c, err := net.Dial("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var answer string
	if _, err := fmt.Fscan(c, &answer); err != nil || answer != "back" {
		fmt.Fprintln(os.Stderr, "broker is not back:", answer, err)
		return 1
	}
	return 0
}

func (b *broker) connect(t *testing.T) jetstream.JetStream {
	t.Helper()
	b.mu.Lock()
	url := fmt.Sprintf("nats://127.0.0.1:%d", b.options.Port)
	b.mu.Unlock()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func (b *broker) pubSub(t *testing.T, group string) (message.Publisher, message.Subscriber) {
	t.Helper()
	js := b.connect(t)
	pub, err := wmjetstream.NewPublisher(wmjetstream.PublisherConfig{JetStream: js})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := wmjetstream.NewSubscriber(wmjetstream.SubscriberConfig{JetStream: js, Stream: "WM", Group: group, AckWait: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return pub, sub
}

// TestRestartCommand shows that the command which the suite runs does restart the broker.
func TestRestartCommand(t *testing.T) {
	b := startBroker(t)
	b.serveRestarts(t)
	before := b.current()
	if out, err := exec.CommandContext(t.Context(), os.Args[0], "restart").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if b.current() == before {
		t.Fatal("broker was not restarted")
	}
}

// TestForeignMessage shows that a message which no Watermill publisher sent is handed out like any other.
func TestForeignMessage(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	js := b.connect(t)
	if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "wm.foreign", Data: []byte("x"), Header: nats.Header{"Content-Type": {"application/json"}}}); err != nil {
		t.Fatal(err)
	}
	_, sub := b.pubSub(t, "foreign")
	defer sub.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	messages, err := sub.Subscribe(ctx, "wm.foreign")
	if err != nil {
		t.Fatal(err)
	}
	m, ok := <-messages
	if !ok {
		t.Fatal("no message")
	}
	m.Ack()
	if m.UUID != "WM-1" || m.Metadata.Get("Content-Type") != "application/json" || string(m.Payload) != "x" {
		t.Errorf("got %s %v %q", m.UUID, m.Metadata, m.Payload)
	}
}
