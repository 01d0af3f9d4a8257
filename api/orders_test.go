package api_test

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"waybill/api/apitest"
	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/api/wire"
)

// accepted is the answer to a command that must be accepted and cause these events.
func accepted(t *testing.T, a apitest.Answer, types ...string) wire.Accepted {
	t.Helper()
	var body wire.Accepted
	a.Decode(t, &body)
	var got []string
	for _, e := range body.Events {
		got = append(got, e.Type)
	}
	if a.Status != http.StatusOK || !slices.Equal(got, types) {
		t.Errorf("got %d %s, want the events %q", a.Status, a.Body, types)
	}
	return body
}

// refusal is one command that must be refused, or not be taken at all.
type refusal struct {
	name, path, body string
	status           int
	code, says       string
}

func (r *refusal) check(t *testing.T, s *apitest.Stack) {
	t.Helper()
	before := head(t, s)
	a := s.Do(http.MethodPost, r.path, r.body)
	if a.Status != r.status || a.Code() != r.code || !strings.Contains(string(a.Body), r.says) {
		t.Errorf("%s: got %d %s, want %d %s that says %q", r.name, a.Status, a.Body, r.status, r.code, r.says)
	}
	if after := head(t, s); after != before {
		t.Errorf("%s: %d events were stored", r.name, after-before)
	}
}

// TestChangeShippingAddress: the new address is what the order shows, its personal parts to those alone who may see them.
func TestChangeShippingAddress(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	id := placed(t, s, `"contact":{"delivery":{"lines":["1 Old Street"],"city":"Oldtown","country":"DE"}}`)
	path := "/v1/orders/" + id + "/change-shipping-address"
	const address = `{"address":{"name":"Ana Example","lines":["2 New Street","Rear"],"city":"Newtown","region":"Shire","postcode":"20095","postcode_prefix":"20","country":"AT"}}`

	dry := s.Do(http.MethodPost, path+"?dry_run=true", address)
	if a := accepted(t, dry, "order.shipping_address_changed"); !a.DryRun || strings.Contains(string(dry.Body), "New") || head(t, s) != 1 {
		t.Errorf("dry run: %s", dry.Body)
	}
	if a := s.Do(http.MethodPost, path, address, "If-Match", `"2"`); a.Status != http.StatusPreconditionFailed || a.Code() != problem.VersionMismatch {
		t.Errorf("at another version: %d %s", a.Status, a.Body)
	}
	first := s.Do(http.MethodPost, path, address, "Idempotency-Key", "move", "If-Match", `"1"`)
	accepted(t, first, "order.shipping_address_changed")
	if again := s.Do(http.MethodPost, path, address, "Idempotency-Key", "move", "If-Match", `"1"`); !bytes.Equal(again.Body, first.Body) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %d %s", again.Status, again.Body)
	}
	accepted(t, s.Do(http.MethodPost, path, address)) // it goes there already

	blind := s.AddKey("blind", auth.OrdersRead, auth.EventsRead)
	for _, read := range []string{"/v1/orders/" + id, "/v1/orders/" + id + "?at_version=2", "/v1/events", "/v1/orders/" + id + "/timeline"} {
		for key, sees := range map[string]bool{s.Key: true, blind: false} {
			a := s.Do(http.MethodGet, read, "", "Authorization", "Bearer "+key, "Consistency-Token", first.Header.Get("Consistency-Token"), "Prefer", "wait=10")
			if a.Status != http.StatusOK {
				t.Fatalf("%s: %d %s", read, a.Status, a.Body)
			}
			for _, personal := range []string{"Ana Example", "2 New Street", "Newtown", "Shire", "20095"} {
				if shown := strings.Contains(string(a.Body), personal); shown && !sees || sees && !shown && !strings.Contains(read, "timeline") {
					t.Errorf("%s shows %q: %t, want %t: %s", read, personal, shown, sees, a.Body)
				}
			}
			if !strings.Contains(read, "timeline") && !strings.Contains(string(a.Body), `"country":"AT"`) {
				t.Errorf("%s does not tell the country: %s", read, a.Body)
			}
		}
	}
	if a := s.Do(http.MethodGet, "/v1/orders?country=AT", ""); !strings.Contains(string(a.Body), id) {
		t.Errorf("the list does not find it in its new country: %s", a.Body)
	}

	cancelled := placed(t, s)
	accepted(t, s.Do(http.MethodPost, "/v1/orders/"+cancelled+"/cancel", ""), "order.lines_cancelled", "order.cancelled")
	for _, r := range []refusal{
		{"no address", path, `{}`, 400, problem.Malformed, "body.address is missing"},
		{"null", path, `{"address":null}`, 400, problem.Malformed, "body.address is missing"},
		{"unknown field", path, `{"address":{"lines":["x"],"street":"y"}}`, 400, problem.Malformed, "body.address.street is not a field"},
		{"wrong type", path, `{"address":{"lines":"x"}}`, 400, problem.Malformed, "body.address.lines"},
		{"eleven lines", path, `{"address":{"lines":["1","2","3","4","5","6","7","8","9","10","11"]}}`, 413, problem.TooManyItems, "body.address.lines"},
		{"another order", path, `{"order_id":"` + cancelled + `","address":{"lines":["x"]}}`, 400, problem.Malformed, "order_id"},
		{"no lines", path, `{"address":{"city":"Newtown"}}`, 422, "invalid-field", "address.lines"},
		{"a long line", path, `{"address":{"lines":["` + strings.Repeat("x", 513) + `"]}}`, 422, "limit-exceeded", "address.lines[0]"},
		{"a whole postcode in clear", path, `{"address":{"lines":["x"],"postcode_prefix":"20095"}}`, 422, "limit-exceeded", "address.postcode_prefix"},
		{"cancelled", "/v1/orders/" + cancelled + "/change-shipping-address", address, 422, "invalid-transition", `"order.archive"`},
		{"no order", "/v1/orders/0198c5f0-7a3e-7c11-8a2b-000000000000/change-shipping-address", address, 404, problem.OrderNotFound, ""},
		{"no id", "/v1/orders/x/change-shipping-address", address, 400, problem.Malformed, "order_id"},
	} {
		r.check(t, s)
	}
}

