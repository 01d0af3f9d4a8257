package returns_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/returns"
)

// TestR1OnlyWhatTheOrderHandedOutIsApproved: an approval holds the order's authorisation for exactly the units of this return,
// and before it no unit gets an outcome, goes back into stock or is refunded.
func TestR1OnlyWhatTheOrderHandedOutIsApproved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(r *returns.Return, b *book, e returns.Event) {
			if e, ok := e.(returns.Approved); ok {
				token := e.Approval.Authorisation
				if token.OrderID != r.OrderID || token.ReturnID != r.ID {
					t.Fatalf("approved with %+v", token)
				}
				authorised := map[string]int64{}
				for _, q := range token.Lines {
					authorised[q.LineID] += q.Quantity
				}
				for id, c := range b.lines {
					if authorised[id] != c.asked-c.expired {
						t.Fatalf("line %s: %d of %d units are authorised", id, authorised[id], c.asked-c.expired)
					}
				}
			}
			for id, c := range b.lines {
				if b.terms == nil && (len(c.outcomes) > 0 || len(c.restocked) > 0 || c.granted > 0) {
					t.Fatalf("line %s is not approved and has %+v", id, c)
				}
			}
		})
	})
}

// TestR2OutcomesNeverExceedWhatCameInOrWasAskedFor: units in hand ≤ received ≤ units, and outcomes ≤ units.
func TestR2OutcomesNeverExceedWhatCameInOrWasAskedFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(r *returns.Return, b *book, e returns.Event) {
			for id, c := range b.lines {
				inHand, all := c.sum(returns.Outcome.InHand), c.sum(func(returns.Outcome) bool { return true })
				if units := c.asked - c.expired; inHand > c.received || c.received > units || all > units {
					t.Fatalf("after %s line %s has %d units, %d received, %d of them graded, %d outcomes", e.EventType(), id, units, c.received, inHand, all)
				}
				for o, n := range c.outcomes {
					if l, _ := r.Line(id); n < 0 || l.Count(o) != n {
						t.Fatalf("line %s: %d units are %s, the book says %d", id, l.Count(o), o, n)
					}
				}
				if l, _ := r.Line(id); l.Received != c.received || l.Outstanding() < 0 || l.Outstanding() > l.Units()-c.received {
					t.Fatalf("line %s: %+v, the book says %+v", id, l, c)
				}
			}
		})
	})
}

// TestR3NoUnitIsRestockedTwice: what stock has taken at a location was graded for it, still is, and was never more than came in.
func TestR3NoUnitIsRestockedTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(r *returns.Return, b *book, e returns.Event) {
			var due int64
			for id, c := range b.lines {
				var taken int64
				for place, n := range c.restocked {
					if taken += n; n > c.shelves[place] {
						t.Fatalf("after %s stock at %s has %d units of line %s, %d are graded for it", e.EventType(), place, n, id, c.shelves[place])
					}
				}
				if taken > c.received {
					t.Fatalf("stock has %d units of line %s, %d came in", taken, id, c.received)
				}
				due += c.outcomes[returns.OutcomeRestocked] - taken
			}
			for _, q := range r.RestockDue() {
				due -= q.Quantity
			}
			if due != 0 {
				t.Fatalf("after %s units due for stock are off by %d", e.EventType(), due)
			}
		})
	})
}

// TestR4RefundsAddUpLessFees: a refund is the sum of its units' amounts and of promised delivery, less the fees, and no fee is
// left open while anything is paid.
func TestR4RefundsAddUpLessFees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(r *returns.Return, b *book, e returns.Event) {
			if b.total != b.amounts+b.shipping-b.fees || r.Granted != eur(b.total) {
				t.Fatalf("%d were refunded for %d + %d − %d, the return says %s", b.total, b.amounts, b.shipping, b.fees, r.Granted)
			}
			if b.terms == nil {
				return
			}
			var fees int64
			for _, f := range b.terms.Fees {
				fees += f.Amount.Minor
			}
			if b.fees > fees || b.shipping > b.terms.RefundShipping.Minor || b.total < 0 || b.total > 0 && b.fees < fees {
				t.Fatalf("after %s: fees %d of %d, delivery %d of %s, in all %d", e.EventType(), b.fees, fees, b.shipping, b.terms.RefundShipping, b.total)
			}
		})
	})
}

// TestR5NoUnitIsRefundedTwice: when a refund is granted its units deserve it by the trigger, together with all granted before; and
// never are more granted than were asked for.
func TestR5NoUnitIsRefundedTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(_ *returns.Return, b *book, e returns.Event) {
			granted, ok := e.(returns.RefundGranted)
			if !ok {
				return
			}
			refunded := func(o returns.Outcome) bool { return slices.Contains(b.terms.Refundable, o) }
			for _, q := range granted.Lines {
				c := b.lines[q.LineID]
				var most int64
				switch b.terms.Trigger {
				case returns.TriggerApproval:
					most = c.asked - c.expired
				case returns.TriggerReceipt:
					most = c.received + c.sum(func(o returns.Outcome) bool { return !o.InHand() && refunded(o) }) -
						c.sum(func(o returns.Outcome) bool { return o.InHand() && o.Final() && !refunded(o) })
				case returns.TriggerInspection:
					most = c.sum(refunded)
				}
				most = min(most, c.asked-c.expired-c.sum(func(o returns.Outcome) bool { return o.Final() && !refunded(o) }))
				if c.granted > most || c.granted > c.asked {
					t.Fatalf("%d of %d units of line %s are refunded, %d deserve it by %s", c.granted, c.asked, q.LineID, most, b.terms.Trigger)
				}
			}
		})
	})
}

