package api_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"waybill/api/apitest"
	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/commands"
	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
)

// processed carries commands out that only processes may send.
func processed(t *testing.T, s *apitest.Stack, steps ...order.Command) {
	t.Helper()
	for _, c := range steps {
		if _, err := s.Bus.Execute(t.Context(), commands.Command{ID: uuid.New(), Type: c.CommandType(), Actor: "process:test", Key: string(c.OrderID()), Steps: []commands.Step{commands.Order(c)}}); err != nil {
			t.Fatalf("%s: %v", c.CommandType(), err)
		}
	}
}

// shipped is an order of two lines of one unit for 1.00 euro each and delivery for 0.50; all of it is captured, and line 1 has
// left.
func shipped(t *testing.T, s *apitest.Stack) string {
	t.Helper()
	const body = `{"channel":"web","currency":"EUR","lines":[{"sku":"A","quantity":1,"unit_price":"1.00","total":{"minor":100,"currency":"EUR"}},
{"sku":"B","quantity":1,"unit_price":"1.00","total":{"minor":100,"currency":"EUR"}}],
"shipping":[{"amount":{"minor":50,"currency":"EUR"},"total":{"minor":50,"currency":"EUR"}}],
"totals":{"goods":{"minor":200,"currency":"EUR"},"shipping":{"minor":50,"currency":"EUR"},"grand":{"minor":250,"currency":"EUR"}}}`
	var made struct {
		OrderID string `json:"order_id"`
	}
	a := s.Do(http.MethodPost, "/v1/orders", body)
	a.Decode(t, &made)
	if a.Status != http.StatusCreated {
		t.Fatalf("place: %d %s", a.Status, a.Body)
	}
	id, now, eur := order.ID(made.OrderID), domain.TimeOf(time.Now()), func(minor int64) money.Money { return money.New(minor, "EUR") }
	one := []order.LineQuantity{{LineID: "1", Quantity: 1}}
	processed(t, s,
		order.Confirm{ID: id, Now: now},
		order.RecordPaymentPosition{ID: id, Now: now, Position: order.PaymentPosition{
			PaymentID: "p-1", Version: 3, Status: order.PaymentStateCaptured, Authorised: eur(250), Captured: eur(250),
			Refunded: eur(0), Disputed: eur(0), Pending: eur(0), RefundPending: eur(0),
		}},
		order.AssignFulfilment{ID: id, FulfilmentID: "f-1", Location: "MAIN", Lines: one, Now: now},
		order.RecordShipped{ID: id, FulfilmentID: "f-1", ParcelID: "x-1", Lines: one, Now: now},
	)
	return made.OrderID
}

