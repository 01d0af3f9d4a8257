package order

import (
	"fmt"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// RecordRefundSettled tells the order that a refund was paid back, by the legs that add up to it.
type RecordRefundSettled struct {
	ID       ID
	RefundID string
	Legs     []RefundLeg // each operation once
	Now      domain.Time
}

// RecordRefundFailed tells the order that an attempt to pay back failed. A refund that was settled by it is open again.
type RecordRefundFailed struct {
	ID          ID
	RefundID    string
	PaymentID   string
	OperationID string // what failed; an operation fails once
	Code        string // of the payment
	Now         domain.Time
}

// RefundSettled records that a refund was paid back.
type RefundSettled struct {
	RefundID string      `msgpack:"refund_id,omitempty"`
	Legs     []RefundLeg `msgpack:"legs,omitempty"`
	At       domain.Time `msgpack:"at"`
}

// RefundSettlementFailed records an attempt to pay back that failed: the refund is open, still or again.
type RefundSettlementFailed struct {
	RefundID    string      `msgpack:"refund_id,omitempty"`
	PaymentID   string      `msgpack:"payment_id,omitempty"`
	OperationID string      `msgpack:"operation_id,omitempty"`
	Code        string      `msgpack:"code,omitempty"`
	At          domain.Time `msgpack:"at"`
}

// OrderID implements [Command].
func (c RecordRefundSettled) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (RecordRefundSettled) CommandType() string { return CommandRecordRefundSettled }

// OrderID implements [Command].
func (c RecordRefundFailed) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (RecordRefundFailed) CommandType() string { return CommandRecordRefundFailed }

// EventType implements [Event].
func (RefundSettled) EventType() string { return TypeRefundSettled }

// SchemaVersion implements [Event].
func (RefundSettled) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (RefundSettlementFailed) EventType() string { return TypeRefundSettlementFailed }

// SchemaVersion implements [Event].
func (RefundSettlementFailed) SchemaVersion() int16 { return schemaFirst }

func (c RecordRefundSettled) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	sum, err := c.check(o.Details.Currency)
	if err != nil {
		return nil, err
	}
	i := o.refundIndex(c.RefundID)
	if i < 0 {
		return nil, UnknownRefund{RefundID: c.RefundID}
	}
	g := &o.Refunds[i]
	failed := slices.ContainsFunc(c.Legs, func(l RefundLeg) bool { return g.failed(l.OperationID) })
	switch {
	case !g.SettledAt.IsZero() && slices.Equal(g.Legs, c.Legs):
		return nil, nil
	case !g.SettledAt.IsZero() || failed:
		return nil, RefundConflict{RefundID: g.RefundID, Basis: g.Basis, Amount: g.Amount}
	case sum != g.Amount.Minor:
		return nil, TotalsMismatch{Total: "legs", Stated: money.New(sum, o.Details.Currency), Computed: g.Amount}
	}
	return []Event{RefundSettled{RefundID: c.RefundID, Legs: c.Legs, At: c.Now}}, nil
}

// check refuses legs that are malformed, and returns their sum.
func (c RecordRefundSettled) check(currency money.Currency) (sum int64, err error) {
	f := &fields{names: true}
	f.id("refund_id", c.RefundID)
	if len(c.Legs) == 0 {
		f.check(domain.InvalidField{Field: "legs", Reason: "are missing"})
	}
	f.count("legs", len(c.Legs), MaxCharges, "legs")
	for i := range c.Legs {
		if f.err != nil {
			break
		}
		l, field := &c.Legs[i], f.at("legs", i)
		f.id(field+".payment_id", l.PaymentID)
		f.id(field+".operation_id", l.OperationID)
		f.amount(field+".amount", l.Amount, currency)
		if l.Amount.Minor == 0 {
			f.check(domain.InvalidField{Field: field + ".amount", Reason: "is zero"})
		}
		sum += l.Amount.Minor
	}
	unique(f, "legs", c.Legs, func(l *RefundLeg) string { return l.OperationID })
	return sum, f.err
}

func (e RefundSettled) apply(o *Order) {
	if i := o.refundIndex(e.RefundID); i >= 0 {
		o.Refunds[i].Legs, o.Refunds[i].SettledAt = e.Legs, e.At
	}
	o.UpdatedAt = e.At
}

func (c RecordRefundFailed) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.id("refund_id", c.RefundID)
	f.id("payment_id", c.PaymentID)
	f.id("operation_id", c.OperationID)
	f.text("code", c.Code, MaxName)
	if f.err != nil {
		return nil, f.err
	}
	i := o.refundIndex(c.RefundID)
	if i < 0 {
		return nil, UnknownRefund{RefundID: c.RefundID}
	}
	g := &o.Refunds[i]
	switch {
	case g.failed(c.OperationID):
		return nil, nil
	case !g.SettledAt.IsZero() && !slices.ContainsFunc(g.Legs, func(l RefundLeg) bool { return l.OperationID == c.OperationID }):
		return nil, nil // it was settled without this attempt
	case len(g.Failures) >= MaxFailures:
		return nil, domain.LimitExceeded{
			Field: fmt.Sprintf("refunds[%d].failures", i), Limit: MaxFailures, Actual: MaxFailures + 1, Unit: "failures",
		}
	}
	return []Event{RefundSettlementFailed{
		RefundID: c.RefundID, PaymentID: c.PaymentID, OperationID: c.OperationID, Code: c.Code, At: c.Now,
	}}, nil
}

// failed reports whether an operation is known to have failed.
func (g *RefundGrant) failed(operation string) bool {
	return slices.ContainsFunc(g.Failures, func(f RefundFailure) bool { return f.OperationID == operation })
}

func (e RefundSettlementFailed) apply(o *Order) {
	if i := o.refundIndex(e.RefundID); i >= 0 {
		g := &o.Refunds[i]
		g.Failures = append(g.Failures, RefundFailure{PaymentID: e.PaymentID, OperationID: e.OperationID, Code: e.Code, At: e.At})
		g.Legs = slices.DeleteFunc(slices.Clone(g.Legs), func(l RefundLeg) bool { return l.OperationID == e.OperationID })
		if len(g.Legs) == 0 {
			g.Legs = nil // as it will be decoded
		}
		g.SettledAt = 0
	}
	o.UpdatedAt = e.At
}