// TestFactsAreNeverRefused: whatever state a return is in, well-formed news from outside is recorded.
func TestFactsAreNeverRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		history(t, func(r *returns.Return, _ *book, e returns.Event) {
			for _, c := range []returns.Command{
				returns.Receive{ID: r.ID, ReceiptID: "fresh", Location: "BER1", Lines: []returns.LineQuantity{units("l0", 2), units("unknown", 1)}, Now: t0},
				returns.RecordTracking{ID: r.ID, Carrier: "ups", TrackingNumber: "fresh", Now: t0},
				returns.RecordLabelOutcome{ID: r.ID, OperationID: "fresh", Outcome: returns.LabelSucceeded, LabelRef: "L", Now: t0},
			} {
				if events, err := returns.Decide(r, c); err != nil || len(events) == 0 {
					t.Fatalf("after %s: %s gives %v (%v)", e.EventType(), c.CommandType(), events, err)
				}
			}
		})
	})
}

// TestEveryReturnCanBeBroughtToAnEnd: from wherever it stands, doing what is due leads to a final status, and every unit that was
// paid for and did not deserve it is told exactly once.
func TestEveryReturnCanBeBroughtToAnEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var last *returns.Return
		told := map[string]int64{}
		count := func(e returns.Event) {
			if e, ok := e.(returns.RecoveryRequired); ok {
				for _, q := range e.Lines {
					told[q.LineID] += q.Quantity
				}
			}
		}
		history(t, func(r *returns.Return, _ *book, e returns.Event) {
			last = r
			count(e)
		})
		for n := 0; !last.Status().Final(); n++ {
			if n > 60 {
				t.Fatalf("still %s, allowed are %v", last.Status(), returns.Allowed(last))
			}
			c := next(last, fmt.Sprint("end", n))
			events, err := returns.Decide(last, c)
			if err != nil || len(events) == 0 {
				t.Fatalf("%s on a return that is %s: %v (%v)", c.CommandType(), last.Status(), events, err)
			}
			for _, e := range events {
				returns.Evolve(last, e)
				count(e)
			}
		}
		for i := range last.Lines {
			l := &last.Lines[i]
			paid, deserved := l.Granted, l.Units()
			if last.Replacement != nil {
				paid = l.Line.Quantity // these ship first
			}
			for _, o := range l.Outcomes {
				if !slices.Contains(last.Approval.Refundable, o.Outcome) {
					deserved -= o.Quantity
				}
			}
			if s := last.Status(); s == returns.StatusDeclined || s == returns.StatusCancelled {
				deserved = 0
			}
			if want := max(0, paid-deserved); told[l.Line.ID] < want || told[l.Line.ID] > paid {
				t.Fatalf("line %s of a return that is %s: %d units paid, %d deserve it, %d are told", l.Line.ID, last.Status(), paid, deserved, told[l.Line.ID])
			}
		}
	})
}

// next returns what a process would do next with r.
func next(r *returns.Return, id string) returns.Command {
	const ever domain.Time = 1 << 60
	if r.Status() == returns.StatusRequested {
		return returns.Decline{ID: r.ID, Now: ever}
	}
	for i := range r.Lines {
		l := &r.Lines[i]
		name := l.Line.ID
		switch {
		case l.Count(returns.OutcomeProcessingRequired) > 0:
			return returns.Regrade{
				ID: r.ID, RegradeID: id, LineID: name, Quantity: 1, From: returns.OutcomeProcessingRequired, To: returns.OutcomeDamaged, Now: ever,
			}
		case l.Outstanding() > 0:
			return returns.Expire{ID: r.ID, Now: ever}
		case l.Units() > l.Graded():
			return returns.Inspect{ID: r.ID, InspectionID: id, Lines: []returns.Grade{{LineID: name, Quantity: 1, Outcome: returns.OutcomeMissing}}, Now: ever}
		}
	}
	if due := r.RestockDue(); len(due) > 0 {
		return returns.RecordRestocked{ID: r.ID, RestockID: id, Lines: due, Now: ever}
	}
	if due := r.RefundDue(); len(due.Lines) > 0 {
		c := returns.RecordRefundGranted{ID: r.ID, RefundID: id, Now: ever}
		for _, q := range due.Lines {
			c.Lines = append(c.Lines, returns.RefundLine{LineID: q.LineID, Quantity: q.Quantity, Amount: money.New(700, r.Currency)})
		}
		gross := money.New(700*int64(len(c.Lines)), r.Currency)
		c.Fees = r.FeesOn(gross)
		c.Total = money.New(gross.Minor-c.Fees.Minor, r.Currency)
		return c
	}
	return returns.Close{ID: r.ID, Now: ever}
}
