package story_test

import (
	"fmt"
	"slices"

	"waybill/domain/fulfilment"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/payment"
	"waybill/domain/returns"
	"waybill/domain/stock"
)

// afterOrder is what follows from something that happened to the order.
func (w *world) afterOrder(e event) {
	if e, ok := e.(order.FulfilmentAssigned); ok {
		w.begin(e)
	}
}

// begin secures stock for a fulfilment, and asks its location for the units.
func (w *world) begin(e order.FulfilmentAssigned) {
	var lines []fulfilment.Line
	for _, l := range e.Lines {
		key := stock.Key{SKU: sku(l.LineID), Location: e.Location}
		w.ids++
		reservation := stock.ReservationID(string(orderID), l.LineID, w.ids)
		w.tellStock(stock.Reserve{
			Key: key, OrderID: string(orderID), ExpiresAt: w.now + day, Now: w.now,
			Reservations: []stock.Ask{{ReservationID: reservation, Quantity: l.Quantity}},
		})
		w.tellStock(stock.Confirm{Key: key, OrderID: string(orderID), ReservationIDs: []string{reservation}, Now: w.now})
		w.tellStock(stock.Allocate{
			Key: key, OrderID: string(orderID), FulfilmentID: e.FulfilmentID, Now: w.now,
			Parts: []stock.Units{{ReservationID: reservation, Quantity: l.Quantity}},
		})
		lines = append(lines, fulfilment.Line{LineID: l.LineID, SKU: key.SKU, Quantity: l.Quantity, ReservationID: reservation})
	}
	f := new(fulfilment.Fulfilment)
	w.fulfilments = append(w.fulfilments, f)
	w.tellFulfilment(f, fulfilment.Request{
		Target:  fulfilment.Target{ID: fulfilment.ID(e.FulfilmentID), Now: w.now},
		Details: fulfilment.Details{OrderID: string(orderID), Location: e.Location, Lines: lines},
	})
}

// tellPosition tells the order where a payment stands: after each of its commits.
func (w *world) tellPosition(p *attempt) {
	l := p.Ledger()
	w.tellOrder(order.RecordPaymentPosition{ID: orderID, Now: w.now, Position: order.PaymentPosition{
		PaymentID: string(p.ID), Version: p.version, Status: order.PaymentState(p.Status()), Authorised: l.Authorised,
		Captured: l.Captured, Refunded: l.Refunded, Disputed: l.Disputed, Pending: l.Pending, RefundPending: l.RefundPending,
	}})
}

// afterPayment is what follows from something that happened to a payment, besides that the order learns of its position.
func (w *world) afterPayment(p *attempt, e event) {
	var failed payment.Report
	switch e := e.(type) {
	case payment.RefundFailed:
		failed = payment.Report(e)
	case payment.RefundReversed:
		failed = payment.Report(e)
	default:
		return
	}
	w.tellOrder(order.RecordRefundFailed{
		ID: orderID, RefundID: failed.RefundID, PaymentID: string(p.ID), OperationID: failed.OperationID, Now: w.now,
	})
}

// afterFulfilment is what follows from something that happened to a fulfilment.
func (w *world) afterFulfilment(f *fulfilment.Fulfilment, e event) {
	switch e := e.(type) {
	case fulfilment.ParcelShipped:
		w.tellOrder(order.RecordShipped{
			ID: orderID, FulfilmentID: string(f.ID), ParcelID: e.ParcelID, Lines: quantities(e.Lines), Now: w.now,
		})
		for _, l := range e.Lines {
			w.tellStock(stock.Issue{
				Key: stock.Key{SKU: l.SKU, Location: e.Location}, MovementID: string(f.ID) + ":" + e.ParcelID, OrderID: string(orderID),
				FulfilmentID: string(f.ID), Parts: []stock.Units{{ReservationID: l.ReservationID, Quantity: l.Quantity}}, Now: w.now,
			})
		}
	case fulfilment.ParcelDelivered:
		w.tellOrder(order.RecordDelivered{
			ID: orderID, FulfilmentID: string(f.ID), ParcelID: e.ParcelID, Lines: quantities(e.Lines), Now: w.now,
		})
	case fulfilment.LinesShorted:
		w.giveBack(f, "short:"+e.ReportID, order.UnassignShort, e.Lines)
	case fulfilment.LinesCancelled:
		w.giveBack(f, "cancel:"+e.CancellationID, order.UnassignCancelled, e.Lines)
	}
}

// giveBack opens units again that a fulfilment does not send: in the order, and in stock. Whoever sends them instead reserves
// them where they are.
func (w *world) giveBack(f *fulfilment.Fulfilment, id string, reason order.UnassignReason, lines []fulfilment.Line) {
	w.tellOrder(order.UnassignFulfilment{
		ID: orderID, FulfilmentID: string(f.ID), UnassignmentID: id, Lines: quantities(lines), Reason: reason, Now: w.now,
	})
	for _, l := range lines {
		key := stock.Key{SKU: l.SKU, Location: f.Location}
		parts := []stock.Part{{ReservationID: l.ReservationID, Quantity: l.Quantity}}
		if reason == order.UnassignCancelled { // in one go
			w.tellStock(stock.Release{
				Key: key, OrderID: string(orderID), FulfilmentID: string(f.ID), DeallocationID: id, Parts: parts, Now: w.now,
			})
			continue
		}
		w.tellStock(stock.Deallocate{
			Key: key, OrderID: string(orderID), FulfilmentID: string(f.ID), DeallocationID: id, Parts: parts, Now: w.now,
		})
		w.release(key, l)
	}
}

