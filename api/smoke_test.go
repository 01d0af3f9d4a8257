package api_test

import (
	"net/http"
	"testing"

	"waybill/api/apitest"
)

func TestOrderOverHTTP(t *testing.T) {
	s := apitest.New(t)
	placed := s.Do(http.MethodPost, "/v1/orders", apitest.Order(3), "Idempotency-Key", "a")
	t.Logf("%d %v\n%s", placed.Status, placed.Header, placed.Body)
	var body struct {
		OrderID string `json:"order_id"`
	}
	placed.Decode(t, &body)
	for _, p := range []string{"/v1/orders", "/v1/orders/" + body.OrderID, "/v1/orders/" + body.OrderID + "?at_version=1", "/v1/orders/" + body.OrderID + "/timeline", "/v1/events", "/v1/projections", "/v1/stuck-orders", "/v1/stock", "/v1/commands/a", "/readyz?verbose", "/metrics"} {
		a := s.Do(http.MethodGet, p, "", "Consistency-Token", placed.Header.Get("Consistency-Token"))
		t.Logf("%s %d %v\n%s", p, a.Status, a.Header, a.Body[:min(len(a.Body), 900)])
	}
}
