package sandbox_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"waybill/integrations/sandbox"
)

const secret = "whsec_c2FuZGJveC1nYXRld2F5LXNlY3JldA=="

// shop is what stands around a gateway: a client that calls it, and a server that receives its webhooks.
type shop struct {
	t        *testing.T
	url      string
	receiver *receiver
}

// receiver keeps what webhooks said, if their signature holds.
type receiver struct {
	mu     sync.Mutex
	events []sandbox.Event
	forged int
	refuse int // how many to answer with 503
	came   chan struct{}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err == nil {
		err = verifier.Verify(body, req.Header)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		select {
		case r.came <- struct{}{}:
		default:
		}
	}()
	var e sandbox.Event
	switch {
	case err != nil || json.Unmarshal(body, &e) != nil || req.Header.Get("Webhook-Id") != e.ID:
		r.forged++
	case r.refuse > 0:
		r.refuse--
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		r.events = append(r.events, e)
	}
}

// types returns the types of what came in, in that order.
func (r *receiver) types() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	types := []string{}
	for _, e := range r.events {
		types = append(types, e.Type)
	}
	return types
}

// await waits until what came in is as wanted.
func (r *receiver) await(t *testing.T, want ...string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !slices.Equal(r.types(), want) {
		select {
		case <-r.came:
		case <-deadline:
			t.Fatalf("the webhooks were %q, want %q", r.types(), want)
		}
	}
}

// open starts a gateway and a receiver. With running false nothing is sent but what precedes an answer.
func open(t *testing.T, cfg sandbox.Config, running bool) *shop {
	t.Helper()
	r := &receiver{came: make(chan struct{}, 1)}
	inbox := httptest.NewServer(r)
	t.Cleanup(inbox.Close)
	cfg.Name, cfg.WebhookURL, cfg.WebhookSecret = cmp.Or(cfg.Name, "t"), inbox.URL, secret
	g, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g.Handler())
	t.Cleanup(server.Close)
	if running {
		var wg sync.WaitGroup
		ctx := t.Context()
		wg.Go(func() {
			if err := g.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		t.Cleanup(wg.Wait) // the context of the test is over by then
	}
	return &shop{t: t, url: server.URL, receiver: r}
}

// reply is what came back over HTTP.
type reply struct {
	sandbox.Answer
	status int
	header http.Header
	body   []byte
	Error  struct {
		Type     string `json:"type"`
		Possible int64  `json:"possible"`
	} `json:"error"`
}

// send makes a call; status is 0 if no answer came within timeout.
func (s *shop) send(method, path, key string, body any, timeout time.Duration) (r reply) {
	s.t.Helper()
	data, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		data = string(b)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader([]byte(data)))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", key)
	resp, err := (&http.Client{Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		return r
	}
	defer resp.Body.Close()
	if r.body, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	r.status, r.header = resp.StatusCode, resp.Header
	if resp.Header.Get("Content-Type") == "application/json" && len(r.body) > 0 && r.body[0] == '{' {
		if err := json.Unmarshal(r.body, &r); err != nil {
			s.t.Fatalf("%s: %v", r.body, err)
		}
	}
	return r
}

type body = map[string]any

// do makes a call that is to be answered.
func (s *shop) do(path, key string, b body) reply {
	s.t.Helper()
	r := s.send(http.MethodPost, path, key, b, 10*time.Second)
	if r.status == 0 {
		s.t.Fatalf("%s was not answered", path)
	}
	return r
}

// authorise makes a payment; the operation id is also the key.
func (s *shop) authorise(op string, amount int64, token string, more ...string) reply {
	s.t.Helper()
	b := body{"operation_id": op, "amount": amount, "currency": "GBP", "token": token}
	for i := 0; i < len(more); i += 2 {
		b[more[i]] = more[i+1]
	}
	return s.do("/v1/payments", op, b)
}

func (s *shop) capture(payment, op string, amount int64) reply {
	s.t.Helper()
	return s.do("/v1/payments/"+payment+"/captures", op, body{"operation_id": op, "amount": amount})
}

func (s *shop) get(path string, v any) {
	s.t.Helper()
	r := s.send(http.MethodGet, path, "", body{}, 10*time.Second)
	if r.status != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, r.status, r.body)
	}
	if err := json.Unmarshal(r.body, v); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) payment(id string) (p sandbox.Payment) {
	s.t.Helper()
	s.get("/v1/payments/"+id, &p)
	return p
}

func (s *shop) control(path string, b body) {
	s.t.Helper()
	if r := s.do("/control/"+path, "", b); r.status != http.StatusOK {
		s.t.Fatalf("control %s: %d %s", path, r.status, r.body)
	}
}

func (s *shop) events() (types []string) {
	s.t.Helper()
	var list struct{ Events []sandbox.Event }
	s.get("/v1/events", &list)
	for _, e := range list.Events {
		types = append(types, e.Type)
	}
	return types
}
