package sandbox_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/domain/payment"
	"waybill/integrations/sandbox"
)

// step is a call on the payment of a story, and what is to come of it.
type step struct {
	call     string // the rest of its path
	body     string // behind the operation id
	status   int
	refusal  string
	possible int64
	become   string // the status of the operation
}

func TestStories(t *testing.T) {
	t.Parallel()
	const week = `{"advance":"168h"}`
	tests := map[string]struct {
		cfg    sandbox.Config
		amount int64
		token  string
		mode   string
		status int // of the authorisation
		steps  []step
		then   sandbox.Payment // its sums and status
		events []string
	}{
		"captured in parts, refunded in part": {
			amount: 1000, status: 200,
			steps: []step{
				{call: "captures", body: `,"amount":300`, status: 200, become: "succeeded"},
				{call: "captures", body: `,"amount":800`, status: 409, refusal: "amount_exceeds_authorised", possible: 700},
				{call: "captures", body: `,"amount":500,"final":true`, status: 200, become: "succeeded"},
				{call: "captures", body: `,"amount":100`, status: 409, refusal: "nothing_authorised"},
				{call: "refunds", body: `,"amount":801`, status: 409, refusal: "amount_exceeds_captured", possible: 800},
				{call: "refunds", body: `,"amount":200`, status: 200, become: "succeeded"},
			},
			then:   sandbox.Payment{Status: "captured", Authorised: 1000, Captured: 800, Refunded: 200, Refundable: 600},
			events: []string{"authorised", "captured", "captured", "refunded"},
		},
		"voided in part, then all": {
			amount: 1000, status: 200,
			steps: []step{
				{call: "voids", body: `,"amount":400`, status: 200, become: "succeeded"},
				{call: "captures", body: `,"amount":601`, status: 409, refusal: "amount_exceeds_authorised", possible: 600},
				{call: "voids", status: 200, become: "succeeded"},
				{call: "captures", body: `,"amount":1`, status: 409, refusal: "nothing_authorised"},
			},
			then:   sandbox.Payment{Status: "voided", Authorised: 1000, Voided: 1000},
			events: []string{"authorised", "voided", "voided"},
		},
		"a gateway that captures once and voids wholly": {
			cfg: sandbox.Config{SingleCapture: true, WholeVoidsOnly: true}, amount: 1000, status: 200,
			steps: []step{
				{call: "voids", body: `,"amount":400`, status: 409, refusal: "partial_void_unsupported"},
				{call: "captures", body: `,"amount":300`, status: 200, become: "succeeded"},
				{call: "captures", body: `,"amount":300`, status: 409, refusal: "nothing_authorised"},
			},
			then:   sandbox.Payment{Status: "captured", Authorised: 1000, Captured: 300, Refundable: 300},
			events: []string{"authorised", "captured"},
		},
		"taken at once": {
			amount: 1000, mode: "auto", status: 200,
			steps: []step{{call: "captures", body: `,"amount":1`, status: 409, refusal: "nothing_authorised"}},
			then:  sandbox.Payment{Status: "captured", Authorised: 1000, Captured: 1000, Refundable: 1000}, events: []string{"captured"},
		},
		"declined by the card": {
			amount: 1000, token: "tok_declined_insufficient_funds", status: 402,
			steps: []step{{call: "captures", body: `,"amount":1000`, status: 409, refusal: "nothing_authorised"}},
			then:  sandbox.Payment{Status: "failed"}, events: []string{"authorisation_failed"},
		},
		"declined by the amount": {
			amount: 20902, status: 402, then: sandbox.Payment{Status: "failed"}, events: []string{"authorisation_failed"},
		},
		"the capture fails": {
			amount: 1000, token: "tok_refused_capture", status: 200,
			steps: []step{{call: "captures", body: `,"amount":1000`, status: 402, become: "failed"}},
			then:  sandbox.Payment{Status: "authorised", Authorised: 1000, Capturable: 1000}, events: []string{"authorised", "capture_failed"},
		},
		"pending comes about": {
			amount: 1000, token: "tok_pending", status: 200,
			steps: []step{
				{call: "/control/clock", body: `{"advance":"1m"}`, status: 200},
				{call: "captures", body: `,"amount":700`, status: 200, become: "pending"},
				{call: "captures", body: `,"amount":301`, status: 409, refusal: "amount_exceeds_authorised", possible: 300},
				{call: "refunds", body: `,"amount":1`, status: 409, refusal: "amount_exceeds_captured"},
				{call: "/control/clock", body: `{"advance":"1m"}`, status: 200},
				{call: "refunds", body: `,"amount":400`, status: 200, become: "pending"},
				{call: "refunds", body: `,"amount":301`, status: 409, refusal: "amount_exceeds_captured", possible: 300},
			},
			then:   sandbox.Payment{Status: "authorised", Authorised: 1000, Captured: 700, RefundPending: 400, Refundable: 300, Capturable: 300},
			events: []string{"authorisation_pending", "authorised", "capture_pending", "captured", "refund_pending"},
		},
		"the last capture is pending": {
			amount: 1000, token: "tok_pending_capture", status: 200,
			steps: []step{
				{call: "captures", body: `,"amount":700,"final":true`, status: 200, become: "pending"},
				{call: "captures", body: `,"amount":1`, status: 409, refusal: "nothing_authorised"},
				{call: "voids", status: 409, refusal: "nothing_authorised"},
			},
			then:   sandbox.Payment{Status: "authorised", Authorised: 1000, CapturePending: 700},
			events: []string{"authorised", "capture_pending"},
		},
		"given up while pending": {
			amount: 1000, token: "tok_pending", status: 200,
			steps: []step{
				{call: "cancel", status: 200, become: "succeeded"},
				{call: "/control/clock", body: `{"advance":"1h"}`, status: 200},
				{call: "cancel", status: 409, refusal: "not_cancellable"},
			},
			then: sandbox.Payment{Status: "cancelled"}, events: []string{"authorisation_pending", "voided"},
		},
		"authorised, so not to be given up": {
			amount: 1000, status: 200, steps: []step{{call: "cancel", status: 409, refusal: "not_cancellable"}},
			then: sandbox.Payment{Status: "authorised", Authorised: 1000, Capturable: 1000}, events: []string{"authorised"},
		},
		"the authorisation lapses": {
			amount: 1000, status: 200,
			steps: []step{
				{call: "captures", body: `,"amount":100`, status: 200, become: "succeeded"},
				{call: "/control/clock", body: week, status: 200},
				{call: "captures", body: `,"amount":900`, status: 409, refusal: "authorisation_expired"},
			},
			then:   sandbox.Payment{Status: "captured", Authorised: 1000, Captured: 100, Refundable: 100},
			events: []string{"authorised", "captured", "authorisation_expired"},
		},
		"the authorisation lapses within the hour": {
			amount: 1000, token: "tok_short_window", status: 200, steps: []step{{call: "/control/clock", body: `{"advance":"1h"}`, status: 200}},
			then: sandbox.Payment{Status: "expired", Authorised: 1000}, events: []string{"authorised", "authorisation_expired"},
		},
		"an action that nobody did": {
			amount: 1000, token: "tok_3ds", status: 200, steps: []step{{call: "/control/clock", body: `{"advance":"15m"}`, status: 200}},
			then: sandbox.Payment{Status: "failed"}, events: []string{"action_required", "authorisation_failed"},
		},
		"a refund comes back": {
			amount: 1000, token: "tok_refund_fails_later", status: 200,
			steps: []step{
				{call: "captures", body: `,"amount":1000`, status: 200, become: "succeeded"},
				{call: "refunds", body: `,"amount":1000`, status: 200, become: "succeeded"},
				{call: "refunds", body: `,"amount":1`, status: 409, refusal: "amount_exceeds_captured"},
				{call: "/control/clock", body: `{"advance":"1m"}`, status: 200},
			},
			then:   sandbox.Payment{Status: "captured", Authorised: 1000, Captured: 1000, Refundable: 1000},
			events: []string{"authorised", "captured", "refunded", "refund_failed"},
		},
		"a dispute is won": {
			amount: 1000, token: "tok_dispute_won", status: 200,
			steps: []step{
				{call: "captures", body: `,"amount":1000`, status: 200, become: "succeeded"},
				{call: "/control/clock", body: `{"advance":"1m"}`, status: 200},
				{call: "refunds", body: `,"amount":1`, status: 409, refusal: "amount_exceeds_captured"},
				{call: "/control/clock", body: week, status: 200},
			},
			then:   sandbox.Payment{Status: "captured", Authorised: 1000, Captured: 1000, Refundable: 1000},
			events: []string{"authorised", "captured", "dispute_opened", "dispute_funds_withdrawn", "dispute_funds_reinstated", "dispute_closed"},
		},
		"a dispute is lost": {
			amount: 1000, token: "tok_dispute_lost", mode: "auto", status: 200, steps: []step{{call: "/control/clock", body: `{"advance":"200h"}`, status: 200}},
			then:   sandbox.Payment{Status: "captured", Authorised: 1000, Captured: 1000, Disputed: 1000},
			events: []string{"captured", "dispute_opened", "dispute_funds_withdrawn", "dispute_closed"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, tt.cfg, false)
			r := s.authorise("op-0", tt.amount, tt.token, "capture_mode", tt.mode)
			if r.status != tt.status {
				t.Fatalf("authorise: %d %s, want %d", r.status, r.body, tt.status)
			}
			id := r.Payment.ID
			for i, st := range tt.steps {
				op := "op-" + string(rune('1'+i))
				path, text := "/v1/payments/"+id+"/"+st.call, `{"operation_id":"`+op+`"`+st.body+`}`
				if strings.HasPrefix(st.call, "/") {
					path, text = st.call, st.body
				}
				r := s.send(http.MethodPost, path, op, text, 10*time.Second)
				if r.status != st.status || r.Error.Type != st.refusal || r.Error.Possible != st.possible {
					t.Fatalf("step %d (%s): %d %s, want %d %s", i+1, st.call, r.status, r.body, st.status, st.refusal)
				}
				if st.become != "" && r.Operation.Status != st.become {
					t.Fatalf("step %d (%s): the operation is %s, want %s", i+1, st.call, r.Operation.Status, st.become)
				}
			}
			if got := sums(s.payment(id)); got != sums(tt.then) {
				t.Errorf("got %+v, want %+v", got, sums(tt.then))
			}
			types := s.events()
			for i := range types {
				types[i] = strings.TrimPrefix(types[i], "payment.")
				if !slices.Contains(payment.FactKinds(), payment.FactKind(types[i])) {
					t.Errorf("%q is no fact of a payment", types[i])
				}
			}
			if !slices.Equal(types, tt.events) {
				t.Errorf("the events are %q, want %q", types, tt.events)
			}
		})
	}
}