// release gives units back that belong to no fulfilment any more: by how many are to stay, which can be said twice.
func (w *world) release(key stock.Key, l fulfilment.Line) {
	r, ok := w.shelf(key).Reservation(l.ReservationID)
	if !ok {
		w.fail("reservation %s is gone, and it had units that were allocated", l.ReservationID)
	}
	w.tellStock(stock.Release{
		Key: key, OrderID: string(orderID), Now: w.now,
		Parts: []stock.Part{{ReservationID: l.ReservationID, Keep: r.Quantity() + r.Issued - l.Quantity}},
	})
}

// afterReturn is what follows from something that happened to a return.
func (w *world) afterReturn(r *returns.Return, e event) {
	switch e := e.(type) {
	case returns.ItemsInspected:
		for _, g := range e.Lines {
			w.tellOrder(order.RecordReturnOutcome{
				ID: orderID, ReturnID: string(r.ID), OutcomeID: e.InspectionID, Now: w.now,
				Lines: []order.OutcomeLine{{LineID: g.LineID, Quantity: g.Quantity, Outcome: order.Outcome(g.Outcome)}},
			})
		}
	case returns.Restocked:
		for _, l := range e.Lines {
			var units []string
			for n := range l.Quantity {
				units = append(units, fmt.Sprintf("%s:%d", e.RestockID, n))
			}
			w.tellStock(stock.Restock{
				Key: stock.Key{SKU: l.SKU, Location: l.Location}, OrderID: string(orderID), ReturnID: string(r.ID), UnitIDs: units, Now: w.now,
			})
		}
	case returns.Expired:
		var lines []order.LineQuantity
		for _, l := range e.Lines {
			lines = append(lines, order.LineQuantity(l))
		}
		w.tellOrder(order.ReleaseReturn{ID: orderID, ReturnID: string(r.ID), ReleaseID: "expired", Lines: lines, Now: w.now})
	case returns.Cancelled:
		w.tellOrder(order.ReleaseReturn{ID: orderID, ReturnID: string(r.ID), ReleaseID: "cancelled", Now: w.now})
	}
}

// request asks for a return, gets the order's word for its units, and approves it with that; or declines it.
func (w *world) request(line order.LineQuantity, trigger returns.Trigger, fee int64) {
	r := new(returns.Return)
	id := returns.ID(w.id("return"))
	w.returns = append(w.returns, r)
	w.tellReturn(r, returns.Request{
		ID: id, OrderID: string(orderID), Currency: currency, Now: w.now,
		Lines: []returns.Line{{ID: line.LineID, SKU: sku(line.LineID), Quantity: line.Quantity}},
	})
	lines := []order.LineQuantity{line}
	if !w.askOrder(order.AuthoriseReturn{ID: orderID, ReturnID: string(id), Lines: lines, Now: w.now}) {
		w.tellReturn(r, returns.Decline{ID: id, Reason: returns.DeclineNotAuthorised, Now: w.now})
		return
	}
	approval := returns.Approval{RMANumber: string(id), Trigger: trigger, Authorisation: returns.Authorisation{
		OrderID: string(orderID), ReturnID: id, Lines: []returns.LineQuantity{returns.LineQuantity(line)},
	}}
	if fee > 0 {
		approval.Fees = []returns.Fee{{ID: "handling", Title: "handling", Amount: eur(fee)}}
	}
	w.tellReturn(r, returns.Approve{ID: id, Approval: approval, Now: w.now})
}

// grantFor lets the order grant what is due for a return, and takes it off what is due: one commit in two streams. The order
// prices the units and the return knows its fees, so the order is looked at first. It reports whether the order has granted.
func (w *world) grantFor(r *returns.Return) bool {
	grant := order.GrantRefund{
		ID: orderID, RefundID: w.id("refund"), Basis: order.RefundReturn, Ref: string(r.ID), Now: w.now,
	}
	for _, l := range r.RefundDue().Lines {
		grant.Lines = append(grant.Lines, order.LineQuantity(l))
	}
	fees := eur(0)
	if events, err := order.Decide(w.order, grant); err == nil {
		fees = r.FeesOn(events[0].(order.RefundGranted).Amount)
		grant.Adjustment = eur(-fees.Minor)
	}
	if !w.askOrder(grant) {
		return false
	}
	g := w.order.Refunds[len(w.order.Refunds)-1]
	var lines []returns.RefundLine
	for _, l := range g.Lines {
		lines = append(lines, returns.RefundLine{LineID: l.LineID, Quantity: l.Quantity, Amount: l.Amount})
	}
	w.tellReturn(r, returns.RecordRefundGranted{
		ID: r.ID, RefundID: g.RefundID, Lines: lines, Shipping: g.Shipping, Fees: fees, Total: g.Amount, Now: w.now,
	})
	return true
}

