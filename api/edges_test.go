package api_test

import (
	"net/http"
	"strings"
	"testing"

	"waybill/api/apitest"
	"waybill/api/auth"
	"waybill/api/problem"
)

// TestStrangeAddresses puts what no name can be into every path parameter of every route, and into their queries.
func TestStrangeAddresses(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	apitest.Eventually(t, "the read models are built", func() bool {
		for _, path := range []string{"/v1/orders/none", "/v1/orders/none/timeline", "/v1/stock/none/none"} {
			if s.Do(http.MethodGet, path, "").Status != http.StatusNotFound {
				return false
			}
		}
		return true
	})
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

// says checks the status, the code and a part of the text of a problem.
func says(t *testing.T, what string, a apitest.Answer, status int, code, text string) {
	t.Helper()
	var p problem.Problem
	a.Decode(t, &p)
	if a.Status != status || p.Code != code || !strings.Contains(p.Detail, text) {
		t.Errorf("%s: %d %s, want %d %s with %q", what, a.Status, a.Body, status, code, text)
	}
}

// TestProblemsSayWhatIsWrong: what is wrong, and what would be right.
func TestProblemsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	id := placed(t, s)
	good := apitest.Order(1)
	before := s.Do(http.MethodPost, "/v1/stock/A/B/receive", `{"quantity":1}`)
	late := placed(t, s)
	for _, test := range []struct {
		path, body, text string
		code             string
	}{
		{"/v1/orders/" + id + "/cancel", `{"reason":"customer","lines":[]}`, "body.lines is empty: leave it out to cancel all that is open", problem.Malformed},
		{"/v1/orders/" + id + "/hold", `{"kind":"manual","blocks":[]}`, "body.blocks is empty: leave it out", problem.Malformed},
		{"/v1/orders", strings.Replace(good, `"1.00"`, `12.5`, 1), `body.lines[0].unit_price must be a decimal in a string, such as "12.50", not a number`, problem.Malformed},
		{"/v1/orders", strings.Replace(good, `"channel"`, `"channel":"web","channel"`, 1), "body.channel stands twice", problem.Malformed},
		{"/v1/orders", strings.Replace(good, `"sku"`, `"sku":"X","sku"`, 1), "body.lines[0].sku stands twice", problem.Malformed},
		{"/v1/commands", `{"type":"stock.receive","data":{"sku":"..","location":"MAIN","quantity":1}}`, `body.sku ".." cannot stand in an address`, problem.Malformed},
		{"/v1/commands", `{"type":"stock.receive","data":{"sku":"A","location":".","quantity":1}}`, `body.location "." cannot stand in an address`, problem.Malformed},
		{"/v1/commands", `{"type":"stock.receive","idempotency_key":"","data":{"sku":"A","location":"B","quantity":1}}`, "body.idempotency_key is empty", problem.InvalidKey},
	} {
		says(t, test.path+" "+test.body, s.Do(http.MethodPost, test.path, test.body), http.StatusBadRequest, test.code, test.text)
	}
	if a := s.Do(http.MethodGet, "/v1/orders/"+id+"?at_version=1", "", "Prefer", "wait=10", "Consistency-Token", "1"); !strings.Contains(string(a.Body), `"lifecycle":"pending"`) {
		t.Errorf("a list of no lines cancels: %s", a.Body)
	}
	says(t, "gzip", s.Do(http.MethodPost, "/v1/orders", good, "Content-Encoding", "gzip"), http.StatusUnsupportedMediaType, problem.UnsupportedMedia, "gzip")
	says(t, "limit", s.Do(http.MethodGet, "/v1/orders?limit=201", ""), http.StatusBadRequest, problem.InvalidParameter, "query.limit")
	says(t, "no such parameter", s.Do(http.MethodGet, "/v1/orders?colour=red", ""), http.StatusBadRequest, problem.InvalidParameter, "colour")
	says(t, "future event", s.Do(http.MethodGet, "/v1/stream", "", "Last-Event-ID", "999"), http.StatusBadRequest, problem.InvalidParameter, "header.Last-Event-ID is beyond the end")
	says(t, "future position", s.Do(http.MethodGet, "/v1/stream?from=999", ""), http.StatusBadRequest, problem.InvalidParameter, "query.from is beyond the end")
	token := before.Header.Get("Consistency-Token")
	says(t, "before it was placed", s.Do(http.MethodGet, "/v1/orders/"+late+"?at_position="+token, "", "Consistency-Token", "3", "Prefer", "wait=10"),
		http.StatusNotFound, problem.OrderNotFound, "the order was placed at position 3")
}

