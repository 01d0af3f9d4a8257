package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/api"
	"waybill/api/apitest"
	"waybill/api/auth"
	"waybill/api/problem"
)

// sse is one event as a client sees it.
type sse struct{ id, event, data string }

// follow reads server-sent events until ctx ends, the server does, or take returns false.
func follow(ctx context.Context, s *apitest.Stack, query, last string, take func(sse) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v1/stream"+query, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.Key)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("status %d: %s", resp.StatusCode, b)
	}
	var e sse
	in := bufio.NewReader(resp.Body)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.event = value
		case "data":
			e.data = value
		case "":
			if e.data != "" && !take(e) {
				return nil
			}
			e = sse{}
		}
	}
}

// TestStreamIsCutAndResumes cuts the connection a hundred times at random while events are being written. What the client
// has seen is the log, without a hole and without a repetition.
func TestStreamIsCutAndResumes(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	const cuts = 100
	ctx, stop := context.WithCancel(t.Context())
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := 0; ctx.Err() == nil; i++ {
			if a, err := s.Try(ctx, http.MethodPost, "/v1/orders", apitest.Order(1)); err == nil && a.Status != http.StatusCreated {
				t.Errorf("place: %d %s", a.Status, a.Body)
			}
		}
	}()
	var seen []int64
	last := "0"
	for range cuts {
		left := rand.IntN(12)
		err := follow(t.Context(), s, "?from=1", last, func(e sse) bool {
			p, err := strconv.ParseInt(e.id, 10, 64)
			if err != nil || !strings.Contains(e.data, `"position":"`+e.id+`"`) || e.event != "order.placed" {
				t.Errorf("got %+v", e)
			}
			seen, last = append(seen, p), e.id
			left--
			return left > 0
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	stop()
	<-written
	end := head(t, s)
	if err := follow(t.Context(), s, "?from="+strconv.FormatInt(seen[len(seen)-1]+1, 10), "", func(e sse) bool {
		p, _ := strconv.ParseInt(e.id, 10, 64)
		seen = append(seen, p)
		return p < end
	}); err != nil {
		t.Fatal(err)
	}
	for i, p := range seen {
		if p != int64(i)+1 {
			t.Fatalf("event %d has position %d", i+1, p)
		}
	}
	t.Logf("%d events over %d connections", len(seen), cuts+1)
}

func TestStreamFilters(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	id := placed(t, s)
	placed(t, s)
	s.Do(http.MethodPost, "/v1/orders/"+id+"/tag", `{"tags":["a"]}`)
	s.Do(http.MethodPost, "/v1/stock/A/B/receive", `{"quantity":1}`, "Correlation-Id", "c")
	for query, want := range map[string]string{
		"?from=1&types=order.tagged,stock.received": "3 4",
		"?from=1&types=order.":                      "1 2 3",
		"?from=2&order=" + id:                       "3",
		"?from=1&stream=stock-A@B":                  "4",
		"?from=1&correlation_id=c":                  "4",
		"?from=3&actor=key:tester":                  "3 4",
	} {
		var got []string
		if err := follow(t.Context(), s, query, "", func(e sse) bool {
			got = append(got, e.id)
			return len(got) < len(strings.Fields(want))
		}); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s (%v)", query, got, want, err)
		}
	}
	for query, last := range map[string]string{"?from=x": "", "?from=99": "", "?what=1": "", "": "99"} {
		a := s.Do(http.MethodGet, "/v1/stream"+query, "", "Last-Event-ID", last)
		if a.Status != http.StatusBadRequest || a.Code() != problem.InvalidParameter {
			t.Errorf("%q after %q: %d %s", query, last, a.Status, a.Body)
		}
	}
}

func TestStreamBeatsAndEnds(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections, func(c *api.Config) {
		c.Heartbeat = 10 * time.Millisecond
		c.MaxStreams = 1
		c.ReadTimeout = 100 * time.Millisecond
	})
	placed(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key)
	resp, err := s.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if a := s.Do(http.MethodGet, "/v1/stream", ""); a.Status != http.StatusServiceUnavailable || a.Code() != problem.StreamLimit {
		t.Errorf("a stream too many: %d %s", a.Status, a.Body)
	}
	in := bufio.NewReader(resp.Body)
	beats, started := 0, time.Now()
	// Longer than the time to read a request: a stream outlives it.
	for beats < 3 || time.Since(started) < 300*time.Millisecond {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("after %d beats: %v", beats, err)
		}
		if line == ": hb\n" {
			beats++
			if id, err := in.ReadString('\n'); err != nil || id != "id: 1\n" {
				t.Fatalf("a beat carries %q, %v", id, err)
			}
		}
	}
}

// TestStreamEndsWithItsKey: a stream lives no longer than the key that opened it.
func TestStreamEndsWithItsKey(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections, func(c *api.Config) { c.Heartbeat = time.Minute })
	placed(t, s)
	visitor := *s
	visitor.Key = s.AddKey("visitor", auth.EventsRead)
	var once sync.Once
	open := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- follow(t.Context(), &visitor, "?from=1", "", func(sse) bool {
			once.Do(func() { close(open) })
			return true
		})
	}()
	<-open
	if n, err := s.KeyStore.RevokeKeys(t.Context(), "visitor", ""); err != nil || n != 1 {
		t.Fatalf("revoked %d: %v", n, err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the stream outlives its key")
	}
}

// TestSlowReaderIsCut: a client that does not read is cut off, and another one is not held up.
func TestSlowReaderIsCut(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections, func(c *api.Config) { c.WriteTimeout = 300 * time.Millisecond })
	const orders = 40
	for range orders {
		if a := s.Do(http.MethodPost, "/v1/orders", apitest.Order(900)); a.Status != http.StatusCreated {
			t.Fatalf("place: %d %s", a.Status, a.Body)
		}
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fmt.Fprintf(conn, "GET /v1/stream?from=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", s.Key); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := follow(t.Context(), s, "?from=1", "", func(sse) bool { n++; return n < orders }); err != nil || n != orders {
		t.Fatalf("the other client got %d events: %v", n, err)
	}
	apitest.Eventually(t, "the slow reader is cut off", func() bool {
		return strings.Contains(string(s.Do(http.MethodGet, "/metrics", "").Body), "waybill_http_event_streams 0")
	})
}

// TestShutdown: a server that is told to end reports itself not ready, ends its streams and finishes what it has begun.
func TestShutdown(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	placed(t, s)
	cfg := s.Config
	cfg.Registerer = nil
	cfg.DrainDelay = 200 * time.Millisecond
	server, err := api.NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	address, err := server.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second := *s
	second.URL = "http://" + address
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	ended := make(chan error, 1)
	open := make(chan struct{})
	var once sync.Once
	go func() {
		ended <- follow(t.Context(), &second, "?from=1", "", func(sse) bool {
			once.Do(func() { close(open) })
			return true
		})
	}()
	<-open
	if a := second.Do(http.MethodGet, "/readyz", ""); a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	stop()
	apitest.Eventually(t, "readyz turns 503", func() bool {
		a, err := second.Try(t.Context(), http.MethodGet, "/readyz?verbose", "")
		return err == nil && a.Status == http.StatusServiceUnavailable && strings.Contains(string(a.Body), "draining")
	})
	if a := second.Do(http.MethodPost, "/v1/orders", apitest.Order(1)); a.Status != http.StatusCreated {
		t.Errorf("while load balancers take notice: %d %s", a.Status, a.Body)
	}
	if err := <-ended; err == nil {
		t.Error("the stream did not end")
	}
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
	s.Client.CloseIdleConnections()
}
