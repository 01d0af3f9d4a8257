package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Link is the way from the serve processes to one of their servers, which can be made slow, narrow or deaf.
type Link struct {
	proxy *toxiproxy.Proxy
}

// newLink opens a way to a server, on a port of its own.
func newLink(ctx context.Context, name, upstream string) (*Link, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	l := &Link{proxy: toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), name, loopback(port), upstream)}
	if err := l.proxy.Start(); err != nil {
		return nil, fmt.Errorf("open the link to %s: %w", name, err)
	}
	return l, nil
}

// Addr is where the link begins.
func (l *Link) Addr() string { return l.proxy.Listen }

// Slow delays what goes either way.
func (l *Link) Slow(latency, jitter time.Duration) error {
	return l.both("latency", map[string]int64{"latency": latency.Milliseconds() / 2, "jitter": jitter.Milliseconds() / 2})
}

// Narrow lets a number of kilobytes through each second.
func (l *Link) Narrow(kilobytes int64) error {
	return l.both("bandwidth", map[string]int64{"rate": kilobytes})
}

// Silence keeps connections open and lets nothing through, neither way: half-open connections. They break when it is
// over.
func (l *Link) Silence() error { return l.both("timeout", map[string]int64{"timeout": 0}) }

// LoseAnswers lets requests through, and nothing that comes back: what was asked for is done, and nobody hears of it.
func (l *Link) LoseAnswers() error {
	return l.add("timeout", "downstream", map[string]int64{"timeout": 0})
}

// Reset breaks each connection as soon as something comes back on it.
func (l *Link) Reset() error {
	return l.add("reset_peer", "downstream", map[string]int64{"timeout": 0})
}

// Cut closes all connections and lets nobody connect until the link is healed.
func (l *Link) Cut() { l.proxy.Stop() }

// Heal makes the link whole. Connections that waited on it for long are broken.
func (l *Link) Heal(ctx context.Context) error {
	healed := make(chan struct{})
	go func() { // it may have to wait for a connection that takes nothing
		defer close(healed)
		l.proxy.Toxics.ResetToxics(ctx)
	}()
	select {
	case <-healed:
	case <-time.After(3 * time.Second):
		l.proxy.Stop() // which breaks that connection
		<-healed
	}
	if err := l.proxy.Start(); err != nil && err != toxiproxy.ErrProxyAlreadyStarted { //nolint:errorlint // it is never wrapped
		return fmt.Errorf("heal the link to %s: %w", l.proxy.Name, err)
	}
	return nil
}

func (l *Link) both(kind string, attributes map[string]int64) error {
	if err := l.add(kind, "upstream", attributes); err != nil {
		return err
	}
	return l.add(kind, "downstream", attributes)
}

func (l *Link) add(kind, stream string, attributes map[string]int64) error {
	text, err := json.Marshal(map[string]any{"type": kind, "stream": stream, "attributes": attributes})
	if err != nil {
		return err
	}
	if _, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		return fmt.Errorf("make the link to %s %s: %w", l.proxy.Name, kind, err)
	}
	return nil
}
