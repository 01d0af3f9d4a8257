package historytest

import (
	"strconv"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
)

// progress returns a command that moves the money or the goods of an order on, at random.
func (l *Log) progress(o *order.Order) order.Command {
	for i := range o.Requests {
		r := &o.Requests[i]
		if !r.ClosedAt.IsZero() || l.rng.IntN(2) == 0 {
			continue
		}
		if l.rng.IntN(2) == 0 {
			return order.CompleteCancellation{ID: o.ID, CancellationID: r.ID, Now: l.now()}
		}
		rest := r.Rest()
		return order.DeclineCancellation{ID: o.ID, CancellationID: r.ID, Lines: rest[:l.rng.IntN(len(rest)+1)], Now: l.now()}
	}
	switch l.rng.IntN(17) {
	case 15, 16:
		return l.amend(o)
	case 13:
		return order.LinkCustomer{ID: o.ID, CustomerID: "cust-" + strconv.Itoa(l.rng.IntN(60)), Now: l.now()}
	case 14:
		return order.ChangeShippingAddress{ID: o.ID, Address: order.Address{
			Lines: []domain.Personal{domain.NewPersonal(strconv.Itoa(l.serial) + " High Street")}, Country: l.pick("GB", "DE", "FR"),
		}, Now: l.now()}
	case 0, 1:
		return l.paid(o)
	case 2:
		return l.position(o)
	case 3, 4, 5, 6:
		return l.goods(o)
	case 7:
		return order.Complete{ID: o.ID, Now: l.now()}
	case 8, 9, 10:
		return l.back(o)
	case 11:
		return l.refund(o)
	}
	return order.Archive{ID: o.ID, Now: l.now()}
}

// amend proposes one more unit of a line, or ends what is proposed.
func (l *Log) amend(o *order.Order) order.Command {
	for i := range o.Amendments {
		switch a := &o.Amendments[i]; {
		case !a.Open():
		case l.rng.IntN(3) == 0:
			return order.WithdrawAmendment{ID: o.ID, AmendmentID: a.AmendmentID, Now: l.now()}
		default:
			return order.AcceptAmendment{ID: o.ID, AmendmentID: a.AmendmentID, Now: l.now()}
		}
	}
	line := o.Lines[l.rng.IntN(len(o.Lines))].Line
	cents := line.Total.Minor / line.Quantity
	line.Quantity++
	line.Total.Minor += cents
	line.Net = money.Money{}
	totals := o.Details.Totals
	totals.Goods.Minor += cents
	totals.Grand.Minor += cents
	return order.ProposeAmendment{
		ID: o.ID, AmendmentID: "a" + strconv.Itoa(l.serial), BaseVersion: o.Version, Totals: totals, Now: l.now(),
		Ops: []order.AmendOp{{Kind: order.AmendChangeQuantity, Line: &line}},
	}
}

// back lets goods come back, and ends the returns that are open.
func (l *Log) back(o *order.Order) order.Command {
	for i := range o.Returns {
		t := &o.Returns[i]
		rest := t.Rest()
		if len(rest) == 0 || l.rng.IntN(3) == 0 {
			continue
		}
		if l.rng.IntN(4) == 0 {
			return order.ReleaseReturn{ID: o.ID, ReturnID: t.ReturnID, ReleaseID: "x" + strconv.Itoa(l.serial), Now: l.now()}
		}
		c := order.RecordReturnOutcome{ID: o.ID, ReturnID: t.ReturnID, OutcomeID: "g" + strconv.Itoa(l.serial), Now: l.now()}
		for _, q := range rest[:1+l.rng.IntN(len(rest))] {
			c.Lines = append(c.Lines, order.OutcomeLine{
				LineID: q.LineID, Quantity: 1 + int64(l.rng.IntN(int(q.Quantity))), Outcome: order.Outcome(l.pick("restocked", "damaged", "rejected_sent_back")),
			})
		}
		return c
	}
	c := order.AuthoriseReturn{ID: o.ID, ReturnID: "t" + strconv.Itoa(l.serial), Now: l.now()}
	for i := range o.Lines {
		if n := o.Lines[i].Shipped; n > 0 {
			c.Lines = append(c.Lines, order.LineQuantity{LineID: o.Lines[i].Line.ID, Quantity: 1 + int64(l.rng.IntN(int(n)))})
		}
	}
	return c
}

