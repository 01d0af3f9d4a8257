package payment

import "waybill/domain/money"

// Refund asks the gateway to pay back a part of what was captured, or all of it.
type Refund struct {
	Target
	OperationID string
	RefundID    string // of the order's grant that it settles, wholly or in part
	Amount      money.Money
	Override    bool // in spite of a dispute about another part of the money
}

// RefundRequested records that the gateway is to pay money back.
type RefundRequested struct {
	Head
	OperationID string      `msgpack:"operation_id,omitempty"`
	RefundID    string      `msgpack:"refund_id,omitempty"`
	Amount      money.Money `msgpack:"amount"`
	Override    bool        `msgpack:"override"`
}

// CommandType implements [Command].
func (Refund) CommandType() string { return CommandRefund }

// EventType implements [Event].
func (RefundRequested) EventType() string { return TypeRefundRequested }

func (c Refund) decide(p *Payment) ([]Event, error) {
	f := &fields{}
	f.check(checkOperation(c.OperationID))
	f.id("refund_id", c.RefundID)
	f.amount(c.Amount, p.Terms.Amount.Currency)
	if f.err != nil {
		return nil, f.err
	}
	o := Operation{ID: c.OperationID, Kind: OperationRefund, Amount: c.Amount.Minor, RefundID: c.RefundID, Override: c.Override}
	if done, err := p.repeated(o); done || err != nil {
		return nil, err
	}
	s := p.sums()
	if p.InDispute() && !c.Override {
		return nil, PaymentDisputed{Disputes: p.disputed(), Disputed: p.in(s.disputed)}
	}
	if possible := s.refundable(); c.Amount.Minor > possible {
		return nil, AmountExceedsCaptured{
			Requested: c.Amount, Possible: p.in(possible), Captured: p.in(s.captured), Refunded: p.in(s.refunded),
			Pending: p.in(s.refundPending), Disputed: p.in(s.disputed),
		}
	}
	return []Event{RefundRequested{
		Head: p.head(c.Now), OperationID: c.OperationID, RefundID: c.RefundID, Amount: c.Amount, Override: c.Override,
	}}, nil
}

// disputed returns the references of the disputes that are open.
func (p *Payment) disputed() []string {
	var refs []string
	for i := range p.Disputes {
		if p.Disputes[i].Open() {
			refs = append(refs, p.Disputes[i].Ref)
		}
	}
	return refs
}

func (e RefundRequested) apply(p *Payment) {
	p.begin(e.Head, Operation{
		ID: e.OperationID, Kind: OperationRefund, Amount: e.Amount.Minor, RefundID: e.RefundID, Override: e.Override,
	})
}
