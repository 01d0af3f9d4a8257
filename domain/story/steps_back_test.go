package story_test

import (
	"waybill/domain/order"
	"waybill/domain/returns"
)

// back are the steps that goods take on their way back.
func (k *walker) back() []step {
	return []step{
		{"send units back", 4, func() {
			with(k, k.order.Lines, func(l order.LineState) {
				possible := l.Shipped - l.Returned - l.ReturnAuthorised
				if possible == 0 && !k.oneIn(20) { // the order will not hear of it
					return
				}
				fee := int64(0)
				if k.oneIn(3) {
					fee = 50
				}
				trigger := some(k, returns.TriggerApproval, returns.TriggerReceipt, returns.TriggerInspection)
				k.request(order.LineQuantity{LineID: l.Line.ID, Quantity: k.upTo(max(1, possible))}, trigger, fee)
			})
		}},
		{"units come in", 5, func() {
			with(k, k.returns, func(r *returns.Return) {
				if r.Approval != nil {
					k.receive(r)
				}
			})
		}},
		{"units are graded", 4, func() {
			with(k, k.returns, func(r *returns.Return) {
				k.inspect(r, some(k, returns.OutcomeRestocked, returns.OutcomeRestocked, returns.OutcomeDamaged,
					returns.OutcomeRejectedSentBack, returns.OutcomeWrongItem, returns.OutcomeMissing, returns.OutcomeKeepIt))
			})
		}},
		{"units go back on the shelf", 3, func() { with(k, k.returns, k.restock) }},
		{"grant what is due for a return", 4, func() {
			with(k, k.returns, func(r *returns.Return) {
				if len(r.RefundDue().Lines) > 0 {
					k.grantFor(r)
				}
			})
		}},
		{"units do not come in time", 1, func() {
			with(k, k.returns, func(r *returns.Return) { k.askReturn(r, returns.Expire{ID: r.ID, Now: k.later()}) })
		}},
		{"a return is given up", 1, func() {
			with(k, k.returns, func(r *returns.Return) { k.askReturn(r, returns.Cancel{ID: r.ID, Now: k.now}) })
		}},
		{"a return is closed", 1, func() {
			with(k, k.returns, func(r *returns.Return) { k.askReturn(r, returns.Close{ID: r.ID, Now: k.now}) })
		}},
	}
}

// receive has one unit of a return come in.
func (w *world) receive(r *returns.Return) {
	for i := range r.Lines {
		if l := &r.Lines[i]; l.Outstanding() > 0 {
			w.askReturn(r, returns.Receive{
				ID: r.ID, ReceiptID: w.id("receipt"), Location: "BER", Now: w.now,
				Lines: []returns.LineQuantity{{LineID: l.Line.ID, Quantity: 1}},
			})
		}
	}
}

// inspect says what became of one unit of a return.
func (w *world) inspect(r *returns.Return, outcome returns.Outcome) {
	for i := range r.Lines {
		if l := &r.Lines[i]; l.Units() > l.Graded() {
			w.askReturn(r, returns.Inspect{
				ID: r.ID, InspectionID: w.id("inspection"), Now: w.now,
				Lines: []returns.Grade{{LineID: l.Line.ID, Quantity: 1, Outcome: outcome}},
			})
		}
	}
}

// restock puts all on the shelf that is to go there.
func (w *world) restock(r *returns.Return) {
	if due := r.RestockDue(); len(due) > 0 {
		w.tellReturn(r, returns.RecordRestocked{ID: r.ID, RestockID: w.id("restock"), Lines: due, Now: w.now})
	}
}
