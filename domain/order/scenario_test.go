package order_test

import (
	"testing"

	"waybill/domain/order"
)

// The acceptance scenarios that concern the order alone, by their numbers. Line A is 3 units at 10.00.

// lineA returns a confirmed order of three units for 30.00, less a discount on the whole.
func lineA(t *testing.T, discount int64) *order.Order {
	t.Helper()
	d := order.Details{
		Number: "N", Channel: "web", Currency: "EUR",
		Lines:  []order.Line{{ID: "1", SKU: "A", Quantity: 3, UnitPrice: "10.00", Total: eur(3000), RequiresShipping: true}},
		Totals: order.Totals{Goods: eur(3000), Discount: eur(0), Shipping: eur(0), Surcharge: eur(-discount), Tax: eur(0), Grand: eur(3000 - discount)},
	}
	if discount > 0 {
		d.Surcharges = []order.Surcharge{{ID: "all", Amount: eur(-discount), Total: eur(-discount)}}
	}
	o := new(order.Order)
	do(t, o, order.Place{ID: orderID, Details: d, Now: t0})
	do(t, o, order.Confirm{ID: orderID, Now: t0})
	return o
}

// says wants a command to come to a verdict, and carries it out.
func says(t *testing.T, o *order.Order, c order.Command, want string) []order.Event {
	t.Helper()
	events, err := order.Decide(o, c)
	if got := verdict(events, err); got != want {
		t.Fatalf("%s: %s (%v), want %s", c.CommandType(), got, err, want)
	}
	for _, e := range events {
		order.Evolve(o, e)
	}
	return events
}

func paid(version, authorised, captured, refunded int64) order.Command {
	s := order.PaymentStateAuthorised
	if captured > 0 {
		s = order.PaymentStateCaptured
	}
	return order.RecordPaymentPosition{ID: orderID, Position: position("p1", version, s, authorised, captured, refunded), Now: t0}
}

func cancel(id string, units int64) order.Command {
	c := order.Cancel{ID: orderID, CancellationID: id, Now: t0}
	if units > 0 {
		c.Lines = one(units)
	}
	return c
}

func TestScenario35PartialCancelAfterPartialShip(t *testing.T) {
	t.Parallel()
	o := lineA(t, 0)
	do(t, o, paid(1, 3000, 0, 0))
	ship(t, o, "f1", 1)
	do(t, o, paid(2, 3000, 1000, 0))
	says(t, o, cancel("c1", 2), "cancellation_requested")
	do(t, o, paid(3, 1000, 1000, 0)) // the rest of the authorisation is voided
	says(t, o, order.CompleteCancellation{ID: orderID, CancellationID: "c1", Now: t0}, "lines_cancelled")
	if !o.Balance().IsZero() || o.PaymentStatus() != order.PaymentPaid {
		t.Fatalf("balance %s, %s", o.Balance(), o.PaymentStatus())
	}
	says(t, o, order.GrantRefund{ID: orderID, RefundID: "r1", Basis: order.RefundCancellation, Now: t0}, "refund-exceeds-entitlement")
	says(t, o, order.Complete{ID: orderID, Now: t0}, "order-not-settled")
	says(t, o, order.RecordDelivered{ID: orderID, FulfilmentID: "f1", ParcelID: "b0", Now: t0}, "lines_delivered")
	says(t, o, order.Complete{ID: orderID, Now: t0}, "completed")
}

func TestScenario37CancelTwice(t *testing.T) {
	t.Parallel()
	o := lineA(t, 0)
	do(t, o, paid(1, 3000, 3000, 0))
	says(t, o, cancel("c1", 0), "cancellation_requested")
	says(t, o, cancel("c1", 0), "done")
	says(t, o, cancel("c2", 0), "done")
	says(t, o, order.CompleteCancellation{ID: orderID, CancellationID: "c1", Now: t0}, "lines_cancelled cancelled")
	says(t, o, order.CompleteCancellation{ID: orderID, CancellationID: "c1", Now: t0}, "done")
	says(t, o, order.GrantRefund{ID: orderID, RefundID: "r1", Basis: order.RefundCancellation, Ref: "c1", Now: t0}, "refund_granted")
	says(t, o, order.GrantRefund{ID: orderID, RefundID: "r2", Basis: order.RefundCancellation, Ref: "c1", Now: t0}, "refund-exceeds-entitlement")
	if g := o.Refunds[0]; len(o.Refunds) != 1 || g.Amount != eur(3000) {
		t.Fatalf("refunds %+v", o.Refunds)
	}
}

