package story_test

import (
	"waybill/domain/order"
	"waybill/domain/returns"
)

// check ends the test if something does not add up.
func (w *world) check() {
	w.checkMoney()
	for i := range w.order.Lines {
		w.checkLine(&w.order.Lines[i])
	}
	for _, s := range w.shelves {
		w.checkShelf(s)
	}
}

// checkMoney holds the order's positions to the ledgers of the payments, and each ledger to itself.
func (w *world) checkMoney() {
	zero := eur(0)
	sum := order.Money{Authorised: zero, Captured: zero, Refunded: zero, Disputed: zero, Pending: zero, RefundPending: zero}
	for _, p := range w.payments {
		l := p.Ledger()
		sum.Authorised.Minor += l.Authorised.Minor
		sum.Captured.Minor += l.Captured.Minor
		sum.Refunded.Minor += l.Refunded.Minor
		sum.Disputed.Minor += l.Disputed.Minor
		sum.Pending.Minor += l.Pending.Minor
		sum.RefundPending.Minor += l.RefundPending.Minor
		if gone := total(l.Refunded, l.RefundPending, l.Disputed); gone > l.Captured.Minor {
			w.fail("payment %s: refunded %v + pending %v + disputed %v is more than was captured, %v",
				p.ID, l.Refunded, l.RefundPending, l.Disputed, l.Captured)
		}
		if taken := total(l.Captured, l.CapturePending); taken > p.Terms.Amount.Minor {
			w.fail("payment %s: captured %v + pending %v is more than it is for, %v", p.ID, l.Captured, l.CapturePending, p.Terms.Amount)
		}
	}
	if m := w.order.Money(); m != sum {
		w.fail("the order knows %+v of its payments, and they come to %+v", m, sum)
	}
	if due := w.order.Due(); due.Minor < 0 {
		w.fail("due is %v", due)
	}
}

// checkLine holds a line of the order to itself, to the fulfilments and to the returns.
func (w *world) checkLine(l *order.LineState) {
	for _, count := range []struct {
		name   string
		n      int64
		atMost int64
	}{
		{"open", l.Open(), l.Ordered()},
		{"cancelled", l.Cancelled, l.Ordered()},
		{"assigned", l.Assigned, l.Ordered()},
		{"shipped", l.Shipped, l.Ordered()},
		{"delivered", l.Delivered, l.Shipped},
		{"cancel requested", l.CancelRequested, l.Ordered() - l.Cancelled},
		{"return authorised", l.ReturnAuthorised, l.Shipped - l.Returned},
		{"returned", l.Returned, l.Shipped},
		{"refunded", l.Refunded, l.Shipped},
	} {
		if count.n < 0 || count.n > count.atMost {
			w.fail("line %s: %s is %d, at most %d is possible: %+v", l.Line.ID, count.name, count.n, count.atMost, *l)
		}
	}
	if given := total(l.Credited, l.Granted); given > l.Line.Net.Minor {
		w.fail("line %s: %v was given back of %v", l.Line.ID, eur(given), l.Line.Net)
	}
	var held, shipped int64
	for _, f := range w.fulfilments {
		if fl, ok := f.Line(l.Line.ID); ok {
			held, shipped = held+fl.Unshipped(), shipped+fl.Shipped
		}
	}
	if held != l.Assigned || shipped != l.Shipped {
		w.fail("line %s: the order has %d assigned and %d shipped, its fulfilments hold %d and have shipped %d",
			l.Line.ID, l.Assigned, l.Shipped, held, shipped)
	}
	w.checkReturns(l)
}

// checkReturns holds what the order has handed out to returns, and has refunded for them, to what the returns know.
func (w *world) checkReturns(l *order.LineState) {
	var asked, refunded int64
	for _, r := range w.returns {
		if rl, ok := r.Line(l.Line.ID); ok {
			refunded += rl.Granted
			if due := due(r, l.Line.ID); rl.Granted+due > rl.Line.Quantity {
				w.fail("return %s: a refund is due for %d units of line %s, and %d of %d were refunded",
					r.ID, due, l.Line.ID, rl.Granted, rl.Line.Quantity)
			}
			if r.Approval != nil && r.Status() != returns.StatusCancelled {
				asked += rl.Units() - rl.Graded()
			}
		}
	}
	if asked != l.ReturnAuthorised {
		w.fail("line %s: the order has handed %d units out to returns, and they wait for %d", l.Line.ID, l.ReturnAuthorised, asked)
	}
	if refunded != l.ReturnRefunded {
		w.fail("line %s: the order has refunded %d units for returns, and they know of %d", l.Line.ID, l.ReturnRefunded, refunded)
	}
}

// due returns how many units of a line a return says a refund is due for.
func due(r *returns.Return, lineID string) (n int64) {
	for _, l := range r.RefundDue().Lines {
		if l.LineID == lineID {
			n += l.Quantity
		}
	}
	return n
}

// checkShelf holds what lies on a shelf to what moved, and what is promised of it to the fulfilments.
func (w *world) checkShelf(s *shelf) {
	if want := s.Received - s.Issued + s.Restocked; s.OnHand != want {
		w.fail("%v: %d on hand, and received − issued + restocked is %d", s.key, s.OnHand, want)
	}
	var held, shipped int64
	for _, f := range w.fulfilments {
		for i := range f.Lines {
			if l := &f.Lines[i]; l.Line.SKU == s.key.SKU && f.Location == s.key.Location {
				held, shipped = held+l.Unshipped(), shipped+l.Shipped
			}
		}
	}
	if s.Allocated != held || s.Reserved != held || s.Issued != shipped {
		w.fail("%v: %d allocated, %d reserved, %d issued; fulfilments hold %d and have shipped %d",
			s.key, s.Allocated, s.Reserved, s.Issued, held, shipped)
	}
	restocked := int64(0)
	for _, r := range w.returns {
		for i := range r.Lines {
			for _, place := range r.Lines[i].Shelves {
				if r.Lines[i].Line.SKU == s.key.SKU && place.Location == s.key.Location {
					restocked += place.Restocked
				}
			}
		}
	}
	if s.Restocked != restocked {
		w.fail("%v: %d came back, and returns have put %d there", s.key, s.Restocked, restocked)
	}
}
