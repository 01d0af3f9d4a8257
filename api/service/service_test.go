package service_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"waybill/api/apitest"
	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/api/service"
	"waybill/internal/devstack/devtest"
)

// start runs the service beside a stack and returns a client's connection.
func start(t *testing.T, change ...func(*service.Config)) (*apitest.Stack, *nats.Conn) {
	t.Helper()
	s := apitest.New(t, apitest.WithoutProjections)
	server := devtest.NATS(t)
	connect := func() *nats.Conn {
		nc, err := server.Connect()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	cfg := service.Config{Conn: connect(), Dispatcher: s.Dispatcher, Auth: s.Keys, Logger: s.Logger, Registerer: s.Registry}
	for _, f := range change {
		f(&cfg)
	}
	svc, err := service.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	apitest.Run(t, "service", svc.Run)
	nc := connect()
	apitest.Eventually(t, "the service answers", func() bool {
		m, err := nc.Request("$SRV.PING."+service.Name, nil, time.Second)
		return err == nil && len(m.Data) > 0 && strings.Contains(string(info(t, nc)), "stock-set_safety_stock")
	})
	return s, nc
}

func info(t *testing.T, nc *nats.Conn) []byte {
	t.Helper()
	m, err := nc.Request("$SRV.INFO."+service.Name, nil, time.Second)
	if err != nil {
		return nil
	}
	return m.Data
}

func ask(t *testing.T, nc *nats.Conn, key, command, body string, headers ...string) *nats.Msg {
	t.Helper()
	m := nats.NewMsg("waybill.cmd." + command)
	m.Data = []byte(body)
	if key != "" {
		m.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		m.Header[headers[i]] = []string{headers[i+1]}
	}
	r, err := nc.RequestMsg(m, 10*time.Second)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return r
}

// TestOneCommandOverTwoTransports: one key is one command, whichever way it comes, and its answer is equal to the byte.
func TestOneCommandOverTwoTransports(t *testing.T) {
	t.Parallel()
	s, nc := start(t)
	body := apitest.Order(2)
	overHTTP := s.Do(http.MethodPost, "/v1/orders", body, "Idempotency-Key", "k1")
	overNATS := ask(t, nc, s.Key, "order.place", " "+body, "Idempotency-Key", "k1")
	if overHTTP.Status != http.StatusCreated || !bytes.Equal(overHTTP.Body, overNATS.Data) || overNATS.Header.Get("Idempotency-Replayed") != "true" || overNATS.Header.Get("Consistency-Token") != overHTTP.Header.Get("Consistency-Token") {
		t.Fatalf("got %v\n%s\n%s", overNATS.Header, overNATS.Data, overHTTP.Body)
	}
	first := ask(t, nc, s.Key, "order.place", body, "idempotency-key", "k2") // NATS headers have a case, our names have none
	if again := s.Do(http.MethodPost, "/v1/orders", body, "Idempotency-Key", "k2"); !bytes.Equal(again.Body, first.Data) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Fatalf("got %s\n%s", again.Body, first.Data)
	}
	var order struct {
		OrderID string `json:"order_id"`
	}
	if err := json.Unmarshal(first.Data, &order); err != nil {
		t.Fatal(err)
	}
	refusal := fmt.Sprintf(`{"order_id":%q,"hold_id":"none"}`, order.OrderID)
	natsRefused := ask(t, nc, s.Key, "order.release_hold", refusal, "Idempotency-Key", "k3")
	httpRefused := s.Do(http.MethodPost, "/v1/orders/"+order.OrderID+"/release-hold", `{"hold_id":"none"}`, "Idempotency-Key", "k3")
	if !bytes.Equal(natsRefused.Data, httpRefused.Body) || natsRefused.Header.Get(micro.ErrorHeader) != "unknown-hold" || natsRefused.Header.Get(micro.ErrorCodeHeader) != "422" {
		t.Fatalf("got %v\n%s\n%s", natsRefused.Header, natsRefused.Data, httpRefused.Body)
	}
	if m := ask(t, nc, s.Key, "order.place", apitest.Order(3), "Idempotency-Key", "k1"); m.Header.Get(micro.ErrorHeader) != problem.KeyReused {
		t.Errorf("got %v", m.Header)
	}
	h, err := s.Log.Head(t.Context())
	if err != nil || h.Position != 2 {
		t.Errorf("the log has %d events, want 2 (%v)", h.Position, err)
	}
}

