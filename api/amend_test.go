package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/api/apitest"
	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
)

// amendment is the body of a proposal that makes an order of 2.00 euro cost so much.
func amendment(id string, base, grand int64, ops, totals string) string {
	return fmt.Sprintf(`{"amendment_id":%q,"base_version":%d,"ops":[%s],"totals":{"goods":{"minor":200,"currency":"EUR"},%s"grand":{"minor":%d,"currency":"EUR"}}}`,
		id, base, ops, totals, grand)
}

// rebate adds a surcharge, below zero a discount, to an order of 2.00 euro.
func rebate(id string, base, minor int64) string {
	return amendment(id, base, 200+minor,
		fmt.Sprintf(`{"kind":"add_surcharge","surcharge":{"surcharge_id":%q,"amount":{"minor":%d,"currency":"EUR"},"total":{"minor":%[2]d,"currency":"EUR"}}}`, id, minor),
		fmt.Sprintf(`"surcharge":{"minor":%d,"currency":"EUR"},`, minor))
}

// discounted takes 0.10 euro off line 1 of an order of [apitest.Order], with other fields of the line beside.
func discounted(id string, base int64, fields string) string {
	return amendment(id, base, 190, `{"kind":"apply_discount","line":{"line_id":"1","sku":"SKU-0","quantity":1,"unit_price":"1.00",`+fields+
		`"discounts":[{"amount":{"minor":10,"currency":"EUR"}}],"total":{"minor":90,"currency":"EUR"}}}`, `"discount":{"minor":10,"currency":"EUR"},`)
}

// TestAmendment: an order comes to cost less, in two steps, the second of which only those may take who may give money back.
func TestAmendment(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	id := placed(t, s)
	at := func(verb string) string { return "/v1/orders/" + id + "/" + verb }
	if a := accepted(t, s.Do(http.MethodPost, at("amend")+"?dry_run=true", discounted("a1", 1, "")), "order.amendment_proposed"); !a.DryRun || !strings.Contains(string(a.Events[0].Data), `"minor":-10`) {
		t.Errorf("dry run: %s", a.Events[0].Data)
	}
	shop := s.AddKey("shop", auth.OrdersWrite)
	first := s.Do(http.MethodPost, at("amend"), discounted("a1", 1, ""), "Authorization", "Bearer "+shop, "Idempotency-Key", "p", "If-Match", `"1"`)
	accepted(t, first, "order.amendment_proposed")
	if again := s.Do(http.MethodPost, at("amend"), discounted("a1", 1, ""), "Authorization", "Bearer "+shop, "Idempotency-Key", "p"); !bytes.Equal(again.Body, first.Body) {
		t.Errorf("again: %s", again.Body)
	}
	accepted(t, s.Do(http.MethodPost, at("amend"), discounted("a1", 1, ""))) // under another key, the same amendment
	if a := s.Do(http.MethodPost, at("accept-amendment"), `{"amendment_id":"a1"}`, "Authorization", "Bearer "+shop); a.Status != http.StatusForbidden || !strings.Contains(string(a.Body), "refunds:write") {
		t.Errorf("accepted without the scope: %d %s", a.Status, a.Body)
	}
	accepted(t, s.Do(http.MethodPost, at("accept-amendment")+"?dry_run=true", `{"amendment_id":"a1"}`), "order.amended")
	amended := s.Do(http.MethodPost, at("accept-amendment"), `{"amendment_id":"a1"}`, "If-Match", `"2"`)
	accepted(t, amended, "order.amended")
	accepted(t, s.Do(http.MethodPost, at("accept-amendment"), `{"amendment_id":"a1"}`))
	var shown struct {
		Due money.Money `json:"due"`
	}
	a := s.Do(http.MethodGet, "/v1/orders/"+id, "", "Consistency-Token", amended.Header.Get("Consistency-Token"), "Prefer", "wait=10")
	if a.Decode(t, &shown); shown.Due != money.New(190, "EUR") {
		t.Errorf("the order shows %s", a.Body)
	}
	late := refusal{"an amendment that is accepted", at("withdraw-amendment"), `{"amendment_id":"a1"}`, 422, "amendment-closed", ""}
	late.check(t, s)

	id = placed(t, s)
	accepted(t, s.Do(http.MethodPost, at("amend"), rebate("a1", 1, -2)), "order.amendment_proposed")
	for _, r := range []refusal{
		{"a second one", at("amend"), rebate("a2", 1, -1), 422, "amendment-open", `"amendment_id":"a1"`},
		{"another one under its id", at("amend"), rebate("a1", 1, -1), 422, "amendment-conflict", ""},
		{"an unknown one", at("accept-amendment"), `{"amendment_id":"a9"}`, 422, "unknown-amendment", "a9"},
		{"none", at("accept-amendment"), `{}`, 400, problem.Malformed, "body.amendment_id is missing"},
		{"unknown field", at("withdraw-amendment"), `{"amendment_id":"a1","reason":"x"}`, 400, problem.Malformed, "body.reason is not a field"},
	} {
		r.check(t, s)
	}
	accepted(t, s.Do(http.MethodPost, at("cancel"), `{"lines":[{"line_id":"1","quantity":1}]}`), "order.lines_cancelled")
	stale := refusal{"made for more units", at("accept-amendment"), `{"amendment_id":"a1"}`, 422, "amendment-stale", `"base_version":1`}
	stale.check(t, s)
	accepted(t, s.Do(http.MethodPost, at("withdraw-amendment"), `{"amendment_id":"a1"}`), "order.amendment_withdrawn")
	accepted(t, s.Do(http.MethodPost, at("withdraw-amendment"), `{"amendment_id":"a1"}`))
}

