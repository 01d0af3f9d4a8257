package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

// TestLargestOrder places the largest order that log and domain take: 1,000 lines, in an event of nearly 1 MiB. It is
// published, folded into every read model, and shown.
func TestLargestOrder(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	b := startBroker(t, p)
	dsn, base := devtest.Database(t), address(t)
	p = p.with(append(natsEnv(), "WAYBILL_NATS_URL="+b.url, "DATABASE_URL="+dsn)...)
	key := strings.TrimSpace(p.must("keys", "create", "shop", "--scopes", "orders:read,orders:write,stock:write,events:read"))
	c := p.start(waybill(t), "serve", "--http-addr", base, "--admin-addr", address(t), "--limits-body-bytes", "2MiB")
	base = "http://" + base
	c.ready(base)

	const lines, title, attributes = 1000, 512, 60
	// What the attributes fill up: the log takes an event of 1 MiB, whoever wrote it.
	order := func(attributes int) string {
		var b strings.Builder
		b.WriteString(`{"channel":"web","currency":"EUR","payment_terms":{"kind":"on_account"},"attributes":{`)
		for i := range attributes {
			fmt.Fprintf(&b, `%s"a%d":%q`, comma(i), i, strings.Repeat("y", 4096))
		}
		b.WriteString(`},"lines":[`)
		for i := range lines {
			fmt.Fprintf(&b, `%s{"line_id":"%064d","sku":"MUG","title":%q,"quantity":1,"unit_price":"1.00","total":{"minor":100,"currency":"EUR"}}`,
				comma(i), i, strings.Repeat("x", title))
		}
		fmt.Fprintf(&b, `],"totals":{"goods":{"minor":%d,"currency":"EUR"},"grand":{"minor":%[1]d,"currency":"EUR"}}}`, 100*lines)
		return b.String()
	}
	if status, body, err := call(t.Context(), http.MethodPost, base+"/v1/stock/MUG/MAIN/receive", key, `{"quantity":5000}`); err != nil || status != http.StatusOK {
		t.Fatalf("receive: %d %s %v", status, body, err)
	}
	if status, answer, err := call(t.Context(), http.MethodPost, base+"/v1/orders", key, order(100)); err != nil || status < 400 || status >= 500 {
		t.Errorf("larger than the log takes: %d %s %v", status, tail(string(answer)), err)
	}
	status, answer, err := call(t.Context(), http.MethodPost, base+"/v1/orders", key, order(attributes))
	if err != nil || status != http.StatusCreated {
		t.Fatalf("place: %d %s %v", status, tail(string(answer)), err)
	}
	id := orderID(t, answer)
	confirmed(t, base, key, id)
	var o struct {
		Lines []struct {
			Title string `json:"title"`
		} `json:"lines"`
	}
	if err := get(t.Context(), base+"/v1/orders/"+id, key, &o); err != nil {
		t.Fatal(err)
	}
	if len(o.Lines) != lines || o.Lines[lines-1].Title != strings.Repeat("x", title) {
		t.Errorf("%d lines, the last %+v", len(o.Lines), o.Lines[len(o.Lines)-1])
	}
	if code := c.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.must("verify")
	if n := size(t, dsn); n < eventstore.MaxEventBytes*9/10 {
		t.Errorf("the largest event had %d bytes: not near the limit of %d", n, eventstore.MaxEventBytes)
	}
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}
