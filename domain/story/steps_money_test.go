package story_test

import (
	"waybill/domain/order"
	"waybill/domain/payment"
)

// money are the steps that money takes, there and back.
func (k *walker) money() []step {
	return []step{
		{"another payment", 1, func() {
			if len(k.payments) < 4 {
				k.newPayment(k.upTo(6000))
			}
		}},
		{"capture some", 4, func() { with(k, k.payments, k.capture) }},
		{"the gateway answers", 8, func() { with(k, k.payments, k.anyAnswer) }},
		{"let an authorisation go", 1, func() {
			with(k, k.payments, func(p *attempt) {
				k.askPayment(p, payment.Void{Target: k.payment(p), OperationID: k.id("void")})
			})
		}},
		{"the customer disputes", 1, func() { with(k, k.payments, k.dispute) }},
		{"a dispute is won", 1, func() { with(k, k.payments, k.winDisputes) }},
		{"a refund that was done comes back", 1, func() { with(k, k.payments, k.bounce) }},
		{"goodwill", 1, k.goodwill},
		{"pay back what is owed", 2, k.grantOwed},
		{"carry refunds out", 4, k.settleAll},
	}
}

func (k *walker) capture(p *attempt) {
	if most := min(p.Ledger().Capturable.Minor, k.order.Balance().Minor); most > 0 {
		amount := most
		if k.oneIn(2) {
			amount = k.upTo(most)
		}
		k.askPayment(p, payment.Capture{Target: k.payment(p), OperationID: k.id("capture"), Amount: eur(amount)})
	}
}

func (k *walker) anyAnswer(p *attempt) {
	with(k, p.Open(), func(o payment.OpenOperation) {
		k.answer(p, o, some(k, payment.OutcomeSucceeded, payment.OutcomeSucceeded, payment.OutcomeSucceeded,
			payment.OutcomeFailed, payment.OutcomeUnknown, payment.OutcomePending))
	})
}

// dispute has the customer's bank take money that is there to be taken.
func (k *walker) dispute(p *attempt) {
	there := p.Ledger().Refundable.Minor
	if there == 0 {
		return
	}
	f := payment.Fact{Kind: payment.FactDisputeOpened, ObjectRef: k.id("dispute"), Amount: eur(k.upTo(there))}
	k.fact(p, f)
	if k.oneIn(2) {
		f.Kind = payment.FactDisputeFundsWithdrawn
		k.fact(p, f)
	}
}

// winDisputes ends all disputes of a payment: what was taken comes back.
func (w *world) winDisputes(p *attempt) {
	for _, d := range p.Disputes {
		if d.Open() {
			w.fact(p, payment.Fact{Kind: payment.FactDisputeClosed, ObjectRef: d.Ref, DisputeOutcome: payment.DisputeWon})
		}
		if d.Withdrawn > d.Reinstated {
			w.fact(p, payment.Fact{Kind: payment.FactDisputeFundsReinstated, ObjectRef: d.Ref, Amount: eur(d.Withdrawn)})
		}
	}
}

// bounce has a refund come back that was done, such as from an account that was closed.
func (k *walker) bounce(p *attempt) {
	var done []payment.Operation
	for i := range p.Operations {
		if o, state, _ := p.Operation(p.Operations[i].ID); o.Kind == payment.OperationRefund && state == payment.StateSucceeded {
			done = append(done, o)
		}
	}
	with(k, done, func(o payment.Operation) {
		k.fact(p, payment.Fact{
			Kind: payment.FactRefundReversed, ObjectRef: p.ObjectRef(o.ID), OperationID: o.ID, Amount: eur(o.Amount),
		})
	})
}

// fact has the gateway tell something: facts are never refused.
func (w *world) fact(p *attempt, f payment.Fact) {
	f.GatewayEventID, f.OccurredAt = w.id("event"), w.now
	w.tellPayment(p, payment.RecordFact{Target: w.payment(p), Fact: f})
}

// goodwill gives a unit back, or an amount.
func (k *walker) goodwill() {
	c := order.GrantRefund{ID: orderID, RefundID: k.id("refund"), Basis: order.RefundGoodwill, Now: k.now}
	if k.oneIn(3) {
		with(k, k.order.Lines, func(l order.LineState) { c.Lines = []order.LineQuantity{{LineID: l.Line.ID, Quantity: 1}} })
	} else {
		c.Adjustment = eur(k.upTo(1500))
	}
	k.askOrder(c)
}
