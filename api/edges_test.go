package api_test

import (
	"net/http"
	"strings"
	"testing"

	"waybill/api/apitest"
	"waybill/api/problem"
)

// TestStrangeAddresses puts what no name can be into every path parameter of every route, and into their queries.
func TestStrangeAddresses(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	const good = "{order_id} 0198c5f0-7a3e-7c11-8a2b-9d4e5f607182 {sku} A {location} B {id} x {code} malformed"
	for _, r := range s.Server.Routes() {
		for name := range strings.SplitSeq(r.Path, "/") {
			if !strings.HasPrefix(name, "{") {
				continue
			}
			for _, strange := range []string{"%00", "a%00b", "%FF", "%ED%A0%80", strings.Repeat("x", 10_000)} {
				path := strings.Replace(r.Path, name, strange, 1)
				path = strings.NewReplacer(strings.Fields(good)...).Replace(path)
				body := ""
				if r.Method == http.MethodPost {
					body = "{}"
				}
				for _, query := range []string{"", "?at_version=1", "?at=2026-01-01T00:00:00Z"} {
					a := s.Do(r.Method, path+query, body)
					if a.Status >= http.StatusInternalServerError || strings.HasPrefix(strange, "%") && query == "" && a.Code() != problem.InvalidParameter {
						t.Errorf("%s %.80s%s: %d %.300s", r.Method, path, query, a.Status, a.Body)
					}
				}
			}
		}
	}
	for _, path := range []string{
		"/v1/events?stream=%00", "/v1/events?stream=%FF", "/v1/events?order=%00", "/v1/orders?number=%00",
		"/v1/orders?lifecycle=pending;channel=web", "/v1/orders?number=%zz",
	} {
		if a := s.Do(http.MethodGet, path, ""); a.Status != http.StatusBadRequest || a.Code() != problem.InvalidParameter {
			t.Errorf("%s: %d %.300s", path, a.Status, a.Body)
		}
	}
	if a := s.Do(http.MethodPost, "/v1/orders?dry_run=true;x", apitest.Order(1)); a.Status != http.StatusBadRequest || head(t, s) != 0 {
		t.Errorf("a query that cannot be read is passed over: %d %s", a.Status, a.Body)
	}
}
