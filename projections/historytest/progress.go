package historytest

import (
	"strconv"

	"waybill/domain/money"
	"waybill/domain/order"
)

// progress returns a command that moves the money of an order on, at random.
func (l *Log) progress(o *order.Order) order.Command {
	return l.position(o)
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
