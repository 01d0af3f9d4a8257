package devstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	natsReady         = 5 * time.Second
	natsSync          = time.Second // see architecture.md section 4: Postgres is the record, JetStream is re-seeded
	natsMaxPayload    = 2 << 20     // an event of 1 MiB, its metadata as base64, and the other headers
	natsMaxMemory     = 256 << 20
	natsMaxStore      = 10 << 30
	natsWriteDeadline = 10 * time.Second
)

// NATSConfig says where and how the in-process server runs. The zero value of each field but Dir is its default.
type NATSConfig struct {
	// Dir is the folder of JetStream, kept by Stop. At most one server may run on it.
	Dir string
	// Host to listen on; default 127.0.0.1.
	Host string
	// Port to listen on; 0: none, only NATS.Connect reaches the server; -1: a free one.
	Port int
	// SyncInterval is how often JetStream syncs its files; default 1 s. SyncAlways syncs before every
	// acknowledgement, which costs about 15 times the throughput.
	SyncInterval time.Duration
	SyncAlways   bool
	// MaxPayload of a message in bytes; default 2 MiB: the largest event of the log with its headers.
	MaxPayload int32
	// Name of the server; default "waybill-dev".
	Name string
	// Logger hears the server's warnings and errors, and the rest at level debug; nil: nobody.
	Logger *slog.Logger
}

func (c NATSConfig) validate() error {
	if c.Dir == "" {
		return errors.New("start nats: Dir is empty")
	}
	if c.Port < -1 || c.Port > 65535 {
		return fmt.Errorf("start nats: Port is %d, want -1 to 65535", c.Port)
	}
	return nil
}

// NATS is a running in-process server. Its methods may be called by any goroutine.
type NATS struct {
	server *server.Server
	listen bool
}

// StartNATS starts a server with JetStream and returns when it takes connections.
func StartNATS(cfg NATSConfig) (*NATS, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := portFree(cfg); err != nil {
		return nil, err
	}
	s, err := server.NewServer(&server.Options{
		ServerName:            cmp.Or(cfg.Name, "waybill-dev"),
		Host:                  cmp.Or(cfg.Host, "127.0.0.1"),
		Port:                  cfg.Port,
		DontListen:            cfg.Port == 0,
		JetStream:             true,
		StoreDir:              cfg.Dir,
		SyncInterval:          cmp.Or(cfg.SyncInterval, natsSync),
		SyncAlways:            cfg.SyncAlways,
		JetStreamMaxMemory:    natsMaxMemory,
		JetStreamMaxStore:     natsMaxStore,
		MaxPayload:            cmp.Or(cfg.MaxPayload, natsMaxPayload),
		WriteDeadline:         natsWriteDeadline,
		NoSigs:                true,
		DisableShortFirstPing: true,
	})
	if err != nil {
		return nil, fmt.Errorf("start nats: %w", err)
	}
	s.SetLoggerV2(natsLog{log: cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(natsReady) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("start nats with its data in %s: not ready after %s", cfg.Dir, natsReady)
	}
	if !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("start nats with its data in %s: jetstream did not come up", cfg.Dir)
	}
	return &NATS{server: s, listen: cfg.Port != 0}, nil
}

// portFree finds out at once what the server itself would only say by never becoming ready.
func portFree(cfg NATSConfig) error {
	if cfg.Port <= 0 {
		return nil
	}
	addr := net.JoinHostPort(cmp.Or(cfg.Host, "127.0.0.1"), strconv.Itoa(cfg.Port))
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return fmt.Errorf("start nats: %w", err) // "listen tcp 127.0.0.1:4222: bind: address already in use"
	}
	return l.Close()
}

// Connect opens a connection inside the process, without a socket. The caller closes it.
func (n *NATS) Connect(opts ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect("", append([]nats.Option{nats.InProcessServer(n.server)}, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to the in-process nats: %w", err)
	}
	return nc, nil
}

// ClientURL is the address for clients of other processes; empty when the server does not listen.
func (n *NATS) ClientURL() string {
	if !n.listen {
		return ""
	}
	return n.server.ClientURL()
}

// Run waits until ctx ends, then stops the server. It ends with an error when the server stops by itself.
func (n *NATS) Run(ctx context.Context) error {
	ended := make(chan struct{})
	go func() { // ends with the server, which both ways below see to
		defer close(ended)
		n.server.WaitForShutdown()
	}()
	select {
	case <-ctx.Done():
		n.Stop()
		<-ended
		return nil
	case <-ended:
		return errors.New("nats ended by itself")
	}
}

// Stop writes JetStream out and ends the server; connections are cut. A second call does nothing.
func (n *NATS) Stop() {
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// natsLog hands the server's messages, which it formats itself, to slog.
type natsLog struct{ log *slog.Logger }

func (l natsLog) write(level slog.Level, format string, args []any) {
	ctx := context.Background() // the server has none to give
	if l.log.Enabled(ctx, level) {
		l.log.LogAttrs(ctx, level, "nats server", slog.String("says", fmt.Sprintf(format, args...)))
	}
}

func (l natsLog) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l natsLog) Debugf(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l natsLog) Tracef(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l natsLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l natsLog) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
func (l natsLog) Fatalf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
