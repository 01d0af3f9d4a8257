package order_test

import (
	"testing"

	"waybill/domain/order"
)

// TestRefundDecisions walks one order: 3 units of line 1 (8.70 each), delivery for 5.40, shipped and paid.
func TestRefundDecisions(t *testing.T) {
	t.Parallel()
	o := inLifecycle(t, order.LifecycleCompleted)
	grant := func(id string, b order.RefundBasis, units, shipping, adjustment int64) order.GrantRefund {
		c := order.GrantRefund{ID: orderID, RefundID: id, Basis: b, Shipping: eur(shipping), Adjustment: eur(adjustment), Now: t0}
		if units > 0 {
			c.Lines = one(units)
		}
		return c
	}
	settle := func(id string, amounts ...int64) order.RecordRefundSettled {
		c := order.RecordRefundSettled{ID: orderID, RefundID: id, Now: t0}
		for i, a := range amounts {
			c.Legs = append(c.Legs, order.RefundLeg{PaymentID: "p0", OperationID: id + "-" + string(rune('a'+i)), Amount: eur(a)})
		}
		return c
	}
	fail := func(id, operation string) order.RecordRefundFailed {
		return order.RecordRefundFailed{ID: orderID, RefundID: id, PaymentID: "p0", OperationID: operation, Code: "account_closed", Now: t0}
	}
	graded := func(outcome string, lines ...order.OutcomeLine) order.RecordReturnOutcome {
		return order.RecordReturnOutcome{ID: orderID, ReturnID: "t1", OutcomeID: outcome, Lines: lines, Now: t0}
	}
	authorise := func(id string, n int64) order.AuthoriseReturn {
		return order.AuthoriseReturn{ID: orderID, ReturnID: id, Lines: one(n), Now: t0}
	}
	release := func(id string, lines []order.LineQuantity) order.ReleaseReturn {
		return order.ReleaseReturn{ID: orderID, ReturnID: "t1", ReleaseID: id, Lines: lines, Now: t0}
	}
	outcome := func(n int64, o order.Outcome) order.OutcomeLine {
		return order.OutcomeLine{LineID: "1", Quantity: n, Outcome: o}
	}
	for _, s := range []struct {
		what string
		when order.Command
		want string
	}{
		{"a return without the goods", grant("r1", order.RefundReturn, 1, 0, 0), "refund-exceeds-entitlement"},
		{"more than was shipped", authorise("t1", 4), "quantity-exceeds-shipped"},
		{"a return", authorise("t1", 3), "return_authorised"},
		{"the same again", authorise("t1", 3), "done"},
		{"other units under the id", authorise("t1", 1), "order-return-conflict"},
		{"units that a return has", authorise("t2", 1), "quantity-exceeds-shipped"},
		{"on approval", grant("r1", order.RefundReturn, 1, 0, 0), "refund_granted"},
		{"the same refund again", grant("r1", order.RefundReturn, 1, 0, 0), "done"},
		{"another under the id", grant("r1", order.RefundReturn, 2, 0, 0), "refund-conflict"},
		{"graded", graded("g1", outcome(1, order.OutcomeRestocked), outcome(1, order.OutcomeRejectedSentBack)), "lines_returned"},
		{"graded again", graded("g1", outcome(1, order.OutcomeRestocked), outcome(1, order.OutcomeRejectedSentBack)), "done"},
		{"graded otherwise", graded("g1", outcome(2, order.OutcomeRestocked)), "order-return-conflict"},
		{"more than it has", graded("g2", outcome(1, order.OutcomeDamaged), outcome(1, order.OutcomeMissing)), "quantity-exceeds-authorised"},
		{"the rest does not come", release("x1", nil), "return_released"},
		{"which is said again", release("x1", nil), "done"},
		{"and with other units", release("x1", one(2)), "order-return-conflict"},
		{"more than it has", release("x2", one(1)), "quantity-exceeds-authorised"},
		{"nothing is left", release("x2", nil), "done"},
		{"the unit that was sent back, once more", authorise("t2", 2), "return_authorised"},
		{"settled in part", settle("r1", 500), "totals-mismatch"},
		{"settled", settle("r1", 500, 370), "refund_settled"},
		{"settled again", settle("r1", 500, 370), "done"},
		{"settled otherwise", settle("r1", 870), "refund-conflict"},
		{"another attempt failed", fail("r1", "op9"), "done"},
		{"a leg failed after all", fail("r1", "r1-b"), "refund_settlement_failed"},
		{"which is said again", fail("r1", "r1-b"), "done"},
		{"settled by what failed", settle("r1", 500, 370), "refund-conflict"},
		{"settled by others", settle("r1", 500, 300, 70), "refund-conflict"}, // r1-b is among them
		{"more delivery than was paid", grant("r2", order.RefundGoodwill, 0, 541, 0), "refund-exceeds-entitlement"},
		{"the delivery", grant("r2", order.RefundGoodwill, 0, 540, 0), "refund_granted"},
		{"the delivery twice", grant("r3", order.RefundGoodwill, 0, 1, 0), "refund-exceeds-entitlement"},
		{"more than it costs", grant("r3", order.RefundGoodwill, 0, 0, 3000), "refund-exceeds-entitlement"},
		{"less than nothing", grant("r3", order.RefundGoodwill, 0, 0, -1), "invalid-field"},
		{"nothing at all", grant("r3", order.RefundGoodwill, 0, 0, 0), "invalid-field"},
		{"a fee of more than the goods", grant("r3", order.RefundReturn, 1, 0, -871), "invalid-field"},
		{"with a fee", grant("r3", order.RefundReturn, 1, 0, -100), "refund_granted"},
		{"what the order does not owe", grant("r4", order.RefundOverpayment, 0, 0, 1), "refund-exceeds-entitlement"},
		{"an overpayment by lines", grant("r4", order.RefundOverpayment, 1, 0, 0), "invalid-field"},
		{"late money for an order that stands", grant("r4", order.RefundLatePayment, 0, 0, 0), "invalid-transition"},
		{"a refund of nothing known", settle("r9", 1), "unknown-refund"},
		{"an unknown return", order.ReleaseReturn{ID: orderID, ReturnID: "t9", ReleaseID: "x1", Now: t0}, "unknown-return"},
	} {
		events, err := order.Decide(o, s.when)
		if got := verdict(events, err); got != s.want {
			t.Fatalf("%s: %s (%v), want %s", s.what, got, err, s.want)
		}
		for _, e := range events {
			order.Evolve(o, e)
		}
	}
	if want := eur(3485 - 870 - 540 - 770); o.Due() != want {
		t.Errorf("the order costs %s, want %s", o.Due(), want)
	}
}