// TestKeysThatContradict: a key is sent once, and not empty.
func TestKeysThatContradict(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	send := func(keys ...string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/orders", strings.NewReader(apitest.Order(1)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.Key)
		req.Header["Idempotency-Key"] = keys
		resp, err := s.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	for _, keys := range [][]string{{""}, {"a", "b"}} {
		if status := send(keys...); status != http.StatusBadRequest {
			t.Errorf("keys %q: %d", keys, status)
		}
	}
	body := `{"type":"order.place","idempotency_key":"k","data":` + apitest.Order(1) + `}`
	says(t, "two keys", s.Do(http.MethodPost, "/v1/commands", body, "Idempotency-Key", "other"), http.StatusBadRequest, problem.InvalidKey, "two commands")
	if n := head(t, s); n != 0 {
		t.Errorf("%d events are stored", n)
	}
	if a := s.Do(http.MethodPost, "/v1/commands", body, "Idempotency-Key", "k"); a.Status != http.StatusCreated {
		t.Errorf("equal keys: %d %s", a.Status, a.Body)
	}
	says(t, "used key", s.Do(http.MethodPost, "/v1/orders", apitest.Order(2), "Idempotency-Key", "k"), http.StatusUnprocessableEntity, problem.KeyReused, "use a new key")
}

// TestLinesUnderOneKey: a line that is repeated within a batch is carried out once and answered every time.
func TestLinesUnderOneKey(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	line := `{"type":"order.place","idempotency_key":"same","data":` + apitest.Order(1) + "}\n"
	const lines = 20
	a := s.Do(http.MethodPost, "/v1/commands:batch", strings.Repeat(line, lines), "Content-Type", "application/x-ndjson")
	list := verdicts(t, a.Body)
	for i, l := range list {
		if l.Status != http.StatusCreated || l.Replayed != (i > 0) || string(l.Body) != string(list[0].Body) {
			t.Errorf("line %d: %d, replayed: %t, %s", l.Line, l.Status, l.Replayed, l.Body)
		}
	}
	if n := head(t, s); len(list) != lines || n != 1 {
		t.Errorf("%d verdicts, %d events", len(list), n)
	}
}

// TestAnyOf: a parameter may be repeated or hold commas, and a value that nothing can have is an error.
func TestAnyOf(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	id := placed(t, s)
	hold := s.Do(http.MethodPost, "/v1/orders/"+id+"/hold", `{"kind":"manual"}`)
	for _, path := range []string{
		"/v1/orders?lifecycle=pending&lifecycle=cancelled", "/v1/orders?lifecycle=cancelled&lifecycle=pending", "/v1/orders?lifecycle=cancelled,pending",
		"/v1/orders?channel=shop&channel=web", "/v1/orders?hold=fraud&hold=manual", "/v1/orders?payment_status=not_paid&return_status=none&fulfilment_status=unfulfilled&fulfilment_status=on_hold",
		"/v1/stuck-orders?lifecycle=confirmed&lifecycle=pending&older_than=0", "/v1/events?type=stock.received&type=order.placed",
		"/v1/events?type=" + strings.Repeat("stock.received,", 40) + "order.placed", // how long the whole may be is not how long one value may be
		"/v1/orders/" + id + "/timeline?type=order.tagged&type=order.placed",
	} {
		a := s.Do(http.MethodGet, path, "", "Consistency-Token", hold.Header.Get("Consistency-Token"), "Prefer", "wait=10")
		if a.Status != http.StatusOK || strings.Contains(string(a.Body), `"data":[]`) {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
	for query, text := range map[string]string{
		"lifecycle=pendng":           "pending, confirmed",
		"lifecycle=pending,x":        `"x" is not one of`,
		"payment_status=settled":     "not_paid",
		"fulfilment_status=lost":     "unfulfilled",
		"return_status=lost":         "none",
		"hold=nap":                   "manual",
		"country=Germany":            "ISO 3166-1",
		"currency=euro":              "ISO 4217",
		"currency=eur&total_min=100": "ISO 4217",
	} {
		says(t, query, s.Do(http.MethodGet, "/v1/orders?"+query, ""), http.StatusBadRequest, problem.InvalidParameter, text)
	}
	says(t, "stuck", s.Do(http.MethodGet, "/v1/stuck-orders?lifecycle=x", ""), http.StatusBadRequest, problem.InvalidParameter, "pending, confirmed")
}

// TestOutcomesOfOthers: an outcome is shown to who may read or change what it is about.
func TestOutcomesOfOthers(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	id := func(a apitest.Answer) string {
		var b struct {
			ID string `json:"command_id"`
		}
		a.Decode(t, &b)
		return b.ID
	}
	order := s.Do(http.MethodPost, "/v1/orders", apitest.Order(1))
	stock := s.Do(http.MethodPost, "/v1/stock/A/B/receive", `{"quantity":1}`)
	refused := s.Do(http.MethodPost, "/v1/stock/A/B/adjust", `{"delta":0}`)
	for _, test := range []struct {
		scope        auth.Scope
		order, stock int
	}{
		{auth.OrdersRead, 200, 404},
		{auth.OrdersWrite, 200, 404},
		{auth.StockRead, 404, 200},
		{auth.StockWrite, 404, 200},
		{auth.Admin, 200, 200},
	} {
		key := s.AddKey("a-"+strings.ReplaceAll(string(test.scope), ":", "-"), test.scope)
		for _, look := range []struct {
			id   string
			want int
		}{{id(order), test.order}, {id(stock), test.stock}, {id(refused), test.stock}} {
			if a := s.Do(http.MethodGet, "/v1/commands/"+look.id, "", "Authorization", "Bearer "+key); a.Status != look.want {
				t.Errorf("%s: %d %s, want %d", test.scope, a.Status, a.Body, look.want)
			}
		}
	}
}