// grantOwed lets the order grant what it owes, which must not be more than that: what is granted and open is on its way already.
func (w *world) grantOwed() {
	owed := -w.order.Balance().Minor
	for i := range w.order.Refunds {
		if g := &w.order.Refunds[i]; g.SettledAt.IsZero() {
			owed -= g.Amount.Minor
		}
	}
	if w.askOrder(order.GrantRefund{ID: orderID, RefundID: w.id("refund"), Basis: order.RefundCancellation, Now: w.now}) {
		if g := w.order.Refunds[len(w.order.Refunds)-1]; g.Amount.Minor > owed {
			w.fail("refund %s: %v is granted, and %v was owed", g.RefundID, g.Amount, eur(owed))
		}
	}
}

// settle carries a grant of the order out: it asks the payments for what is neither paid back nor under way, and tells the
// order when all of it is paid back.
func (w *world) settle(g order.RefundGrant) {
	var legs []order.RefundLeg
	paid, underway := int64(0), int64(0)
	for _, p := range w.payments {
		for i := range p.Operations {
			o, state, _ := p.Operation(p.Operations[i].ID)
			switch {
			case o.RefundID != g.RefundID:
			case state == payment.StateSucceeded:
				legs = append(legs, order.RefundLeg{PaymentID: string(p.ID), OperationID: o.ID, Amount: eur(o.Amount)})
				paid += o.Amount
			case state.Open():
				underway += o.Amount
			}
		}
	}
	if paid == g.Amount.Minor {
		w.tellOrder(order.RecordRefundSettled{ID: orderID, RefundID: g.RefundID, Legs: legs, Now: w.now})
		return
	}
	for _, p := range w.payments {
		amount := min(p.Ledger().Refundable.Minor, g.Amount.Minor-paid-underway)
		if amount > 0 && w.askPayment(p, payment.Refund{
			Target: w.payment(p), OperationID: w.id("refund-leg"), RefundID: g.RefundID, Amount: eur(amount),
		}) {
			underway += amount
		}
	}
}

// settleAll is settle for all grants that are open.
func (w *world) settleAll() {
	for _, g := range slices.Clone(w.order.Refunds) {
		if g.SettledAt.IsZero() {
			w.settle(g)
		}
	}
}

// waiting returns the first cancellation that waits. They are served one after the other: two that count on the same open unit
// can both be told that they get it, and a line of a cancellation is declined once.
func (w *world) waiting() (r order.CancellationRequest, ok bool) {
	i := slices.IndexFunc(w.order.Requests, func(r order.CancellationRequest) bool { return r.ClosedAt.IsZero() })
	if i < 0 {
		return r, false
	}
	return w.order.Requests[i], true
}

// recall gets units back for a cancellation that waits, asking the fulfilments that have them. willing says whether a location
// gives them back. Units that nobody gives back are declined.
func (w *world) recall(r order.CancellationRequest, willing func() bool) {
	var declined []order.LineQuantity
	for _, q := range r.Rest() {
		l, _ := w.order.Line(q.LineID)
		need := q.Quantity - l.Open()
		for _, f := range w.fulfilments {
			if held, ok := f.Line(q.LineID); ok && need > 0 && held.Unshipped() > 0 {
				need -= w.recallFrom(f, order.LineQuantity{LineID: q.LineID, Quantity: min(need, held.Unshipped())}, willing())
			}
		}
		if need > 0 {
			declined = append(declined, order.LineQuantity{LineID: q.LineID, Quantity: need})
		}
	}
	if len(declined) > 0 {
		w.tellOrder(order.DeclineCancellation{ID: orderID, CancellationID: r.ID, Lines: declined, Now: w.now})
	}
}

// recallFrom asks one fulfilment for units, and returns how many it has given back.
func (w *world) recallFrom(f *fulfilment.Fulfilment, q order.LineQuantity, willing bool) int64 {
	id := w.id("recall")
	lines := []fulfilment.LineQuantity{fulfilment.LineQuantity(q)}
	if !w.askFulfilment(f, fulfilment.RequestCancellation{Target: w.fulfilment(f), CancellationID: id, Lines: lines}) {
		return 0
	}
	if willing && w.askFulfilment(f, fulfilment.Cancel{Target: w.fulfilment(f), CancellationID: id}) {
		return q.Quantity
	}
	w.tellFulfilment(f, fulfilment.DeclineCancellation{Target: w.fulfilment(f), CancellationID: id})
	return 0
}

// quantities returns what lines of a fulfilment count, in the words of the order.
func quantities(lines []fulfilment.Line) []order.LineQuantity {
	var all []order.LineQuantity
	for _, l := range lines {
		all = append(all, order.LineQuantity{LineID: l.LineID, Quantity: l.Quantity})
	}
	return all
}

func sku(lineID string) string { return "SKU-" + lineID }

// total adds up amounts, in minor units.
func total(amounts ...money.Money) (sum int64) {
	for _, m := range amounts {
		sum += m.Minor
	}
	return sum
}
