package order_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain/money"
	"waybill/domain/order"
)

// position returns where a payment in euros stands.
func position(id string, version int64, s order.PaymentState, authorised, captured, refunded int64) order.PaymentPosition {
	return order.PaymentPosition{
		PaymentID: id, Version: version, Status: s, Authorised: eur(authorised), Captured: eur(captured), Refunded: eur(refunded),
		Disputed: eur(0), Pending: eur(0), RefundPending: eur(0),
	}
}

func TestPaymentStatus(t *testing.T) {
	t.Parallel()
	with := func(p order.PaymentPosition, change func(*order.PaymentPosition)) order.PaymentPosition {
		change(&p)
		return p
	}
	const grand = 3485
	captured := position("p1", 1, order.PaymentStateCaptured, grand, grand, 0)
	failed := position("p0", 1, order.PaymentStateFailed, 0, 0, 0)
	tests := map[string]struct {
		payments []order.PaymentPosition
		want     order.PaymentStatus
		balance  int64
	}{
		"no payment":    {nil, order.PaymentNotPaid, grand},
		"initiated":     {[]order.PaymentPosition{position("p1", 1, order.PaymentStateInitiated, 0, 0, 0)}, order.PaymentNotPaid, grand},
		"failed":        {[]order.PaymentPosition{failed}, order.PaymentFailed, grand},
		"voided":        {[]order.PaymentPosition{failed, position("p1", 1, order.PaymentStateVoided, 0, 0, 0)}, order.PaymentVoided, grand},
		"lapsed":        {[]order.PaymentPosition{position("p1", 1, order.PaymentStateVoided, 0, 0, 0), position("p2", 1, order.PaymentStateExpired, 0, 0, 0)}, order.PaymentExpired, grand},
		"in part held":  {[]order.PaymentPosition{position("p1", 1, order.PaymentStateAuthorised, 1000, 0, 0)}, order.PaymentPartiallyAuthorised, grand},
		"held":          {[]order.PaymentPosition{failed, position("p1", 1, order.PaymentStateAuthorised, grand, 0, 0)}, order.PaymentAuthorised, grand},
		"held by two":   {[]order.PaymentPosition{position("p1", 1, order.PaymentStateAuthorised, 1000, 0, 0), position("p2", 1, order.PaymentStateAuthorised, 2485, 0, 0)}, order.PaymentAuthorised, grand},
		"card and gift": {[]order.PaymentPosition{position("p1", 1, order.PaymentStateCaptured, 1000, 1000, 0), position("p2", 1, order.PaymentStateAuthorised, 2485, 0, 0)}, order.PaymentPartiallyPaid, 2485},
		"paid":          {[]order.PaymentPosition{captured}, order.PaymentPaid, 0},
		"paid by two":   {[]order.PaymentPosition{position("p1", 1, order.PaymentStateCaptured, 1000, 1000, 0), position("p2", 1, order.PaymentStateCaptured, 2485, 2485, 0)}, order.PaymentPaid, 0},
		"paid back in part": {
			[]order.PaymentPosition{with(captured, func(p *order.PaymentPosition) { p.Refunded = eur(485) })}, order.PaymentPartiallyRefunded, 485,
		},
		"paid back": {[]order.PaymentPosition{with(captured, func(p *order.PaymentPosition) { p.Refunded = p.Captured })}, order.PaymentRefunded, grand},
		"too much":  {[]order.PaymentPosition{captured, position("p2", 1, order.PaymentStateCaptured, 500, 500, 0)}, order.PaymentOverpaid, -500},
		"nobody knows": {
			[]order.PaymentPosition{captured, with(position("p2", 1, order.PaymentStateAuthorised, 500, 0, 0), func(p *order.PaymentPosition) { p.Pending = eur(500) })}, order.PaymentPending, 0,
		},
		"processing":      {[]order.PaymentPosition{position("p1", 1, order.PaymentStateProcessing, 0, 0, 0)}, order.PaymentPending, grand},
		"requires action": {[]order.PaymentPosition{position("p1", 1, order.PaymentStateProcessing, 0, 0, 0), position("p2", 1, order.PaymentStateRequiresAction, 0, 0, 0)}, order.PaymentRequiresAction, grand},
		"disputed": {
			[]order.PaymentPosition{with(captured, func(p *order.PaymentPosition) { p.Disputed = p.Captured }), position("p2", 1, order.PaymentStateRequiresAction, 0, 0, 0)}, order.PaymentDisputed, grand,
		},
	}
	reached := map[order.PaymentStatus]bool{}
	for name, tt := range tests {
		reached[tt.want] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := inLifecycle(t, order.LifecycleConfirmed)
			for _, p := range tt.payments {
				do(t, o, order.RecordPaymentPosition{ID: orderID, Position: p, Now: t0})
			}
			if got := o.PaymentStatus(); got != tt.want {
				t.Errorf("status %s, want %s", got, tt.want)
			}
			if got := o.Balance(); got != eur(tt.balance) {
				t.Errorf("balance %s, want %s", got, eur(tt.balance))
			}
		})
	}
	for _, s := range order.PaymentStatuses() {
		if !reached[s] {
			t.Errorf("no case reaches %s", s)
		}
	}
}

