package order

import (
	"fmt"
	"math"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// PaymentState is how one payment of the order stands, in the words of that payment.
type PaymentState string

// The states of a payment.
const (
	PaymentStateInitiated         PaymentState = "initiated"
	PaymentStateRequiresAction    PaymentState = "requires_action" // the customer has to do something
	PaymentStateProcessing        PaymentState = "processing"      // the gateway works on it, or nobody knows
	PaymentStateAuthorised        PaymentState = "authorised"
	PaymentStatePartiallyCaptured PaymentState = "partially_captured"
	PaymentStateCaptured          PaymentState = "captured"
	PaymentStatePartiallyRefunded PaymentState = "partially_refunded"
	PaymentStateRefunded          PaymentState = "refunded"
	PaymentStateFailed            PaymentState = "failed"
	PaymentStateVoided            PaymentState = "voided"
	PaymentStateExpired           PaymentState = "expired" // the authorisation lapsed
)

// PaymentPosition is what the order knows of one payment: the sums of its ledger as of a version of its stream.
type PaymentPosition struct {
	PaymentID     string       `msgpack:"payment_id,omitempty"`
	Version       int64        `msgpack:"payment_version"` // of the payment's stream; an older one changes nothing
	Status        PaymentState `msgpack:"status"`
	Authorised    money.Money  `msgpack:"authorised"`     // good for capture, or captured: without what was voided or has lapsed
	Captured      money.Money  `msgpack:"captured"`       // ever
	Refunded      money.Money  `msgpack:"refunded"`       // of Captured, paid back
	Disputed      money.Money  `msgpack:"disputed"`       // of Captured, in dispute or lost in one
	Pending       money.Money  `msgpack:"pending"`        // asked of the gateway with no outcome known: authorisations, captures, voids
	RefundPending money.Money  `msgpack:"refund_pending"` // asked to be paid back with no outcome known
	At            domain.Time  `msgpack:"at"`             // when the order learned of it
}

// amounts returns the amounts of p with their names.
func (p *PaymentPosition) amounts() [6]struct {
	name  string
	value money.Money
} {
	return [6]struct {
		name  string
		value money.Money
	}{
		{"authorised", p.Authorised},
		{"captured", p.Captured},
		{"refunded", p.Refunded},
		{"disputed", p.Disputed},
		{"pending", p.Pending},
		{"refund_pending", p.RefundPending},
	}
}

// secured returns what p has taken, or could take: captures may run ahead of the authorisation that they belong to.
func (p *PaymentPosition) secured() int64 { return max(p.Authorised.Minor, p.Captured.Minor) }

// RecordPaymentPosition tells the order where one of its payments stands. It is a fact: no lifecycle refuses it.
type RecordPaymentPosition struct {
	ID       ID
	Position PaymentPosition // its At is left out
	Now      domain.Time
}

// PaymentPositionChanged records where a payment of the order stands.
type PaymentPositionChanged PaymentPosition

// OrderID implements [Command].
func (c RecordPaymentPosition) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (RecordPaymentPosition) CommandType() string { return CommandRecordPaymentPosition }

// EventType implements [Event].
func (PaymentPositionChanged) EventType() string { return TypePaymentPositionChanged }

// SchemaVersion implements [Event].
func (PaymentPositionChanged) SchemaVersion() int16 { return schemaFirst }

func (c RecordPaymentPosition) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	p := c.Position
	p.At = c.Now
	if err := p.check(o.Details.Currency); err != nil {
		return nil, err
	}
	var before int64
	switch i := o.paymentIndex(p.PaymentID); {
	case i < 0 && len(o.Payments) >= MaxPayments:
		return nil, domain.LimitExceeded{Field: "payments", Limit: MaxPayments, Actual: MaxPayments + 1, Unit: "payments"}
	case i < 0:
	case p.Version < o.Payments[i].Version:
		return nil, nil
	case p.Version == o.Payments[i].Version:
		known := o.Payments[i]
		if p.At = known.At; p != known {
			return nil, PaymentPositionConflict{PaymentID: p.PaymentID, Version: p.Version}
		}
		return nil, nil
	default:
		before = o.Payments[i].secured()
	}
	events := []Event{PaymentPositionChanged(p)}
	if gain := p.secured() - before; o.closed() && gain > 0 {
		events = append(events, AnomalyDetected{
			Anomaly: AnomalyLatePayment, PaymentID: p.PaymentID, Amount: money.New(gain, o.Details.Currency), At: c.Now,
		})
	}
	return events, nil
}