// TestLinkCustomer: the order of a guest gets its customer, once.
func TestLinkCustomer(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	id := placed(t, s)
	path := "/v1/orders/" + id + "/link-customer"
	if a := accepted(t, s.Do(http.MethodPost, path+"?dry_run=true", `{"customer_id":"c-1"}`), "order.customer_linked"); !a.DryRun {
		t.Errorf("got %+v", a)
	}
	linked := s.Do(http.MethodPost, path, `{"customer_id":"c-1"}`)
	accepted(t, linked, "order.customer_linked")
	accepted(t, s.Do(http.MethodPost, path, `{"customer_id":"c-1"}`))
	if a := s.Do(http.MethodGet, "/v1/orders?customer_id=c-1", "", "Consistency-Token", linked.Header.Get("Consistency-Token"), "Prefer", "wait=10"); !strings.Contains(string(a.Body), id) {
		t.Errorf("the list does not find it by its customer: %s", a.Body)
	}
	guest := "/v1/orders/" + placed(t, s) + "/link-customer"
	for _, r := range []refusal{
		{"another customer", path, `{"customer_id":"c-2"}`, 422, "customer-conflict", `"customer_id":"c-1"`},
		{"nobody", guest, `{"customer_id":""}`, 422, "invalid-field", "customer_id"},
		{"missing", guest, `{}`, 400, problem.Malformed, "body.customer_id is missing"},
		{"a number", guest, `{"customer_id":7}`, 400, problem.Malformed, "body.customer_id"},
		{"too long", guest, `{"customer_id":"` + strings.Repeat("c", 129) + `"}`, 422, "limit-exceeded", "customer_id"},
	} {
		r.check(t, s)
	}
}

// TestArchive: an order that is over is put away, and still takes notes.
func TestArchive(t *testing.T) {
	t.Parallel()
	s := apitest.New(t)
	id := placed(t, s)
	path := "/v1/orders/" + id + "/archive"
	pending := refusal{"pending", path, ``, 422, "invalid-transition", `"order.cancel"`}
	pending.check(t, s)
	unknown := refusal{"unknown field", path, `{"reason":"x"}`, 400, problem.Malformed, "body.reason is not a field"}
	unknown.check(t, s)
	accepted(t, s.Do(http.MethodPost, "/v1/orders/"+id+"/cancel", ""), "order.lines_cancelled", "order.cancelled")
	if a := accepted(t, s.Do(http.MethodPost, path+"?dry_run=true", ""), "order.archived"); !a.DryRun {
		t.Errorf("got %+v", a)
	}
	archived := s.Do(http.MethodPost, path, "", "If-Match", `"3"`)
	accepted(t, archived, "order.archived")
	accepted(t, s.Do(http.MethodPost, path, `{}`))
	var o struct {
		ArchivedAt string   `json:"archived_at"`
		Allowed    []string `json:"allowed_commands"`
	}
	shown := s.Do(http.MethodGet, "/v1/orders/"+id, "", "Consistency-Token", archived.Header.Get("Consistency-Token"), "Prefer", "wait=10")
	shown.Decode(t, &o)
	if o.ArchivedAt == "" || slices.Contains(o.Allowed, "order.archive") {
		t.Errorf("got %s", shown.Body)
	}
	accepted(t, s.Do(http.MethodPost, "/v1/orders/"+id+"/note", `{"text":"asked about it"}`), "order.note_added")
}