// Money that the order owes is paid back once, whatever the reason: a late payment here.
func TestRefundOfWhatIsOwed(t *testing.T) {
	t.Parallel()
	o := inLifecycle(t, order.LifecycleExpired)
	do(t, o, order.RecordPaymentPosition{ID: orderID, Position: position("p1", 1, order.PaymentStateCaptured, 3485, 3485, 0), Now: t0})
	e := do(t, o, order.GrantRefund{ID: orderID, RefundID: "r1", Basis: order.RefundLatePayment, Now: t0})[0].(order.RefundGranted)
	if e.Amount != eur(3485) {
		t.Errorf("%s is paid back", e.Amount)
	}
	again := order.GrantRefund{ID: orderID, RefundID: "r2", Basis: order.RefundOverpayment, Now: t0}
	if got := verdict(order.Decide(o, again)); got != "refund-exceeds-entitlement" {
		t.Errorf("a second time: %s", got)
	}
	do(t, o, order.RecordPaymentPosition{ID: orderID, Position: position("p1", 2, order.PaymentStateRefunded, 3485, 3485, 3485), Now: t0})
	do(t, o, order.RecordRefundSettled{ID: orderID, RefundID: "r1", Legs: []order.RefundLeg{{PaymentID: "p1", OperationID: "op", Amount: eur(3485)}}, Now: t0})
	if got := verdict(order.Decide(o, again)); got != "refund-exceeds-entitlement" || !o.Balance().IsZero() {
		t.Errorf("when it is settled: %s, balance %s", got, o.Balance())
	}
}

func TestReturnStatus(t *testing.T) {
	t.Parallel()
	o := inLifecycle(t, order.LifecycleCompleted)
	for _, s := range []struct {
		when order.Command
		want order.ReturnStatus
	}{
		{order.Archive{ID: orderID, Now: t0}, order.ReturnNone},
		{order.AuthoriseReturn{ID: orderID, ReturnID: "t1", Lines: one(2), Now: t0}, order.ReturnRequested},
		{order.RecordReturnOutcome{ID: orderID, ReturnID: "t1", OutcomeID: "g1", Lines: []order.OutcomeLine{{LineID: "1", Quantity: 1, Outcome: order.OutcomeDamaged}}, Now: t0}, order.ReturnInProgress},
		{order.ReleaseReturn{ID: orderID, ReturnID: "t1", ReleaseID: "x1", Now: t0}, order.ReturnPartiallyReturned},
		{order.AuthoriseReturn{ID: orderID, ReturnID: "t2", Lines: one(2), Now: t0}, order.ReturnRequested},
		{order.RecordReturnOutcome{ID: orderID, ReturnID: "t2", OutcomeID: "g1", Lines: []order.OutcomeLine{{LineID: "1", Quantity: 2, Outcome: order.OutcomeKeepIt}}, Now: t0}, order.ReturnReturned},
	} {
		do(t, o, s.when)
		if got := o.ReturnStatus(); got != s.want {
			t.Errorf("after %s: %s, want %s", s.when.CommandType(), got, s.want)
		}
	}
}