func TestScenario38CancelShipped(t *testing.T) {
	t.Parallel()
	o := lineA(t, 0)
	ship(t, o, "f1", 3)
	says(t, o, cancel("c1", 1), "already-shipped")
	says(t, o, cancel("c1", 0), "already-shipped")
	do(t, o, paid(1, 3000, 0, 0))
	says(t, o, cancel("c1", 1), "already-shipped") // also where it would have to wait
	says(t, o, cancel("c1", 0), "already-shipped")
	says(t, o, order.AuthoriseReturn{ID: orderID, ReturnID: "t1", Lines: one(1), Now: t0}, "return_authorised")
}

func TestScenario44PartialCaptureRefundAndReturn(t *testing.T) {
	t.Parallel()
	o := lineA(t, 100) // the units are worth 9.67, 9.66 and 9.67
	says(t, o, cancel("c1", 1), "lines_cancelled")
	if o.Due() != eur(1933) {
		t.Fatalf("two units cost %s", o.Due())
	}
	ship(t, o, "f1", 2)
	do(t, o, order.RecordDelivered{ID: orderID, FulfilmentID: "f1", ParcelID: "b0", Now: t0})
	do(t, o, paid(1, 1933, 1933, 0))
	do(t, o, order.AuthoriseReturn{ID: orderID, ReturnID: "t1", Lines: one(1), Now: t0})
	do(t, o, order.RecordReturnOutcome{ID: orderID, ReturnID: "t1", OutcomeID: "g1", Lines: []order.OutcomeLine{{LineID: "1", Quantity: 1, Outcome: order.OutcomeRestocked}}, Now: t0})
	e := says(t, o, order.GrantRefund{ID: orderID, RefundID: "r1", Basis: order.RefundReturn, Lines: one(1), Now: t0}, "refund_granted")[0].(order.RefundGranted)
	if e.Amount != eur(966) {
		t.Fatalf("the unit gives back %s", e.Amount)
	}
	do(t, o, paid(2, 1933, 1933, 966))
	do(t, o, order.RecordRefundSettled{ID: orderID, RefundID: "r1", Legs: []order.RefundLeg{{PaymentID: "p1", OperationID: "op1", Amount: eur(966)}}, Now: t0})
	if !o.Balance().IsZero() {
		t.Fatalf("balance %s", o.Balance())
	}
	says(t, o, order.GrantRefund{ID: orderID, RefundID: "r2", Basis: order.RefundReturn, Lines: one(2), Now: t0}, "refund-exceeds-entitlement")
	says(t, o, order.Complete{ID: orderID, Now: t0}, "completed")
}

func TestScenario45UnitRefundsAddUp(t *testing.T) {
	t.Parallel()
	o := lineA(t, 2000) // 10.00 for three
	ship(t, o, "f1", 3)
	do(t, o, paid(1, 1000, 1000, 0))
	var sum int64
	for i, want := range []int64{333, 334, 333} {
		id := string(rune('a' + i))
		do(t, o, order.AuthoriseReturn{ID: orderID, ReturnID: id, Lines: one(1), Now: t0})
		e := says(t, o, order.GrantRefund{ID: orderID, RefundID: id, Basis: order.RefundReturn, Lines: one(1), Now: t0}, "refund_granted")[0].(order.RefundGranted)
		if sum += e.Amount.Minor; e.Amount != eur(want) {
			t.Errorf("unit %d gives back %s, want %s", i+1, e.Amount, eur(want))
		}
	}
	if sum != 1000 || !o.Due().IsZero() {
		t.Errorf("%d given back, the order costs %s", sum, o.Due())
	}
}

func TestScenario46TwoReturnsForOneUnit(t *testing.T) {
	t.Parallel()
	o := lineA(t, 0)
	ship(t, o, "f1", 1)
	says(t, o, order.AuthoriseReturn{ID: orderID, ReturnID: "t1", Lines: one(1), Now: t0}, "return_authorised")
	says(t, o, order.AuthoriseReturn{ID: orderID, ReturnID: "t2", Lines: one(1), Now: t0}, "quantity-exceeds-shipped")
}