// TestOrdersOverTwoTransports: what is said about an order over NATS is known under its key over HTTP.
func TestOrdersOverTwoTransports(t *testing.T) {
	t.Parallel()
	s, nc := start(t)
	var order struct {
		OrderID string `json:"order_id"`
	}
	if err := json.Unmarshal(ask(t, nc, s.Key, "order.place", apitest.Order(1)).Data, &order); err != nil {
		t.Fatal(err)
	}
	const amend = `"amendment_id":"a1","base_version":1,"ops":[{"kind":"add_surcharge","surcharge":{"surcharge_id":"s","amount":{"minor":-1,"currency":"EUR"},
"total":{"minor":-1,"currency":"EUR"}}}],"totals":{"goods":{"minor":100,"currency":"EUR"},"surcharge":{"minor":-1,"currency":"EUR"},"grand":{"minor":99,"currency":"EUR"}}`
	for i, c := range []struct{ command, path, body, refused string }{
		{"order.change_shipping_address", "change-shipping-address", `"address":{"lines":["2 Sample Street"],"country":"DE"}`, ""},
		{"order.link_customer", "link-customer", `"customer_id":"c-1"`, ""},
		{"order.link_customer", "link-customer", `"customer_id":"c-2"`, "customer-conflict"},
		{"order.grant_refund", "refund", `"basis":"goodwill","adjustment":{"minor":1,"currency":"EUR"}`, "invalid-transition"},
		{"order.propose_amendment", "amend", amend, ""},
		{"order.withdraw_amendment", "withdraw-amendment", `"amendment_id":"a1"`, ""},
		{"order.accept_amendment", "accept-amendment", `"amendment_id":"a1"`, "amendment-closed"},
		{"order.archive", "archive", ``, "invalid-transition"},
		{"order.cancel", "cancel", `"reason":"customer"`, ""},
		{"order.archive", "archive", ``, ""},
	} {
		key := fmt.Sprintf("step-%d", i)
		named := `{"order_id":"` + order.OrderID + `"`
		if c.body != "" {
			named += "," + c.body
		}
		m := ask(t, nc, s.Key, c.command, named+"}", "Idempotency-Key", key)
		a := s.Do(http.MethodPost, "/v1/orders/"+order.OrderID+"/"+c.path, "{"+c.body+"}", "Idempotency-Key", key)
		if m.Header.Get(micro.ErrorHeader) != c.refused || !bytes.Equal(m.Data, a.Body) || a.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: %v %s, over HTTP %d %s", c.command, m.Header, m.Data, a.Status, a.Body)
		}
	}
}

// TestRefundsOverNATS: the other bases are not taken here either, nor is a key without the scope.
func TestRefundsOverNATS(t *testing.T) {
	t.Parallel()
	s, nc := start(t)
	const id = `"order_id":"0198c5f0-7a3e-7c11-8a2b-9d4e5f607182"`
	if m := ask(t, nc, s.Key, "order.grant_refund", `{`+id+`,"basis":"return"}`); m.Header.Get(micro.ErrorHeader) != problem.Malformed || !strings.Contains(string(m.Data), "only goodwill is granted from outside") {
		t.Errorf("got %v %s", m.Header, m.Data)
	}
	shop := s.AddKey("shop", auth.OrdersWrite)
	if m := ask(t, nc, shop, "order.grant_refund", `{`+id+`,"basis":"goodwill"}`); m.Header.Get(micro.ErrorHeader) != problem.Forbidden {
		t.Errorf("got %v %s", m.Header, m.Data)
	}
}

// TestRace: the same command over both transports at the same time, many times: one order, and every answer that is one
// is the same.
func TestRace(t *testing.T) {
	t.Parallel()
	s, nc := start(t)
	body := apitest.Order(1)
	var wg sync.WaitGroup
	answers := make([][]byte, 24)
	for i := range answers {
		wg.Go(func() {
			for {
				var got []byte
				if i%2 == 0 {
					a, err := s.Try(t.Context(), http.MethodPost, "/v1/orders", body, "Idempotency-Key", "race")
					if err != nil {
						t.Error(err)
						return
					}
					got = a.Body
				} else {
					got = ask(t, nc, s.Key, "order.place", body, "Idempotency-Key", "race").Data
				}
				if !bytes.Contains(got, []byte(problem.InFlight)) {
					answers[i] = got
					return
				}
			}
		})
	}
	wg.Wait()
	for _, a := range answers {
		if !bytes.Equal(a, answers[0]) || !bytes.Contains(a, []byte(`"order_id"`)) {
			t.Fatalf("got %s and %s", a, answers[0])
		}
	}
	if h, err := s.Log.Head(t.Context()); err != nil || h.Position != 1 {
		t.Errorf("the log has %d events, want 1 (%v)", h.Position, err)
	}
}