// check refuses a position that is malformed.
func (p *PaymentPosition) check(c money.Currency) error {
	f := &fields{names: true}
	f.id("payment_id", p.PaymentID)
	if p.Version < 1 {
		f.check(domain.InvalidField{Field: "payment_version", Reason: fmt.Sprintf("is %d, at least 1 is needed", p.Version)})
	}
	oneOf(f, "status", p.Status, PaymentStateInitiated, PaymentStateRequiresAction, PaymentStateProcessing, PaymentStateAuthorised,
		PaymentStatePartiallyCaptured, PaymentStateCaptured, PaymentStatePartiallyRefunded, PaymentStateRefunded, PaymentStateFailed,
		PaymentStateVoided, PaymentStateExpired)
	for _, a := range p.amounts() {
		f.amount(a.name, a.value, c)
	}
	return f.err
}

// amount refuses an amount in another currency, below zero, or of more than MaxAmount.
func (f *fields) amount(field string, m money.Money, c money.Currency) {
	switch {
	case m.Currency != c:
		f.check(CurrencyMismatch{Field: field, Expected: c, Actual: m.Currency})
	case m.Minor < 0:
		f.check(domain.InvalidField{Field: field, Reason: "is negative"})
	case m.Minor > MaxAmount:
		f.check(domain.LimitExceeded{Field: field, Limit: MaxAmount, Actual: m.Minor, Unit: "minor units"})
	}
}

func (e PaymentPositionChanged) apply(o *Order) {
	if i := o.paymentIndex(e.PaymentID); i >= 0 {
		o.Payments[i] = PaymentPosition(e)
	} else {
		o.Payments = append(o.Payments, PaymentPosition(e))
	}
	o.UpdatedAt = e.At
}

func (o *Order) paymentIndex(id string) int {
	return slices.IndexFunc(o.Payments, func(p PaymentPosition) bool { return p.PaymentID == id })
}

// Money is the sums of all payments of an order, as the order knows them.
type Money struct {
	Authorised, Captured, Refunded, Disputed, Pending, RefundPending money.Money
}

// Money adds the payments of o up.
func (o *Order) Money() Money {
	var sum [6]int64 // at most MaxPayments times MaxAmount: it fits
	for i := range o.Payments {
		for j, a := range o.Payments[i].amounts() {
			sum[j] += a.value.Minor
		}
	}
	in := func(minor int64) money.Money { return money.New(minor, o.Details.Currency) }
	return Money{in(sum[0]), in(sum[1]), in(sum[2]), in(sum[3]), in(sum[4]), in(sum[5])}
}

// Balance returns what is still to be paid: what the order costs less what was captured and neither paid back nor disputed.
// Below zero it is what the customer is owed. A rejected, expired or cancelled order costs nothing.
func (o *Order) Balance() money.Money {
	m := o.Money()
	return money.New(less(o.net(), m.Captured.Minor-m.Refunded.Minor-m.Disputed.Minor), o.Details.Currency)
}

// net returns what the order costs now, in minor units.
func (o *Order) net() int64 {
	if o.closed() {
		return 0
	}
	return o.Due().Minor
}

// less returns a − b, cut off at the ends of what an amount can hold.
func less(a, b int64) int64 {
	switch d := a - b; {
	case b < 0 && d < a:
		return math.MaxInt64
	case b > 0 && d > a:
		return math.MinInt64
	default:
		return d
	}
}

// closed reports whether o came to nothing: rejected, expired or cancelled. Facts about it are still taken.
func (o *Order) closed() bool {
	switch o.Lifecycle {
	case LifecycleRejected, LifecycleExpired, LifecycleCancelled:
		return true
	case LifecycleNone, LifecyclePending, LifecycleConfirmed, LifecycleCompleted, LifecycleCancelling:
	}
	return false
}

// moneyKnown reports whether o knows of money that was taken, could be taken, or is asked for.
func (o *Order) moneyKnown() bool {
	m := o.Money()
	return m.Authorised.Minor > 0 || m.Captured.Minor > 0 || m.Pending.Minor > 0 || m.RefundPending.Minor > 0 ||
		slices.ContainsFunc(o.Payments, func(p PaymentPosition) bool {
			return p.Status == PaymentStateProcessing || p.Status == PaymentStateRequiresAction
		})
}
