package devstack_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/internal/devstack"
)

func startNATS(t *testing.T, cfg devstack.NATSConfig) *devstack.NATS {
	t.Helper()
	n, err := devstack.StartNATS(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

func stream(t *testing.T, n *devstack.NATS) (*nats.Conn, jetstream.Stream) {
	t.Helper()
	nc, err := n.Connect()
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "kept", []byte("x")); err != nil {
		t.Fatal(err)
	}
	return nc, s
}

func TestNATSKeepsItsStreams(t *testing.T) {
	t.Parallel()
	cfg := devstack.NATSConfig{Dir: t.TempDir()}
	for want := uint64(1); want <= 3; want++ {
		n := startNATS(t, cfg)
		nc, s := stream(t, n)
		info, err := s.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.State.LastSeq != want {
			t.Errorf("last sequence after %d starts = %d", want, info.State.LastSeq)
		}
		nc.Close()
		n.Stop()
		n.Stop() // a second call does nothing
	}
}

func TestNATSListensWhenAsked(t *testing.T) {
	t.Parallel()
	silent := startNATS(t, devstack.NATSConfig{Dir: t.TempDir()})
	if got := silent.ClientURL(); got != "" {
		t.Errorf("ClientURL of a server that does not listen = %q", got)
	}
	n := startNATS(t, devstack.NATSConfig{Dir: t.TempDir(), Port: -1, SyncAlways: true})
	nc, err := nats.Connect(n.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

func TestNATSErrors(t *testing.T) {
	t.Parallel()
	if _, err := devstack.StartNATS(devstack.NATSConfig{}); err == nil || !strings.Contains(err.Error(), "Dir is empty") {
		t.Errorf("error without a folder = %v", err)
	}
	if _, err := devstack.StartNATS(devstack.NATSConfig{Dir: "x", Port: -2}); err == nil || !strings.Contains(err.Error(), "Port is -2") {
		t.Errorf("error with a bad port = %v", err)
	}
}

func TestNATSBusyPort(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("address %s", l.Addr())
	}
	_, err = devstack.StartNATS(devstack.NATSConfig{Dir: t.TempDir(), Port: addr.Port})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), addr.String()) {
		t.Errorf("error = %v, want it to name %s", err, addr)
	}
}

func TestNATSRunStopsWithItsContext(t *testing.T) {
	t.Parallel()
	n := startNATS(t, devstack.NATSConfig{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Run(ctx); err != nil {
		t.Error(err)
	}
	again := startNATS(t, devstack.NATSConfig{Dir: t.TempDir()})
	ended := make(chan error, 1)
	go func() { ended <- again.Run(t.Context()) }()
	again.Stop()
	if err := <-ended; err == nil {
		t.Error("Run after an end that its context did not ask for = nil")
	}
}