func TestHeadersAndScopes(t *testing.T) {
	t.Parallel()
	s, nc := start(t)
	reader := s.AddKey("reader", auth.OrdersRead, auth.StockRead)
	receive := `{"sku":"A","location":"B","quantity":1}`
	for name, test := range map[string]struct {
		key, command, body string
		headers            []string
		code               string
	}{
		"no key":          {"", "stock.receive", receive, nil, problem.Unauthenticated},
		"wrong key":       {"wb_test_x", "stock.receive", receive, nil, problem.Unauthenticated},
		"wrong scope":     {reader, "stock.receive", receive, nil, problem.Forbidden},
		"malformed":       {s.Key, "stock.receive", `{`, nil, problem.Malformed},
		"no body":         {s.Key, "stock.receive", ``, nil, problem.Malformed},
		"large":           {s.Key, "stock.receive", `{"sku":"` + strings.Repeat("x", 300<<10) + `"}`, nil, problem.TooLarge},
		"bad version":     {s.Key, "stock.receive", receive, []string{"Expected-Version", "x"}, problem.InvalidParameter},
		"another version": {s.Key, "stock.receive", receive, []string{"Expected-Version", "7"}, problem.VersionMismatch},
		"bad dry run":     {s.Key, "stock.receive", receive, []string{"Dry-Run", "x"}, problem.InvalidParameter},
		"bad key":         {s.Key, "stock.receive", receive, []string{"Idempotency-Key", strings.Repeat("x", 101)}, problem.InvalidKey},
		"dry run":         {s.Key, "stock.receive", receive, []string{"Dry-Run", "true"}, ""},
	} {
		m := ask(t, nc, test.key, test.command, test.body, test.headers...)
		if m.Header.Get(micro.ErrorHeader) != test.code {
			t.Errorf("%s: got %v %s", name, m.Header, m.Data)
		}
	}
	if h, err := s.Log.Head(t.Context()); err != nil || h.Position != 0 {
		t.Errorf("the log has %d events, want none (%v)", h.Position, err)
	}
	if m := ask(t, nc, s.Key, "stock.receive", receive, "Expected-Version", "0"); m.Header.Get(micro.ErrorHeader) != "" || m.Header.Get("Version") != "1" {
		t.Errorf("got %v %s", m.Header, m.Data)
	}
}

// TestReplySubjects: a request cannot make the service write to a subject that is no inbox.
func TestReplySubjects(t *testing.T) {
	t.Parallel()
	s, nc := start(t)
	sub, err := nc.SubscribeSync("waybill.evt.>")
	if err != nil {
		t.Fatal(err)
	}
	m := nats.NewMsg("waybill.cmd.stock.receive")
	m.Reply = "waybill.evt.order.placed.1"
	m.Data = []byte(`{"sku":"A","location":"B","quantity":1}`)
	m.Header.Set("Authorization", "Bearer "+s.Key)
	if err := nc.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	// The endpoint takes messages in order, so when the next one is answered, the one before was looked at.
	ask(t, nc, s.Key, "stock.receive", string(m.Data))
	if n, _, err := sub.Pending(); err != nil || n != 0 {
		t.Errorf("%d messages were written to a subject of events (%v)", n, err)
	}
	if h, err := s.Log.Head(t.Context()); err != nil || h.Position != 1 {
		t.Errorf("the log has %d events, want 1 (%v)", h.Position, err)
	}
}

func TestInfoDocumentsEveryCommand(t *testing.T) {
	t.Parallel()
	s, nc := start(t)
	var i micro.Info
	if err := json.Unmarshal(info(t, nc), &i); err != nil {
		t.Fatal(err)
	}
	if len(i.Endpoints) != len(s.Dispatcher.Table().Specs) {
		t.Fatalf("%d endpoints, %d commands", len(i.Endpoints), len(s.Dispatcher.Table().Specs))
	}
	for _, e := range i.Endpoints {
		spec, ok := s.Dispatcher.Table().Find(strings.TrimPrefix(e.Subject, "waybill.cmd."))
		if !ok || e.QueueGroup != service.Name || e.Metadata["scope"] != string(spec.Scope) || !json.Valid([]byte(e.Metadata["example"])) {
			t.Errorf("endpoint %+v", e)
		}
	}
}