// 50, as far as the order goes: one grant over two payments, whose legs add up to it; one that fails leaves the other.
func TestScenario50RefundAcrossTwoPayments(t *testing.T) {
	t.Parallel()
	o := lineA(t, 0)
	ship(t, o, "f1", 3)
	do(t, o, order.RecordPaymentPosition{ID: orderID, Position: position("gift", 1, order.PaymentStateCaptured, 1000, 1000, 0), Now: t0})
	do(t, o, order.RecordPaymentPosition{ID: orderID, Position: position("card", 1, order.PaymentStateCaptured, 2000, 2000, 0), Now: t0})
	says(t, o, order.GrantRefund{ID: orderID, RefundID: "r1", Basis: order.RefundGoodwill, Adjustment: eur(2500), Now: t0}, "refund_granted")
	leg := func(payment, operation string, amount int64) order.RefundLeg {
		return order.RefundLeg{PaymentID: payment, OperationID: operation, Amount: eur(amount)}
	}
	settled := func(legs ...order.RefundLeg) order.Command {
		return order.RecordRefundSettled{ID: orderID, RefundID: "r1", Legs: legs, Now: t0}
	}
	says(t, o, order.RecordRefundFailed{ID: orderID, RefundID: "r1", PaymentID: "gift", OperationID: "op1", Now: t0}, "refund_settlement_failed")
	says(t, o, settled(leg("card", "op2", 2000)), "totals-mismatch")
	says(t, o, settled(leg("card", "op2", 2000), leg("gift", "op3", 500)), "refund_settled")
	says(t, o, order.RecordRefundFailed{ID: orderID, RefundID: "r1", PaymentID: "gift", OperationID: "op3", Now: t0}, "refund_settlement_failed")
	if g := o.Refunds[0]; !g.SettledAt.IsZero() || len(g.Legs) != 1 || g.Legs[0].PaymentID != "card" {
		t.Fatalf("after a leg failed late: %+v", g)
	}
	says(t, o, order.GrantRefund{ID: orderID, RefundID: "r2", Basis: order.RefundGoodwill, Adjustment: eur(501), Now: t0}, "refund-exceeds-entitlement")
}

func TestScenario4Totals(t *testing.T) {
	t.Parallel()
	place := func(change func(*order.Details)) string {
		d := details()
		change(&d)
		return verdict(order.Decide(new(order.Order), order.Place{ID: orderID, Details: d, Now: t0}))
	}
	if got := place(func(d *order.Details) { d.Totals.Grand.Minor++ }); got != "totals-mismatch" {
		t.Errorf("a cent off: %s", got)
	}
	if got := place(func(d *order.Details) { d.Lines[0].Total.Currency = "GBP" }); got != "currency-mismatch" {
		t.Errorf("mixed currencies: %s", got)
	}
}

// A cancellation of which something is declined leaves the order where it stood.
func TestCancellationInParts(t *testing.T) {
	t.Parallel()
	o := lineA(t, 0)
	do(t, o, order.AssignFulfilment{ID: orderID, FulfilmentID: "f1", Location: "BER1", Lines: one(2), Now: t0})
	says(t, o, cancel("c1", 0), "cancellation_requested")
	if o.Lifecycle != order.LifecycleCancelling {
		t.Fatal(o.Lifecycle)
	}
	says(t, o, order.AssignFulfilment{ID: orderID, FulfilmentID: "f2", Location: "BER1", Lines: one(1), Now: t0}, "invalid-transition")
	says(t, o, order.CompleteCancellation{ID: orderID, CancellationID: "c1", Now: t0}, "quantity-exceeds-open")
	decline := order.DeclineCancellation{ID: orderID, CancellationID: "c1", Lines: one(1), Reason: order.DeclinePacked, Now: t0}
	says(t, o, decline, "cancellation_declined")
	says(t, o, decline, "done")
	decline.Lines = one(2)
	says(t, o, decline, "cancellation-conflict")
	says(t, o, order.UnassignFulfilment{ID: orderID, FulfilmentID: "f1", UnassignmentID: "u1", Lines: one(1), Reason: order.UnassignCancelled, Now: t0}, "fulfilment_unassigned")
	says(t, o, order.CompleteCancellation{ID: orderID, CancellationID: "c1", Now: t0}, "lines_cancelled")
	if l := o.Lines[0]; o.Lifecycle != order.LifecycleConfirmed || l.Cancelled != 2 || l.Assigned != 1 || l.CancelRequested != 0 {
		t.Fatalf("%s, %+v", o.Lifecycle, l)
	}
	decline.Lines = nil
	says(t, o, decline, "cancellation-closed")

	o = lineA(t, 0)
	do(t, o, paid(1, 3000, 0, 0))
	says(t, o, cancel("c1", 2), "cancellation_requested")
	says(t, o, cancel("c2", 2), "quantity-exceeds-open")
	says(t, o, order.AssignFulfilment{ID: orderID, FulfilmentID: "f1", Location: "BER1", Lines: one(2), Now: t0}, "quantity-exceeds-open")
	says(t, o, order.DeclineCancellation{ID: orderID, CancellationID: "c1", Now: t0}, "cancellation_declined")
	says(t, o, order.DeclineCancellation{ID: orderID, CancellationID: "c1", Now: t0}, "done")
	says(t, o, order.CompleteCancellation{ID: orderID, CancellationID: "c1", Now: t0}, "cancellation-closed")
	says(t, o, order.AssignFulfilment{ID: orderID, FulfilmentID: "f1", Location: "BER1", Lines: one(3), Now: t0}, "fulfilment_assigned")
}
