package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"waybill/api"
	"waybill/api/apitest"
)

// TestReadiness: an instance gets no requests before everything has worked once; after that only what requests need
// keeps them away, and the rest is shown.
func TestReadiness(t *testing.T) {
	t.Parallel()
	var needed, advised atomic.Bool
	check := func(name string, advisory bool, works *atomic.Bool) api.Check {
		return api.Check{Name: name, Advisory: advisory, Do: func(context.Context) error {
			if works.Load() {
				return nil
			}
			return errors.New("away")
		}}
	}
	s := apitest.New(t, apitest.WithoutProjections, func(c *api.Config) {
		c.Checks = []api.Check{check("needed", false, &needed), check("advised", true, &advised)}
	})
	for _, step := range []struct {
		name            string
		needed, advised bool
		status          int
		shown           string
	}{
		{"nothing has come up", false, false, http.StatusServiceUnavailable, "[-] advised: away"},
		{"what requests need has", true, false, http.StatusServiceUnavailable, "[-] advised: away"},
		{"all has", true, true, http.StatusOK, "[+] advised"},
		{"NATS, say, is away", true, false, http.StatusOK, "[!] advised: away"},
		{"the database is away", false, false, http.StatusServiceUnavailable, "[-] needed: away"},
		{"all is back", true, true, http.StatusOK, "[+] needed"},
	} {
		needed.Store(step.needed)
		advised.Store(step.advised)
		a := s.Do(http.MethodGet, "/readyz?verbose", "")
		if a.Status != step.status || !strings.Contains(string(a.Body), step.shown) {
			t.Errorf("%s: got %d %q, want %d with %q", step.name, a.Status, a.Body, step.status, step.shown)
		}
	}
}
