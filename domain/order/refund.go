package order

import (
	"fmt"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// RefundBasis says why money goes back.
type RefundBasis string

// The bases of refunds. What a return or goodwill gives back is taken off what the order costs; the others pay back what the
// order owes already, because it costs less, or because more was paid.
const (
	RefundReturn       RefundBasis = "return"
	RefundGoodwill     RefundBasis = "goodwill"
	RefundCancellation RefundBasis = "cancellation"
	RefundAmendment    RefundBasis = "amendment"
	RefundLatePayment  RefundBasis = "late_payment"
	RefundOverpayment  RefundBasis = "overpayment"
)

// Entitles reports whether a refund on basis b lowers what the order costs. The others pay back what it owes already.
func (b RefundBasis) Entitles() bool { return b == RefundReturn || b == RefundGoodwill }

// RefundLine is units of a line that are paid back.
type RefundLine struct {
	LineID   string      `msgpack:"line_id,omitempty"`
	Quantity int64       `msgpack:"quantity"`
	From     int64       `msgpack:"from"`   // units of the line that were given back before
	Amount   money.Money `msgpack:"amount"` // by cumulative rounding of the line's Net, for the units after From
}

// RefundLeg is a part of a refund that one payment paid back.
type RefundLeg struct {
	PaymentID   string      `json:"payment_id"   msgpack:"payment_id,omitempty"`
	OperationID string      `json:"operation_id" msgpack:"operation_id,omitempty"`
	Amount      money.Money `json:"amount"       msgpack:"amount"`
}

// RefundFailure is an attempt to pay back that failed, at once or later.
type RefundFailure struct {
	PaymentID   string      `msgpack:"payment_id,omitempty"`
	OperationID string      `msgpack:"operation_id,omitempty"`
	Code        string      `msgpack:"code,omitempty"`
	At          domain.Time `msgpack:"at"`
}

// RefundGrant is the right to pay an amount back, once. It is open until it is settled; a leg that fails opens it again.
type RefundGrant struct {
	RefundID   string          `msgpack:"refund_id,omitempty"`
	Basis      RefundBasis     `msgpack:"basis"`
	Ref        string          `msgpack:"ref,omitempty"`   // the return, cancellation or amendment that it is for
	Lines      []RefundLine    `msgpack:"lines,omitempty"` // in the order of the order's lines
	Shipping   money.Money     `msgpack:"shipping"`
	Adjustment money.Money     `msgpack:"adjustment"` // below zero it is a fee that is kept
	Amount     money.Money     `msgpack:"amount"`     // of all together
	Legs       []RefundLeg     `msgpack:"legs,omitempty"`
	Failures   []RefundFailure `msgpack:"failures,omitempty"` // the latest, in order
	GrantedAt  domain.Time     `msgpack:"granted_at"`
	SettledAt  domain.Time     `msgpack:"settled_at,omitempty"` // zero while it is open
}

// GrantRefund gives the right to pay an amount back. A return or goodwill names shipped units, delivery and an adjustment;
// the other bases name the amount as the adjustment, or nothing for all that the order owes.
type GrantRefund struct {
	ID         ID
	RefundID   string // unique in the order
	Basis      RefundBasis
	Ref        string         // the return, cancellation or amendment that it is for; may be empty
	Lines      []LineQuantity // each line once
	Shipping   money.Money    // zero for none
	Adjustment money.Money    // zero for none
	Reason     string         // for people, not personal
	Now        domain.Time
}

// RefundGranted records the right to pay an amount back.
type RefundGranted struct {
	RefundID   string       `msgpack:"refund_id,omitempty"`
	Basis      RefundBasis  `msgpack:"basis"`
	Ref        string       `msgpack:"ref,omitempty"`
	Lines      []RefundLine `msgpack:"lines,omitempty"`
	Shipping   money.Money  `msgpack:"shipping"`
	Adjustment money.Money  `msgpack:"adjustment"`
	Amount     money.Money  `msgpack:"amount"`
	Reason     string       `msgpack:"reason,omitempty"`
	At         domain.Time  `msgpack:"at"`
}

// OrderID implements [Command].
func (c GrantRefund) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (GrantRefund) CommandType() string { return CommandGrantRefund }

// EventType implements [Event].
func (RefundGranted) EventType() string { return TypeRefundGranted }

// SchemaVersion implements [Event].
func (RefundGranted) SchemaVersion() int16 { return schemaFirst }

func (c GrantRefund) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	for _, m := range []*money.Money{&c.Shipping, &c.Adjustment} {
		if *m == (money.Money{}) {
			m.Currency = o.Details.Currency
		}
	}
	lines, err := c.check(o)
	if err != nil {
		return nil, err
	}
	c.Lines = lines
	if i := o.refundIndex(c.RefundID); i >= 0 {
		return nil, c.repeats(&o.Refunds[i])
	}
	if !o.mayGrant(c.Basis) {
		return nil, transition(o, c)
	}
	if len(o.Refunds) >= MaxRefunds {
		return nil, domain.LimitExceeded{Field: "refunds", Limit: MaxRefunds, Actual: MaxRefunds + 1, Unit: "refunds"}
	}
	e := RefundGranted{
		RefundID: c.RefundID, Basis: c.Basis, Ref: c.Ref, Shipping: c.Shipping, Adjustment: c.Adjustment, Reason: c.Reason, At: c.Now,
	}
	if !c.Basis.Entitles() {
		err = o.owe(&e)
	} else {
		err = o.entitle(&e, c.Lines)
	}
	if err != nil {
		return nil, err
	}
	if possible := o.refundable(); e.Amount.Minor > possible {
		return nil, o.exceedsPaid("captured", e.Amount.Minor, possible)
	}
	return []Event{e}, nil
}

