package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/vmihailenco/msgpack/v5"

	"waybill/api/apitest"
	"waybill/api/auth"
	"waybill/api/problem"
)

// placed places an order and returns its id.
func placed(t *testing.T, s *apitest.Stack, fields ...string) string {
	t.Helper()
	a := s.Do(http.MethodPost, "/v1/orders", apitest.Order(2, fields...))
	if a.Status != http.StatusCreated {
		t.Fatalf("place: %d %s", a.Status, a.Body)
	}
	var body struct {
		OrderID string `json:"order_id"`
	}
	a.Decode(t, &body)
	if a.Header.Get("Location") != "/v1/orders/"+body.OrderID || a.Header.Get("Etag") != `"1"` || a.Header.Get("Consistency-Token") == "" || a.Header.Get("Idempotency-Key") == "" || a.Header.Get("Request-Id") == "" {
		t.Fatalf("headers: %v", a.Header)
	}
	return body.OrderID
}

func head(t *testing.T, s *apitest.Stack) int64 {
	t.Helper()
	h, err := s.Log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h.Position
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	body := apitest.Order(2)
	first := s.Do(http.MethodPost, "/v1/orders", body, "Idempotency-Key", "order 1")
	if first.Status != http.StatusCreated || first.Header.Get("Idempotency-Replayed") != "" {
		t.Fatalf("first: %d %s", first.Status, first.Body)
	}
	for range 3 {
		again := s.Do(http.MethodPost, "/v1/orders", " "+body+"\n", "Idempotency-Key", "order 1")
		if again.Status != first.Status || !bytes.Equal(again.Body, first.Body) || again.Header.Get("Idempotency-Replayed") != "true" || again.Header.Get("Location") != first.Header.Get("Location") {
			t.Fatalf("again: %d %v\n%s\n%s", again.Status, again.Header, again.Body, first.Body)
		}
	}
	for name, a := range map[string]apitest.Answer{
		"another body":    s.Do(http.MethodPost, "/v1/orders", apitest.Order(3), "Idempotency-Key", "order 1"),
		"another command": s.Do(http.MethodPost, "/v1/stock/A/B/receive", `{"quantity":1}`, "Idempotency-Key", "order 1"),
	} {
		if a.Status != http.StatusUnprocessableEntity || a.Code() != problem.KeyReused {
			t.Errorf("%s under a used key: %d %s", name, a.Status, a.Body)
		}
	}
	other := s.AddKey("somebody-else", auth.OrdersWrite)
	if a := s.Do(http.MethodPost, "/v1/orders", body, "Idempotency-Key", "order 1", "Authorization", "Bearer "+other); a.Status != http.StatusCreated || bytes.Equal(a.Body, first.Body) {
		t.Errorf("the same key of another principal is another command: %d %s", a.Status, a.Body)
	}
	made := s.Do(http.MethodPost, "/v1/orders", body)
	if again := s.Do(http.MethodPost, "/v1/orders", body, "Idempotency-Key", made.Header.Get("Idempotency-Key")); !bytes.Equal(again.Body, made.Body) {
		t.Errorf("the key that was made does not name the command: %s", again.Body)
	}
	for _, bad := range []string{strings.Repeat("x", 101), "smörgås"} {
		if a := s.Do(http.MethodPost, "/v1/orders", body, "Idempotency-Key", bad); a.Status != http.StatusBadRequest || a.Code() != problem.InvalidKey {
			t.Errorf("key %q: %d %s", bad, a.Status, a.Body)
		}
	}
	byHand := s.Do(http.MethodPost, "/v1/orders", body, "Content-Type", "application/x-www-form-urlencoded") // what curl -d says
	if byHand.Status != http.StatusCreated {
		t.Errorf("by curl: %d %s", byHand.Status, byHand.Body)
	}
	if n := head(t, s); n != 4 {
		t.Errorf("the log has %d events, want 4", n)
	}
}

