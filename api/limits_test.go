package api_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/api"
	"waybill/api/apitest"
	"waybill/api/problem"
)

// TestBusyServer: what is beyond the requests in flight is turned away at once, while health and commands are answered.
func TestBusyServer(t *testing.T) {
	t.Parallel()
	var model *slow
	s := apitest.New(t, func(c *api.Config) {
		c.MaxInFlight = 2
		model = &slow{Checkpoints: c.Checkpoints}
		c.Checkpoints = model
	})
	model.stuck.Store(true)
	busy := make(chan apitest.Answer, 2)
	for range 2 {
		go func() {
			a, err := s.Try(t.Context(), http.MethodGet, "/v1/orders?min_position=1", "", "Prefer", "wait=10")
			if err != nil {
				t.Error(err)
			}
			busy <- a
		}()
	}
	apitest.Eventually(t, "the server is busy", func() bool {
		return strings.Contains(string(s.Do(http.MethodGet, "/metrics", "").Body), "waybill_http_in_flight_requests 2")
	})
	if a := s.Do(http.MethodGet, "/v1/orders", ""); a.Status != http.StatusServiceUnavailable || a.Code() != problem.Overloaded || a.Header.Get("Retry-After") == "" {
		t.Errorf("one query too many: %d %s", a.Status, a.Body)
	}
	if a := s.Do(http.MethodPost, "/v1/orders", apitest.Order(1)); a.Status != http.StatusCreated {
		t.Errorf("queries that wait take the room of commands: %d %s", a.Status, a.Body)
	}
	if a := s.Do(http.MethodGet, "/livez", ""); a.Status != http.StatusOK {
		t.Errorf("a busy server is not alive: %d", a.Status)
	}
	model.stuck.Store(false)
	for range 2 {
		if a := <-busy; a.Status != http.StatusOK {
			t.Errorf("a request that was taken: %d %s", a.Status, a.Body)
		}
	}
}

// TestConnectionCap: connections beyond the cap wait in the kernel and cost nothing here.
func TestConnectionCap(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections, func(c *api.Config) { c.MaxConnections, c.ReadHeaderTimeout = 2, 20*time.Second })
	address := strings.TrimPrefix(s.URL, "http://")
	var idle []net.Conn
	for range 2 {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if a, err := s.Try(ctx, http.MethodGet, "/livez", ""); err == nil {
		t.Errorf("a third connection was served: %d", a.Status)
	}
	for _, conn := range idle {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if a := s.Do(http.MethodGet, "/livez", ""); a.Status != http.StatusOK {
		t.Errorf("got %d when there is room again", a.Status)
	}
}