// check refuses a grant that no state would accept, and returns its lines in the order of those of o.
func (c GrantRefund) check(o *Order) ([]LineQuantity, error) {
	f := &fields{names: true}
	f.id("refund_id", c.RefundID)
	f.text("ref", c.Ref, domain.MaxID)
	oneOf(f, "basis", c.Basis, RefundReturn, RefundGoodwill, RefundCancellation, RefundAmendment, RefundLatePayment, RefundOverpayment)
	f.quantities(c.Lines)
	f.amount("shipping", c.Shipping, o.Details.Currency)
	adjustment := c.Adjustment
	if c.Basis == RefundReturn { // it may keep a fee
		adjustment.Minor = max(adjustment.Minor, -adjustment.Minor)
	}
	f.amount("adjustment", adjustment, o.Details.Currency)
	f.text("reason", c.Reason, MaxTitle)
	if !c.Basis.Entitles() && (len(c.Lines) > 0 || !c.Shipping.IsZero()) {
		f.check(domain.InvalidField{
			Field: "lines", Reason: "and shipping are for returns and goodwill; for " + string(c.Basis) + " the adjustment says how much",
		})
	}
	if f.err != nil {
		return nil, f.err
	}
	return o.sorted(c.Lines)
}

// repeats refuses c if its id was used for something else than g.
func (c GrantRefund) repeats(g *RefundGrant) error {
	all := !c.Basis.Entitles() && c.Adjustment.IsZero() // what was owed then
	same := g.Basis == c.Basis && g.Ref == c.Ref && g.Shipping == c.Shipping && (all || g.Adjustment == c.Adjustment) &&
		slices.EqualFunc(g.Lines, c.Lines, func(l RefundLine, q LineQuantity) bool {
			return l.LineID == q.LineID && l.Quantity == q.Quantity
		})
	if !same {
		return RefundConflict{RefundID: g.RefundID, Basis: g.Basis, Amount: g.Amount}
	}
	return nil
}

// mayGrant reports whether the lifecycle of o allows refunds on a basis.
func (o *Order) mayGrant(b RefundBasis) bool {
	switch {
	case o.Lifecycle == LifecycleNone:
		return false
	case b.Entitles():
		return o.Lifecycle == LifecycleConfirmed || o.Lifecycle == LifecycleCompleted
	case b == RefundLatePayment:
		return o.closed()
	}
	return true
}

// owe makes e pay back what the order owes, and has not granted yet.
func (o *Order) owe(e *RefundGranted) error {
	possible := max(0, less(-o.Balance().Minor, o.openRefunds()))
	if e.Adjustment.IsZero() {
		e.Adjustment.Minor = possible
	}
	e.Amount = e.Adjustment
	if e.Amount.Minor > possible || possible == 0 {
		return o.exceedsPaid("owed", e.Amount.Minor, possible)
	}
	return nil
}