// totals is what a payment comes to.
type totals struct {
	status                                                                                         string
	authorised, captured, capturing, voided, refunded, refunding, disputed, capturable, refundable int64
}

func sums(p sandbox.Payment) totals {
	return totals{
		p.Status, p.Authorised, p.Captured, p.CapturePending, p.Voided, p.Refunded, p.RefundPending, p.Disputed, p.Capturable, p.Refundable,
	}
}

func TestAction(t *testing.T) {
	t.Parallel()
	for result, want := range map[string]string{"complete": "authorised", "fail": "failed"} {
		t.Run(result, func(t *testing.T) {
			t.Parallel()
			s := open(t, sandbox.Config{APIKey: ""}, true)
			r := s.authorise("op-1", 1000, "tok_3ds", "return_url", "https://shop.example/back")
			if r.status != http.StatusOK || r.Operation.Status != "requires_action" || !r.Payment.Action.ExpiresAt.After(r.Payment.CreatedAt) {
				t.Fatalf("%d %s", r.status, r.body)
			}
			page := strings.TrimPrefix(r.Payment.Action.URL, s.url)
			if b := s.send(http.MethodGet, page, "", body{}, time.Minute).body; !strings.Contains(string(b), "1000 GBP") {
				t.Errorf("the page of the bank is %s", b)
			}
			if r := s.send(http.MethodPost, page+"?result=perhaps", "", body{}, time.Minute); r.status != http.StatusBadRequest {
				t.Errorf("an answer that is none: %d", r.status)
			}
			back := s.send(http.MethodPost, page+"?result="+result, "", body{}, time.Minute)
			if back.status != http.StatusSeeOther || back.header.Get("Location") != "https://shop.example/back" {
				t.Errorf("the customer is sent to %d %s", back.status, back.header.Get("Location"))
			}
			if p := s.payment(r.Payment.ID); p.Status != want || p.Action != nil {
				t.Errorf("the payment is %s", p.Status)
			}
			s.control("clock", body{"advance": "15m"}) // when the time for the action is over, it is over already
			if p := s.payment(r.Payment.ID); p.Status != want {
				t.Errorf("a quarter of an hour later the payment is %s", p.Status)
			}
			if r := s.send(http.MethodPost, page+"?result="+result, "", body{}, time.Minute); r.status != http.StatusConflict {
				t.Errorf("a second answer: %d", r.status)
			}
			end := map[string]string{"complete": "payment.authorised", "fail": "payment.authorisation_failed"}[result]
			s.receiver.await(t, "payment.action_required", end)
		})
	}
}