// do carries out a command that must not be refused and returns its events.
func do(tb testing.TB, o *order.Order, c order.Command) []order.Event {
	tb.Helper()
	events, err := order.Decide(o, c)
	if err != nil {
		tb.Fatalf("%s: %v", c.CommandType(), err)
	}
	for _, e := range events {
		order.Evolve(o, e)
	}
	return events
}

// A payment of a cancelled order is overpaid until it is paid back: the order costs nothing.
func TestMoneyOfAClosedOrder(t *testing.T) {
	t.Parallel()
	o := inLifecycle(t, order.LifecycleCancelled)
	do(t, o, order.RecordPaymentPosition{ID: orderID, Position: position("p1", 1, order.PaymentStateCaptured, 3485, 3485, 0), Now: t0})
	if o.PaymentStatus() != order.PaymentOverpaid || o.Balance() != eur(-3485) || len(o.Anomalies) != 1 || o.Lifecycle != order.LifecycleCancelled {
		t.Errorf("%s, balance %s, anomalies %v, %s", o.PaymentStatus(), o.Balance(), o.Anomalies, o.Lifecycle)
	}
	do(t, o, order.RecordPaymentPosition{ID: orderID, Position: position("p1", 2, order.PaymentStateRefunded, 3485, 3485, 3485), Now: t0})
	if o.PaymentStatus() != order.PaymentRefunded || o.Balance() != eur(0) || len(o.Anomalies) != 1 {
		t.Errorf("%s, balance %s, anomalies %v", o.PaymentStatus(), o.Balance(), o.Anomalies)
	}
}

func TestPaymentPositionsThatAreRefused(t *testing.T) {
	t.Parallel()
	o := inLifecycle(t, order.LifecyclePending)
	p := position("p1", 2, order.PaymentStateAuthorised, 100, 0, 0)
	do(t, o, order.RecordPaymentPosition{ID: orderID, Position: p, Now: t0})
	change := func(f func(*order.PaymentPosition)) order.PaymentPosition {
		p := p
		f(&p)
		return p
	}
	for name, tt := range map[string]struct {
		position order.PaymentPosition
		want     string
	}{
		"the same":        {p, "done"},
		"an older one":    {change(func(p *order.PaymentPosition) { p.Version, p.Captured = 1, eur(9) }), "done"},
		"a newer one":     {change(func(p *order.PaymentPosition) { p.Version = 3 }), "payment_position_changed"},
		"another":         {change(func(p *order.PaymentPosition) { p.Captured = eur(9) }), "payment-position-conflict"},
		"other currency":  {change(func(p *order.PaymentPosition) { p.Pending = money.New(0, "GBP") }), "currency-mismatch"},
		"negative":        {change(func(p *order.PaymentPosition) { p.Refunded = eur(-1) }), "invalid-field"},
		"too much":        {change(func(p *order.PaymentPosition) { p.Authorised = eur(order.MaxAmount + 1) }), "limit-exceeded"},
		"no version":      {change(func(p *order.PaymentPosition) { p.Version = 0 }), "invalid-field"},
		"no payment":      {change(func(p *order.PaymentPosition) { p.PaymentID = "" }), "invalid-field"},
		"an odd status":   {change(func(p *order.PaymentPosition) { p.Status = "settled" }), "invalid-field"},
		"another payment": {change(func(p *order.PaymentPosition) { p.PaymentID = "p2" }), "payment_position_changed"},
	} {
		if got := verdict(order.Decide(o, order.RecordPaymentPosition{ID: orderID, Position: tt.position, Now: t0 + 1})); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestPaymentPositionsInAnyOrder: however late and often positions come, what counts is the newest of each payment.
func TestPaymentPositionsInAnyOrder(t *testing.T) {
	t.Parallel()
	p := placed(t, details())
	rapid.Check(t, func(t *rapid.T) {
		var all []order.PaymentPosition
		newest := map[string]order.PaymentPosition{}
		for _, id := range []string{"p1", "p2"} {
			for v := range rapid.Int64Range(1, 5).Draw(t, "versions") {
				amount := rapid.Int64Range(0, order.MaxAmount).Draw(t, "amount")
				all = append(all, position(id, v+1, order.PaymentStateCaptured, amount, amount, 0))
				newest[id] = all[len(all)-1]
			}
		}
		o := evolve(p)
		for _, i := range rapid.Permutation(append(all, all...)).Draw(t, "arrive") {
			events, err := order.Decide(o, order.RecordPaymentPosition{ID: orderID, Position: i, Now: t0})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				order.Evolve(o, e)
			}
		}
		for i := range o.Payments {
			got := o.Payments[i]
			got.At = 0
			if !reflect.DeepEqual(got, newest[got.PaymentID]) {
				t.Fatalf("%+v counts, %+v is newest", got, newest[got.PaymentID])
			}
		}
		if want := o.Due().Minor - newest["p1"].Captured.Minor - newest["p2"].Captured.Minor; o.Balance() != eur(want) {
			t.Fatalf("balance %s, want %s", o.Balance(), eur(want))
		}
	})
}