// entitle makes e pay back units, delivery and an adjustment, within what was paid for them.
func (o *Order) entitle(e *RefundGranted, lines []LineQuantity) error {
	e.Amount = e.Adjustment
	add := func(m money.Money) (err error) {
		e.Amount, err = e.Amount.Add(m)
		return err
	}
	for _, q := range lines {
		l, _ := o.Line(q.LineID)
		possible := l.Shipped - l.Refunded
		if e.Basis == RefundReturn {
			possible = min(possible, l.ReturnAuthorised+l.Returned-l.ReturnRefunded)
		}
		if q.Quantity > possible {
			return o.exceedsPaid("units of line "+q.LineID, q.Quantity, possible)
		}
		amount, err := l.worth(q.Quantity)
		if err != nil {
			return fmt.Errorf("refund line %s of order %s: %w", q.LineID, o.ID, err)
		}
		e.Lines = append(e.Lines, RefundLine{LineID: q.LineID, Quantity: q.Quantity, From: l.given(), Amount: amount})
		if err := add(amount); err != nil {
			return fmt.Errorf("refund order %s: %w", o.ID, err)
		}
	}
	if possible := o.shippingPaid(); e.Shipping.Minor > possible {
		return o.exceedsPaid("shipping", e.Shipping.Minor, possible)
	}
	if err := add(e.Shipping); err != nil {
		return fmt.Errorf("refund order %s: %w", o.ID, err)
	}
	if e.Amount.Minor < 1 {
		return domain.InvalidField{Field: "adjustment", Reason: "leaves nothing to pay back"}
	}
	if due := o.Due().Minor; e.Amount.Minor > due {
		return o.exceedsPaid("due", e.Amount.Minor, due)
	}
	return nil
}

func (o *Order) exceedsPaid(what string, requested, possible int64) error {
	return RefundExceedsEntitlement{What: what, Requested: requested, Possible: max(0, possible), Currency: o.Details.Currency}
}

func (e RefundGranted) apply(o *Order) {
	o.Refunds = append(o.Refunds, RefundGrant{
		RefundID: e.RefundID, Basis: e.Basis, Ref: e.Ref, Lines: e.Lines, Shipping: e.Shipping, Adjustment: e.Adjustment,
		Amount: e.Amount, GrantedAt: e.At,
	})
	for _, r := range e.Lines {
		if i := o.lineIndex(r.LineID); i >= 0 {
			l := &o.Lines[i]
			l.Refunded += r.Quantity
			l.Granted.Minor += r.Amount.Minor
			if e.Basis == RefundReturn {
				l.ReturnRefunded += r.Quantity
			}
		}
	}
	if e.Basis.Entitles() {
		o.Granted.Minor += e.Amount.Minor
	}
	o.UpdatedAt = e.At
}

// given returns how many units of l were given back, by cancellations and refunds: what the next one is worth follows from it.
func (l *LineState) given() int64 { return l.Cancelled + l.Refunded }

// worth returns what the next n units of l give back. Any units, given back in any runs, add up to exactly the Net of the line.
// After an amendment that holds for what was not given back before it.
func (l *LineState) worth(n int64) (money.Money, error) {
	left, from := money.New(l.Line.Net.Minor-l.BaseMinor, l.Line.Net.Currency), l.given()-l.BaseUnits
	return money.Between(left, from, from+n, l.Ordered()-l.BaseUnits)
}

// shippingPaid returns what was charged for delivery and is not granted back yet, in minor units.
func (o *Order) shippingPaid() int64 {
	var paid int64
	for i := range o.Details.Shipping {
		paid += o.Details.Shipping[i].Total.Minor
	}
	for i := range o.Refunds {
		paid -= o.Refunds[i].Shipping.Minor
	}
	return paid
}

// openRefunds returns what is granted and not settled, in minor units.
func (o *Order) openRefunds() (open int64) {
	for i := range o.Refunds {
		if o.Refunds[i].SettledAt.IsZero() {
			open += o.Refunds[i].Amount.Minor
		}
	}
	return open
}

// refundable returns how much more may be granted of what was captured, as the order knows it, in minor units: the payments
// have the last word.
func (o *Order) refundable() int64 {
	var granted int64
	for i := range o.Refunds {
		granted += o.Refunds[i].Amount.Minor
	}
	m := o.Money()
	return m.Captured.Minor - m.Disputed.Minor - max(m.Refunded.Minor, granted)
}

func (o *Order) refundIndex(id string) int {
	return slices.IndexFunc(o.Refunds, func(g RefundGrant) bool { return g.RefundID == id })
}