// refund grants a refund, or settles one, or lets that fail.
func (l *Log) refund(o *order.Order) order.Command {
	for i := range o.Refunds {
		g := &o.Refunds[i]
		operation := "op" + strconv.Itoa(l.serial)
		if !g.SettledAt.IsZero() {
			continue
		}
		if l.rng.IntN(3) == 0 {
			return order.RecordRefundFailed{ID: o.ID, RefundID: g.RefundID, PaymentID: "pay-1", OperationID: operation, Now: l.now()}
		}
		return order.RecordRefundSettled{
			ID: o.ID, RefundID: g.RefundID, Now: l.now(), Legs: []order.RefundLeg{{PaymentID: "pay-1", OperationID: operation, Amount: g.Amount}},
		}
	}
	return order.GrantRefund{
		ID: o.ID, RefundID: "r" + strconv.Itoa(l.serial), Basis: order.RefundGoodwill, Adjustment: money.New(50, o.Details.Currency), Now: l.now(),
	}
}

// goods hands out what is open, sends what is handed out, and lets arrive what was sent.
func (l *Log) goods(o *order.Order) order.Command {
	var open []order.LineQuantity
	for i := range o.Lines {
		if n := o.Lines[i].Open(); n > 0 {
			open = append(open, order.LineQuantity{LineID: o.Lines[i].Line.ID, Quantity: n - int64(l.rng.IntN(int(n)))})
		}
	}
	if len(o.Fulfilments) == 0 || len(open) > 0 && l.rng.IntN(3) == 0 {
		return order.AssignFulfilment{ID: o.ID, FulfilmentID: "f" + strconv.Itoa(l.serial), Location: "BER1", Lines: open, Now: l.now()}
	}
	f := &o.Fulfilments[l.rng.IntN(len(o.Fulfilments))]
	rest, unassign := f.Rest(), l.rng.IntN(5) == 0
	switch {
	case len(rest) > 0 && unassign:
		return order.UnassignFulfilment{
			ID: o.ID, FulfilmentID: f.FulfilmentID, UnassignmentID: "u" + strconv.Itoa(l.serial), Reason: order.UnassignShort, Now: l.now(),
		}
	case len(rest) > 0:
		return order.RecordShipped{
			ID: o.ID, FulfilmentID: f.FulfilmentID, ParcelID: "b" + strconv.Itoa(l.serial), Lines: rest[:1+l.rng.IntN(len(rest))], Now: l.now(),
		}
	}
	c := order.RecordDelivered{ID: o.ID, FulfilmentID: f.FulfilmentID, ParcelID: "lost", Now: l.now()}
	if len(f.Parcels) > 0 {
		c.ParcelID = f.Parcels[l.rng.IntN(len(f.Parcels))].ParcelID
	}
	return c
}

// paid tells that an order is paid as it should be.
func (l *Log) paid(o *order.Order) order.Command {
	zero := money.New(0, o.Details.Currency)
	return order.RecordPaymentPosition{ID: o.ID, Now: l.now(), Position: order.PaymentPosition{
		PaymentID: "pay-1", Version: int64(len(l.Events) + 1), Status: order.PaymentStateCaptured, Authorised: o.Due(), Captured: o.Due(),
		Refunded: zero, Disputed: zero, Pending: zero, RefundPending: zero,
	}}
}

// position tells of one of two payments: amounts that fit the order, or not, and now and then what is known already.
func (l *Log) position(o *order.Order) order.Command {
	due, version := max(1, o.Due().Minor), int64(1)
	id := "pay-" + strconv.Itoa(l.rng.IntN(2))
	for i := range o.Payments {
		if o.Payments[i].PaymentID == id {
			version = o.Payments[i].Version + int64(l.rng.IntN(3)) - 1
		}
	}
	in := func(minor int64) money.Money { return money.New(minor, o.Details.Currency) }
	p := order.PaymentPosition{
		PaymentID: id, Version: max(1, version), Authorised: in(0), Captured: in(0), Refunded: in(0), Disputed: in(0),
		Pending: in(0), RefundPending: in(0),
		Status: order.PaymentState(l.pick("captured", "authorised", "processing", "requires_action", "failed", "voided", "expired", "initiated")),
	}
	switch p.Status {
	case order.PaymentStateAuthorised:
		p.Authorised = in(due / int64(1+l.rng.IntN(2)))
	case order.PaymentStateCaptured:
		p.Authorised = in(due / int64(1+l.rng.IntN(2)))
		p.Captured = p.Authorised
		switch l.rng.IntN(6) {
		case 0:
			p.Refunded = p.Captured
		case 1:
			p.Refunded = in(p.Captured.Minor / 2)
		case 2:
			p.Disputed = p.Captured
		}
	case order.PaymentStateProcessing:
		p.Pending = in(due)
	case order.PaymentStateInitiated, order.PaymentStateRequiresAction, order.PaymentStatePartiallyCaptured,
		order.PaymentStatePartiallyRefunded, order.PaymentStateRefunded, order.PaymentStateFailed, order.PaymentStateVoided,
		order.PaymentStateExpired: // no amounts
	}
	return order.RecordPaymentPosition{ID: o.ID, Position: p, Now: l.now()}
}
