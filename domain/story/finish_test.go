package story_test

import (
	"fmt"

	"waybill/domain/fulfilment"
	"waybill/domain/order"
	"waybill/domain/payment"
	"waybill/domain/returns"
)

// rounds is how often everybody gets a turn: several do because what one does is what the next one waits for.
const rounds = 30

// finish lets everybody do their part, and ends the test if the order does not come to its end.
func (w *world) finish() {
	why := ""
	for n := range rounds {
		w.note("--- everybody is willing, round %d", n)
		w.now += 1000
		w.finishPayments()
		w.finishCancellations()
		w.finishFulfilments()
		w.finishReturns(n > rounds/2)
		w.finishMoney()
		w.askOrder(order.Complete{ID: orderID, Now: w.now})
		w.check()
		if why = w.unfinished(); why == "" {
			return
		}
	}
	w.fail("everybody is willing, and the order does not come to its end: %s", why)
}

// finishPayments has gateways do what they were asked for, and the banks give back what they took.
func (w *world) finishPayments() {
	for _, p := range w.payments {
		for _, o := range p.Open() {
			w.answer(p, o, payment.OutcomeSucceeded)
		}
		w.winDisputes(p)
		if w.over() && p.Ledger().Voidable.Minor > 0 {
			w.tellPayment(p, payment.Void{Target: w.payment(p), OperationID: w.id("void")})
		}
	}
}

// finishCancellations gets back what is wanted back.
func (w *world) finishCancellations() {
	for r, ok := w.waiting(); ok; r, ok = w.waiting() {
		w.recall(r, func() bool { return true })
		if r, still := w.waiting(); still && !w.askOrder(order.CompleteCancellation{ID: orderID, CancellationID: r.ID, Now: w.now}) {
			return
		}
	}
}

// finishFulfilments sends all that is to be sent.
func (w *world) finishFulfilments() {
	for i := range w.order.Lines {
		l := w.order.Lines[i]
		if free := l.Open() - l.CancelRequested; free > 0 && w.order.Lifecycle == order.LifecycleConfirmed {
			w.tellOrder(order.AssignFulfilment{
				ID: orderID, FulfilmentID: w.id("fulfilment"), Location: "BER", Now: w.now,
				Lines: []order.LineQuantity{{LineID: l.Line.ID, Quantity: free}},
			})
		}
	}
	for _, f := range w.fulfilments {
		to := w.fulfilment(f)
		if f.Status() == fulfilment.StatusRequested {
			w.tellFulfilment(f, fulfilment.Accept{Target: to})
		}
		if lines := f.ToPick(); len(lines) > 0 {
			w.tellFulfilment(f, fulfilment.Pick{Target: to, ReportID: w.id("report"), Lines: lines})
		}
		if lines := f.ToPack(); len(lines) > 0 {
			w.tellFulfilment(f, fulfilment.PackParcel{Target: to, ParcelID: w.id("parcel"), Lines: lines})
		}
		for _, id := range f.ToShip() {
			w.tellFulfilment(f, fulfilment.ShipParcel{Target: to, ParcelID: id, Gate: fulfilment.Gate{Open: true}})
		}
		for _, p := range f.Parcels {
			if p.State == fulfilment.StateShipped {
				w.tellFulfilment(f, fulfilment.RecordDelivered{Target: to, FactID: w.id("fact"), ParcelID: p.ID, OccurredAt: w.now})
			}
		}
	}
}

// finishReturns brings all returns to their end. What the order will not grant, because it was given back already, is for a
// person; until there is no hope the order is asked again.
func (w *world) finishReturns(hopeless bool) {
	for _, r := range w.returns {
		if r.Status().Final() {
			continue
		}
		w.receive(r)
		w.inspect(r, returns.OutcomeRestocked)
		w.restock(r)
		if len(r.RefundDue().Lines) > 0 && !w.grantFor(r) && hopeless {
			w.tellReturn(r, returns.FlagManualRefund{ID: r.ID, FlagID: w.id("flag"), Reason: "the order grants no more", Now: w.now})
		}
		w.askReturn(r, returns.Close{ID: r.ID, Now: w.now})
	}
}

// finishMoney pays what is to be paid, and pays back what is owed.
func (w *world) finishMoney() {
	switch balance := w.order.Balance().Minor; {
	case balance < 0: // refused if it was granted, and is on its way
		w.grantOwed()
	case balance > 0:
		p := w.newPayment(balance)
		w.answer(p, p.Open()[0], payment.OutcomeSucceeded)
		w.tellPayment(p, payment.Capture{Target: w.payment(p), OperationID: w.id("capture"), Amount: eur(balance), Final: true})
		w.answer(p, p.Open()[0], payment.OutcomeSucceeded)
	}
	w.settleAll()
}

// over reports whether the order has come to its end, one way or the other.
func (w *world) over() bool {
	return w.order.Lifecycle == order.LifecycleCompleted || w.order.Lifecycle == order.LifecycleCancelled
}

// unfinished says what is left to do, "" if nothing is.
func (w *world) unfinished() string {
	if !w.over() {
		_, err := order.Decide(w.order, order.Complete{ID: orderID, Now: w.now})
		return fmt.Sprintf("it is %s: %v", w.order.Lifecycle, err)
	}
	if why := w.unsettled(); why != "" {
		return why
	}
	for _, f := range w.fulfilments {
		if len(f.Unshipped()) > 0 {
			return fmt.Sprintf("fulfilment %s is %s", f.ID, f.Status())
		}
	}
	for _, r := range w.returns {
		if !r.Status().Final() {
			return fmt.Sprintf("return %s is %s", r.ID, r.Status())
		}
	}
	for _, p := range w.payments {
		if len(p.Open()) > 0 || p.Ledger().Voidable.Minor > 0 {
			return fmt.Sprintf("payment %s is %s, and more is to come of it", p.ID, p.Status())
		}
	}
	return ""
}

// unsettled says what of the money is not where it belongs, "" if all of it is.
func (w *world) unsettled() string {
	granted := int64(0)
	for i := range w.order.Refunds {
		g := &w.order.Refunds[i]
		if g.SettledAt.IsZero() {
			return "refund " + g.RefundID + " is not settled"
		}
		granted += g.Amount.Minor
	}
	m := w.order.Money()
	switch {
	case !w.order.Balance().IsZero():
		return fmt.Sprintf("it is %s with a balance of %v", w.order.Lifecycle, w.order.Balance())
	case total(m.Disputed, m.Pending, m.RefundPending) != 0:
		return fmt.Sprintf("every dispute is won and every gateway has answered, and it knows %+v", m)
	case m.Refunded.Minor != granted:
		return fmt.Sprintf("%v is granted and settled, and %v was paid back", eur(granted), m.Refunded)
	}
	return ""
}