// TestGoodwill: goodwill is granted within what was captured, once for each refund_id, by keys that may.
func TestGoodwill(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	id := shipped(t, s)
	path := "/v1/orders/" + id + "/refund"
	const late = `{"refund_id":"late","basis":"goodwill","adjustment":{"minor":20,"currency":"EUR"},"reason":"a week late"}`

	shop := s.AddKey("shop", auth.OrdersRead, auth.OrdersWrite)
	if a := s.Do(http.MethodPost, path, late, "Authorization", "Bearer "+shop); a.Status != http.StatusForbidden || !strings.Contains(string(a.Body), "refunds:write") {
		t.Errorf("without the scope: %d %s", a.Status, a.Body)
	}
	envelope := `{"type":"order.grant_refund","data":{"order_id":"` + id + `","basis":"goodwill","adjustment":{"minor":1,"currency":"EUR"}}}`
	if a := s.Do(http.MethodPost, "/v1/commands", envelope, "Authorization", "Bearer "+shop); a.Status != http.StatusForbidden {
		t.Errorf("without the scope, in an envelope: %d %s", a.Status, a.Body)
	}
	if a := accepted(t, s.Do(http.MethodPost, path+"?dry_run=true", late), "order.refund_granted"); !a.DryRun || !strings.Contains(string(a.Events[0].Data), `"minor":20`) {
		t.Errorf("dry run: %s", a.Events[0].Data)
	}
	desk := s.AddKey("desk", auth.RefundsWrite)
	first := s.Do(http.MethodPost, path, late, "Authorization", "Bearer "+desk, "Idempotency-Key", "g-1", "If-Match", `"5"`)
	accepted(t, first, "order.refund_granted")
	again := s.Do(http.MethodPost, path, late, "Authorization", "Bearer "+desk, "Idempotency-Key", "g-1")
	if !bytes.Equal(again.Body, first.Body) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %d %s", again.Status, again.Body)
	}
	if a := s.Do(http.MethodGet, "/v1/commands/g-1", "", "Authorization", "Bearer "+desk); a.Status != http.StatusOK {
		t.Errorf("whoever granted it may not see what became of it: %d %s", a.Status, a.Body)
	}
	accepted(t, s.Do(http.MethodPost, path, late)) // under another key, the same refund

	// The unit that has left, all delivery, and a name that is made here: 20 + 100 + 50 of 250.
	units := s.Do(http.MethodPost, path, `{"basis":"goodwill","lines":[{"line_id":"1","quantity":1}],"shipping":{"minor":50,"currency":"EUR"}}`)
	granted := accepted(t, units, "order.refund_granted")
	var shown struct {
		Due     money.Money `json:"due"`
		Refunds []struct {
			RefundID string      `json:"refund_id"`
			Amount   money.Money `json:"amount"`
		} `json:"refunds"`
	}
	a := s.Do(http.MethodGet, "/v1/orders/"+id, "", "Consistency-Token", units.Header.Get("Consistency-Token"), "Prefer", "wait=10")
	a.Decode(t, &shown)
	if len(shown.Refunds) != 2 || shown.Refunds[1].RefundID != granted.CommandID || shown.Refunds[1].Amount != money.New(150, "EUR") || shown.Due != money.New(80, "EUR") {
		t.Errorf("the order shows %+v", shown)
	}

	adjust := func(minor string) string {
		return `{"basis":"goodwill","adjustment":{"minor":` + minor + `,"currency":"EUR"}}`
	}
	pending := placed(t, s)
	unpaid := placed(t, s)
	processed(t, s, order.Confirm{ID: order.ID(unpaid), Now: domain.TimeOf(time.Now())})
	refused := []refusal{
		{"another refund under its id", path, strings.Replace(late, "20", "21", 1), 422, "refund-conflict", `"amount"`},
		{"more than is due", path, adjust("81"), 422, "refund-exceeds-entitlement", `"possible":80`},
		{"the unit again", path, `{"basis":"goodwill","lines":[{"line_id":"1","quantity":1}]}`, 422, "refund-exceeds-entitlement", "units of line 1"},
		{"a unit that has not left", path, `{"basis":"goodwill","lines":[{"line_id":"2","quantity":1}]}`, 422, "refund-exceeds-entitlement", "units of line 2"},
		{"delivery again", path, `{"basis":"goodwill","shipping":{"minor":1,"currency":"EUR"}}`, 422, "refund-exceeds-entitlement", `"what":"shipping"`},
		{"no such line", path, `{"basis":"goodwill","lines":[{"line_id":"9","quantity":1}]}`, 422, "unknown-line", ""},
		{"no units", path, `{"basis":"goodwill","lines":[{"line_id":"1","quantity":0}]}`, 422, "invalid-field", "lines"},
		{"a line twice", path, `{"basis":"goodwill","lines":[{"line_id":"1","quantity":1},{"line_id":"1","quantity":1}]}`, 422, "invalid-field", "lines"},
		{"nothing", path, `{"basis":"goodwill"}`, 422, "invalid-field", "nothing to pay back"},
		{"below zero", path, adjust("-1"), 422, "invalid-field", "adjustment"},
		{"too much for anybody", path, adjust("9007199254740993"), 422, "limit-exceeded", "adjustment"},
		{"another currency", path, strings.Replace(adjust("1"), "EUR", "USD", 1), 422, "currency-mismatch", "adjustment"},
		{"beyond 64 bits", path, adjust("9223372036854775808"), 400, problem.Malformed, "adjustment.minor"},
		{"a fraction", path, adjust("0.5"), 400, problem.Malformed, "adjustment.minor"},
		{"a text", path, adjust(`"1"`), 400, problem.Malformed, "adjustment.minor"},
		{"an empty list", path, `{"basis":"goodwill","lines":[]}`, 400, problem.Malformed, "leave it out"},
		{"unknown field", path, `{"basis":"goodwill","amount":{"minor":1,"currency":"EUR"}}`, 400, problem.Malformed, "body.amount is not a field"},
		{"a long reason", path, `{"basis":"goodwill","reason":"` + strings.Repeat("x", 513) + `"}`, 422, "limit-exceeded", "reason"},
		{"no basis", path, `{}`, 400, problem.Malformed, "body.basis is missing"},
		{"nothing captured", "/v1/orders/" + unpaid + "/refund", adjust("1"), 422, "refund-exceeds-entitlement", `"what":"captured"`},
		{"not confirmed", "/v1/orders/" + pending + "/refund", adjust("1"), 422, "invalid-transition", "pending"},
	}
	for _, basis := range []order.RefundBasis{order.RefundReturn, order.RefundCancellation, order.RefundAmendment, order.RefundLatePayment, order.RefundOverpayment, "gift", ""} {
		refused = append(refused, refusal{"basis " + string(basis), path, `{"basis":"` + string(basis) + `"}`, 400, problem.Malformed, "only goodwill is granted from outside"})
	}
	for _, r := range refused {
		r.check(t, s)
	}
}