func TestRefusalsAreReplayed(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	id := placed(t, s)
	body := `{"hold_id":"none"}`
	first := s.Do(http.MethodPost, "/v1/orders/"+id+"/release-hold", body, "Idempotency-Key", "r")
	if first.Status != http.StatusUnprocessableEntity || first.Code() != "unknown-hold" || first.Header.Get("Content-Type") != problem.ContentType {
		t.Fatalf("got %d %s", first.Status, first.Body)
	}
	var p problem.Problem
	first.Decode(t, &p)
	if p.Type != "/problems/unknown-hold" || p.State != "pending" || *p.Version != 1 || string(p.Values) != `{"hold_id":"none"}` || len(p.Allowed) == 0 || p.Retryable {
		t.Errorf("got %s", first.Body)
	}
	// The state moves on; the outcome does not.
	if a := s.Do(http.MethodPost, "/v1/orders/"+id+"/hold", `{"hold_id":"none","kind":"manual"}`); a.Status != http.StatusOK {
		t.Fatalf("hold: %s", a.Body)
	}
	again := s.Do(http.MethodPost, "/v1/orders/"+id+"/release-hold", body, "Idempotency-Key", "r")
	if again.Status != first.Status || !bytes.Equal(again.Body, first.Body) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %d\n%s\n%s", again.Status, again.Body, first.Body)
	}
	for _, name := range []string{"r", p.CommandID} {
		a := s.Do(http.MethodGet, "/v1/commands/"+name, "")
		var o struct {
			Outcome string          `json:"outcome"`
			Status  int             `json:"status"`
			Body    json.RawMessage `json:"body"`
		}
		a.Decode(t, &o)
		if a.Status != http.StatusOK || o.Outcome != "refused" || o.Status != 422 || !bytes.Equal(o.Body, bytes.TrimSpace(first.Body)) {
			t.Errorf("outcome of %s: %d %s", name, a.Status, a.Body)
		}
	}
	if a := s.Do(http.MethodGet, "/v1/commands/never-sent", ""); a.Status != http.StatusNotFound || a.Code() != problem.CommandNotFound {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

func TestNothingIsStoredForAMalformedCommand(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	good := apitest.Order(1)
	big := apitest.Order(1, `"attributes":{"x":"`+strings.Repeat("y", 300<<10)+`"}`)
	for _, test := range []struct {
		name, body, contentType string
		status                  int
		code                    string
	}{
		{"no JSON", "{", "application/json", 400, problem.Malformed},
		{"empty", "", "application/json", 400, problem.Malformed},
		{"doubled field", strings.Replace(good, `"currency"`, `"channel":"x","currency"`, 1), "application/json", 400, problem.Malformed},
		{"unknown field", strings.Replace(good, `"currency"`, `"colour":"x","currency"`, 1), "application/json", 400, problem.Malformed},
		{"not UTF-8", strings.Replace(good, `"web"`, "\"w\xffeb\"", 1), "application/json", 400, problem.Malformed},
		{"deep", strings.Repeat("[", 10_000), "application/json", 400, problem.TooDeep},
		{"large", big, "application/json", 413, problem.TooLarge},
		{"many lines", apitest.Order(1001), "application/json", 413, problem.TooManyItems},
		{"price that is none", strings.Replace(good, `"1.00"`, `"1,00"`, 1), "application/json", 400, problem.Malformed},
		{"order id that is none", apitest.Order(1, `"order_id":"7"`), "application/json", 400, problem.Malformed},
		{"XML", "<order/>", "application/xml", 415, problem.UnsupportedMedia},
		{"media type that is none", good, ";;", 415, problem.UnsupportedMedia},
		{"not msgpack", good, "application/msgpack", 400, problem.Malformed},
	} {
		a := s.Do(http.MethodPost, "/v1/orders", test.body, "Content-Type", test.contentType, "Idempotency-Key", "m")
		if a.Status != test.status || a.Code() != test.code {
			t.Errorf("%s: %d %s, want %d %s", test.name, a.Status, a.Body, test.status, test.code)
		}
	}
	for _, path := range []string{"/v1/orders?dryrun=true", "/v1/orders?dry_run=perhaps"} {
		if a := s.Do(http.MethodPost, path, good); a.Status != http.StatusBadRequest || a.Code() != problem.InvalidParameter {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	if a := s.Do(http.MethodGet, "/v1/commands/m", ""); a.Status != http.StatusNotFound {
		t.Errorf("a malformed command has an outcome: %s", a.Body)
	}
	if a := s.Do(http.MethodPost, "/v1/orders", good, "Idempotency-Key", "m"); a.Status != http.StatusCreated {
		t.Errorf("the key of a malformed command is not free: %s", a.Body)
	}
	if n := head(t, s); n != 1 {
		t.Errorf("the log has %d events, want 1", n)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	id := placed(t, s)
	tag := func(tag string, headers ...string) apitest.Answer {
		return s.Do(http.MethodPost, "/v1/orders/"+id+"/tag", `{"tags":["`+tag+`"]}`, headers...)
	}
	if a := tag("a", "If-Match", `"1"`); a.Status != http.StatusOK || a.Header.Get("Etag") != `"2"` {
		t.Fatalf("got %d %v %s", a.Status, a.Header, a.Body)
	}
	a := tag("b", "If-Match", `"1"`, "Idempotency-Key", "late")
	if a.Status != http.StatusPreconditionFailed || a.Code() != problem.VersionMismatch || a.Header.Get("Etag") != `"2"` {
		t.Fatalf("got %d %v %s", a.Status, a.Header, a.Body)
	}
	if a := tag("b", "If-Match", `"2"`, "Idempotency-Key", "late"); a.Status != http.StatusOK {
		t.Errorf("the key of a command with another version is not free: %s", a.Body)
	}
	for _, bad := range []string{"W/\"1\"", "x", `"-1"`, `"1", "2"`} {
		if a := tag("c", "If-Match", bad); a.Status != http.StatusBadRequest {
			t.Errorf("If-Match %s: %d %s", bad, a.Status, a.Body)
		}
	}
	// Many race for one version: one wins, and the others are told so.
	var wg sync.WaitGroup
	answers := make([]apitest.Answer, 16)
	for i := range answers {
		wg.Go(func() { answers[i] = tag(fmt.Sprintf("race-%d", i), "If-Match", `"3"`) })
	}
	wg.Wait()
	won := 0
	for _, a := range answers {
		switch a.Status {
		case http.StatusOK:
			won++
		case http.StatusPreconditionFailed:
		default:
			t.Errorf("got %d %s", a.Status, a.Body)
		}
	}
	if won != 1 {
		t.Errorf("%d commands won the race for one version", won)
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	a := s.Do(http.MethodPost, "/v1/orders?dry_run=true", apitest.Order(2, `"contact":{"name":"Ana Example"}`), "Idempotency-Key", "d")
	if a.Status != http.StatusOK || !strings.Contains(string(a.Body), `"dry_run":true`) || !strings.Contains(string(a.Body), `"type":"order.placed"`) || !strings.Contains(string(a.Body), `"data":{`) {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	if strings.Contains(string(a.Body), "Ana") {
		t.Errorf("a dry run shows personal data: %s", a.Body)
	}
	if n := head(t, s); n != 0 {
		t.Errorf("a dry run stored %d events", n)
	}
	if a := s.Do(http.MethodPost, "/v1/orders", apitest.Order(2), "Idempotency-Key", "d"); a.Status != http.StatusCreated {
		t.Errorf("a dry run used up its key: %s", a.Body)
	}
	id := uuid.NewString()
	if a := s.Do(http.MethodPost, "/v1/orders/"+id+"/tag?dry_run=true", `{"tags":["a"]}`); a.Status != http.StatusNotFound || a.Code() != problem.OrderNotFound || !strings.Contains(string(a.Body), `"dry_run":true`) {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

func TestStockWithSpacesAndSlashes(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	a := s.Do(http.MethodPost, "/v1/stock/BANK%20CHARGES%2FX/BER%201/receive", `{"quantity":7}`)
	if a.Status != http.StatusOK || !strings.Contains(string(a.Body), `"sku":"BANK CHARGES/X","location":"BER 1"`) {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	level := s.Do(http.MethodGet, "/v1/stock/BANK%20CHARGES%2FX/BER%201", "", "Consistency-Token", a.Header.Get("Consistency-Token"), "Prefer", "wait=10")
	if level.Status != http.StatusOK || !strings.Contains(string(level.Body), `"on_hand":7`) || level.Header.Get("Etag") != `"1"` {
		t.Fatalf("got %d %v %s", level.Status, level.Header, level.Body)
	}
	if a := s.Do(http.MethodPost, "/v1/stock/A@B/C/receive", `{"quantity":7}`); a.Status != http.StatusBadRequest {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if a := s.Do(http.MethodPost, "/v1/stock/A/B/receive", `{"sku":"C","quantity":7}`); a.Status != http.StatusBadRequest || !strings.Contains(string(a.Body), "differs from the address") {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if a := s.Do(http.MethodGet, "/v1/stock/none/here", ""); a.Status != http.StatusNotFound || a.Code() != problem.StockNotFound {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

func TestEnvelopeAndMsgpack(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	var order any
	if err := json.Unmarshal([]byte(apitest.Order(2)), &order); err != nil {
		t.Fatal(err)
	}
	// JSON numbers come out as floats here; on the wire amounts are integers.
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				v[k] = walk(v[k])
			}
			return v
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
			return v
		case float64:
			return int64(v)
		}
		return v
	}
	packed, err := msgpack.Marshal(walk(order))
	if err != nil {
		t.Fatal(err)
	}
	first := s.Do(http.MethodPost, "/v1/orders", string(packed), "Content-Type", "application/msgpack", "Idempotency-Key", "k")
	if first.Status != http.StatusCreated {
		t.Fatalf("msgpack: %d %s", first.Status, first.Body)
	}
	again := s.Do(http.MethodPost, "/v1/commands", `{"type":"order.place","idempotency_key":"k","data":`+apitest.Order(2)+`}`)
	if again.Status != http.StatusCreated || !bytes.Equal(again.Body, first.Body) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Fatalf("envelope: %d %s", again.Status, again.Body)
	}
	for _, forbidden := range []string{"order.confirm", "order.reject", "stock.reserve", "no.such"} {
		if a := s.Do(http.MethodPost, "/v1/commands", `{"type":"`+forbidden+`","data":{}}`); a.Status != http.StatusNotFound || a.Code() != problem.UnknownCommand {
			t.Errorf("%s: %d %s", forbidden, a.Status, a.Body)
		}
	}
	stock := s.AddKey("warehouse", auth.StockWrite)
	if a := s.Do(http.MethodPost, "/v1/commands", `{"type":"order.place","data":`+apitest.Order(2)+`}`, "Authorization", "Bearer "+stock); a.Status != http.StatusForbidden {
		t.Errorf("the envelope lets a command past its scope: %d %s", a.Status, a.Body)
	}
}

func TestChannelsOfAKey(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	secret, err := auth.NewSecret("test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.KeyStore.AddKey(t.Context(), secret, "web-shop", []auth.Scope{auth.OrdersWrite}, []string{"shop"}); err != nil {
		t.Fatal(err)
	}
	a := s.Do(http.MethodPost, "/v1/orders", apitest.Order(1), "Authorization", "Bearer "+secret)
	if a.Status != http.StatusForbidden || a.Code() != problem.ChannelForbidden {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	if a := s.Do(http.MethodPost, "/v1/orders", strings.Replace(apitest.Order(1), `"web"`, `"shop"`, 1), "Authorization", "Bearer "+secret); a.Status != http.StatusCreated {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

func TestMetaOfEvents(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	a := s.Do(http.MethodPost, "/v1/orders", apitest.Order(1), "Traceparent", trace, "Correlation-Id", "c-1", "Causation-Id", "c-0")
	if a.Status != http.StatusCreated {
		t.Fatalf("got %s", a.Body)
	}
	events, err := s.Log.ReadLog(t.Context(), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := events[0].Metadata()
	if err != nil || m.Traceparent != trace || m.CorrelationID != "c-1" || m.CausationID != "c-0" || m.Actor != "key:tester" || m.Channel != "web" || m.Command != "order.place" {
		t.Errorf("got %+v, %v", m, err)
	}
}