// TestAmendmentsOutOfReach: nobody reserves, moves or releases the stock of an amended order, or takes more money for it, so
// nothing that asks for it gets in, neither as a proposal nor when a proposal of the processes is accepted.
func TestAmendmentsOutOfReach(t *testing.T) {
	t.Parallel()
	s := apitest.New(t, apitest.WithoutProjections)
	id := placed(t, s)
	path := "/v1/orders/" + id + "/amend"
	line := func(kind, quantity string) string {
		return `{"kind":"` + kind + `","line":{"line_id":"1","sku":"SKU-0","quantity":` + quantity + `,"unit_price":"1.00","total":{"minor":100,"currency":"EUR"}}}`
	}
	delivery := func(total string) string {
		return `{"kind":"change_shipping","shipping":[{"amount":{"minor":` + total + `,"currency":"EUR"},"total":{"minor":` + total + `,"currency":"EUR"}}]}`
	}
	for _, r := range []refusal{
		{"more units", path, amendment("a", 1, 300, line("change_quantity", "2"), ""), 400, problem.Malformed, "nothing reserves or releases the stock"},
		{"fewer units", path, amendment("a", 1, 100, `{"kind":"remove_line"}`, ""), 400, problem.Malformed, "nothing reserves or releases the stock"},
		{"another line", path, amendment("a", 1, 300, line("add_line", "1"), ""), 400, problem.Malformed, "nothing reserves or releases the stock"},
		{"no such kind", path, amendment("a", 1, 200, `{"kind":"give"}`, ""), 400, problem.Malformed, "body.ops[0].kind"},
		{"dearer delivery", path, amendment("a", 1, 201, delivery("1"), `"shipping":{"minor":1,"currency":"EUR"},`), 422, "amendment-out-of-reach", `"balance_delta":{"minor":1,"currency":"EUR"}`},
		{"a fee", path, rebate("a", 1, 1), 422, "amendment-out-of-reach", `"changes_units":false`},
		{"from elsewhere", path, discounted("a", 1, `"location":"ELSEWHERE",`), 422, "amendment-out-of-reach", `"changes_units":true`},
		{"may wait now", path, discounted("a", 1, `"allow_backorder":true,`), 422, "amendment-out-of-reach", `"changes_units":true`},
		{"not shipped now", path, discounted("a", 1, `"requires_shipping":false,`), 422, "invalid-field", "other goods"},
		{"other units by a discount", path, amendment("a", 1, 200, line("apply_discount", "2"), ""), 422, "invalid-field", "quantity"},
		{"below zero", path, rebate("a", 1, -201), 422, "invalid-field", "totals.grand"},
		{"totals that do not add up", path, strings.Replace(rebate("a", 1, -50), `"grand":{"minor":150`, `"grand":{"minor":149`, 1), 422, "totals-mismatch", ""},
		{"from no version", path, rebate("a", 0, -50), 422, "amendment-stale", ""},
		{"from a version to come", path, rebate("a", 2, -50), 422, "amendment-stale", ""},
		{"no operations", path, amendment("a", 1, 200, ``, ""), 422, "invalid-field", "ops"},
		{"too many", path, amendment("a", 1, 200, strings.Repeat(`{"kind":"x"},`, 100)+`{"kind":"x"}`, ""), 413, problem.TooManyItems, "body.ops"},
		{"two in one", path, amendment("a", 1, 200, strings.Replace(line("apply_discount", "1"), `}}}`, `}},"surcharge":{"amount":{"minor":1,"currency":"EUR"},"total":{"minor":1,"currency":"EUR"}}}`, 1), ""), 400, problem.Malformed, "another kind"},
		{"a discount on no line", path, amendment("a", 1, 200, `{"kind":"apply_discount"}`, ""), 400, problem.Malformed, "body.ops[0].line is missing"},
		{"a price that is none", path, amendment("a", 1, 200, strings.Replace(line("apply_discount", "1"), `"1.00"`, `"x"`, 1), ""), 400, problem.Malformed, "body.ops[0].line.unit_price"},
		{"a surcharge without a name", path, amendment("a", 1, 200, `{"kind":"add_surcharge","surcharge":{"amount":{"minor":1,"currency":"EUR"},"total":{"minor":1,"currency":"EUR"}}}`, ""), 400, problem.Malformed, "surcharge_id is missing"},
		{"an unknown field", path, amendment("a", 1, 200, `{"kind":"remove_line","line_id":"1"}`, ""), 400, problem.Malformed, "body.ops[0].line_id is not a field"},
	} {
		r.check(t, s)
	}

	// The processes may propose what they can see to; from outside it cannot be accepted.
	eur := func(minor int64) money.Money { return money.New(minor, "EUR") }
	totals := order.Totals{Goods: eur(300), Discount: eur(0), Shipping: eur(0), Surcharge: eur(0), Tax: eur(0), Grand: eur(300)}
	processed(t, s, order.ProposeAmendment{
		ID: order.ID(id), AmendmentID: "more", BaseVersion: 1, Totals: totals, Now: domain.TimeOf(time.Now()),
		Ops: []order.AmendOp{{Kind: order.AmendChangeQuantity, Line: &order.Line{ID: "1", SKU: "SKU-0", Quantity: 2, UnitPrice: "1.00", Total: eur(200), RequiresShipping: true}}},
	})
	accept := refusal{"accept more units", "/v1/orders/" + id + "/accept-amendment", `{"amendment_id":"more"}`, 422, "amendment-out-of-reach", "nobody would reserve"}
	accept.check(t, s)
	processed(t, s, order.AcceptAmendment{ID: order.ID(id), AmendmentID: "more", Now: domain.TimeOf(time.Now())})
}