func TestLookUps(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{MaxPayments: 3}, false)
	first := s.authorise("op-1", 1000, "", "capture_mode", "auto")
	s.do("/v1/payments", "", body{"operation_id": "twice", "amount": 1, "currency": "GBP"}) // without a key each call counts
	s.do("/v1/payments", "", body{"operation_id": "twice", "amount": 1, "currency": "GBP", "metadata": map[string]string{"order": "o-1"}})
	var found struct{ Operations []sandbox.Operation }
	for id, want := range map[string]int{"op-1": 1, "twice": 2, "none": 0} {
		if s.get("/v1/operations/"+id, &found); len(found.Operations) != want {
			t.Errorf("%s: %d operations, want %d", id, len(found.Operations), want)
		}
	}
	var list struct {
		Events []sandbox.Event
		Next   int64
	}
	if s.get("/v1/events?after=1&limit=1", &list); len(list.Events) != 1 || list.Next != 2 || list.Events[0].Sequence != 2 {
		t.Errorf("a page of events is %+v", list)
	}
	if s.get("/v1/events?after=2", &list); len(list.Events) != 1 || list.Events[0].Metadata["order"] != "o-1" {
		t.Errorf("the events after that are %+v", list)
	}
	if s.get("/v1/events?since=2999-01-01T00:00:00Z", &list); len(list.Events) != 0 || list.Next != 3 {
		t.Errorf("the events of the future are %+v", list)
	}
	s.authorise("op-4", 1000, "") // forgets the oldest
	if r := s.send(http.MethodGet, "/v1/payments/"+first.Payment.ID, "", body{}, time.Minute); r.status != http.StatusNotFound {
		t.Errorf("the oldest of four payments: %d", r.status)
	}
	s.authorise("op-5", 1000, "")
	s.control("clock", body{"advance": "168h"})
	lapsed := slices.DeleteFunc(s.events(), func(e string) bool { return e != "payment.authorisation_expired" })
	if len(lapsed) != 3 {
		t.Errorf("%d authorisations lapse, want those of the three payments that are known", len(lapsed))
	}
	var c sandbox.Capabilities
	if s.get("/v1/capabilities", &c); c != (sandbox.Capabilities{MultiCapture: true, PartialVoid: true, KeyLifetimeSeconds: 86400}) {
		t.Errorf("the capabilities are %+v", c)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := open(t, sandbox.Config{}, false)
	id := s.authorise("op-0", 1000, "").Payment.ID
	tests := map[string]struct {
		path, body string
		status     int
	}{
		"no JSON":                     {"/v1/payments", `{`, 400},
		"something behind":            {"/v1/payments", `{"operation_id":"a","amount":1,"currency":"GBP"}{}`, 400},
		"an unknown field":            {"/v1/payments", `{"operation_id":"a","amount":1,"currency":"GBP","colour":"red"}`, 400},
		"no operation id":             {"/v1/payments", `{"amount":1,"currency":"GBP"}`, 400},
		"no amount":                   {"/v1/payments", `{"operation_id":"a","currency":"GBP"}`, 400},
		"a negative amount":           {"/v1/payments", `{"operation_id":"a","amount":-1,"currency":"GBP"}`, 400},
		"a fraction":                  {"/v1/payments", `{"operation_id":"a","amount":1.5,"currency":"GBP"}`, 400},
		"a strange currency":          {"/v1/payments", `{"operation_id":"a","amount":1,"currency":"gbp"}`, 400},
		"a strange token":             {"/v1/payments", `{"operation_id":"a","amount":1,"currency":"GBP","token":"tok_3ds_refund"}`, 400},
		"a strange mode":              {"/v1/payments", `{"operation_id":"a","amount":1,"currency":"GBP","capture_mode":"later"}`, 400},
		"a script for a URL":          {"/v1/payments", `{"operation_id":"a","amount":1,"currency":"GBP","return_url":"javascript:x"}`, 400},
		"a final refund":              {"/v1/payments/" + id + "/refunds", `{"operation_id":"a","amount":1,"final":true}`, 400},
		"a currency of its own":       {"/v1/payments/" + id + "/captures", `{"operation_id":"a","amount":1,"currency":"EUR"}`, 400},
		"a payment that is not there": {"/v1/payments/none/captures", `{"operation_id":"a","amount":1}`, 404},
		"a body too large":            {"/v1/payments", strings.Repeat(" ", 70<<10), 400},
		"a fault that is none":        {"/control/faults", `{"operation":"capture","script":"3ds"}`, 400},
		"a clock that goes back":      {"/control/clock", `{"advance":"-1h"}`, 400},
		"an event that is not there":  {"/control/events/none/send", `{}`, 404},
		"a dispute about nothing":     {"/control/payments/" + id + "/disputes", `{"amount":1}`, 409},
		"a dispute that is not there": {"/control/disputes/none/close", `{"outcome":"won"}`, 404},
		"a route that is not there":   {"/v2/payments", `{}`, 404},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r := s.send(http.MethodPost, tt.path, "", tt.body, time.Minute); r.status != tt.status {
				t.Errorf("%d %s, want %d", r.status, r.body, tt.status)
			}
		})
	}
	closed := open(t, sandbox.Config{APIKey: "k-1"}, false)
	if r := closed.send(http.MethodGet, "/v1/capabilities", "", body{}, time.Minute); r.status != http.StatusUnauthorized {
		t.Errorf("without the API key: %d", r.status)
	}
	if _, err := sandbox.New(sandbox.Config{WebhookURL: "http://localhost"}); err == nil {
		t.Error("webhooks without a secret are sent")
	}
}
