package order_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain/money"
	"waybill/domain/order"
)

// The invariants of the order, each a test that fails when the rule behind it is taken out. O4, one order for a channel and
// source reference, is a claim of the commit: package commands holds it.

// O1: no counter of a line is ever below zero, and they add up to what was ordered; tokens and counters say the same.
func TestO1OpenIsNeverBelowZero(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		walk(t, func(t *rapid.T, s step) {
			for i := range s.after.Lines {
				l := &s.after.Lines[i]
				for _, n := range []int64{l.Open(), l.Cancelled, l.Assigned, l.Shipped, l.Delivered, l.Shipped - l.Delivered} {
					if n < 0 {
						t.Fatalf("%s: %+v", s.command.CommandType(), l)
					}
				}
				asked := int64(0)
				for j := range s.after.Requests {
					asked += quantity(s.after.Requests[j].Rest(), l.Line.ID)
				}
				if asked != l.CancelRequested {
					t.Fatalf("%s: cancellations wait for %d: %+v", s.command.CommandType(), asked, l)
				}
				assigned, shipped, delivered := held(s.after, l.Line.ID)
				if assigned != l.Assigned || shipped != l.Shipped || delivered != l.Delivered {
					t.Fatalf("%s: the fulfilments have %d, sent %d, of which %d arrived: %+v", s.command.CommandType(), assigned, shipped, delivered, l)
				}
			}
		})
	})
}

// held counts the units of a line by the tokens of the fulfilments.
func held(o *order.Order, line string) (assigned, shipped, delivered int64) {
	for i := range o.Fulfilments {
		f := &o.Fulfilments[i]
		assigned += quantity(f.Lines, line)
		for _, u := range f.Unassigned {
			assigned -= quantity(u.Lines, line)
		}
		for _, p := range f.Parcels {
			assigned, shipped = assigned-quantity(p.Lines, line), shipped+quantity(p.Lines, line)
			if !p.DeliveredAt.IsZero() {
				delivered += quantity(p.Lines, line)
			}
		}
	}
	return assigned, shipped, delivered
}

// O2: an order whose amounts do not add up, to the last minor unit, is refused, whichever amount is off.
func TestO2TotalsAddUpExactly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawDetails(t)
		if got := verdict(order.Decide(new(order.Order), order.Place{ID: orderID, Details: d, Now: t0})); got != "placed" {
			t.Fatalf("a good order: %s", got)
		}
		off := rapid.SampledFrom([]int64{-1, 1}).Draw(t, "off")
		switch rapid.IntRange(0, 4).Draw(t, "amount") {
		case 0:
			d.Totals.Grand.Minor += off
		case 1:
			d.Totals.Goods.Minor += off
		case 2:
			d.Totals.Tax.Minor += off
		case 3:
			d.Lines[0].Total.Minor += off
		case 4:
			d.Totals.Shipping.Minor += off
		}
		if got := verdict(order.Decide(new(order.Order), order.Place{ID: orderID, Details: d, Now: t0})); got != "totals-mismatch" {
			t.Fatalf("an amount that is off by %d: %s", off, got)
		}
	})
}

// O3: a line has a whole number of units, at least one; an order has a line at least; ids of lines are unique.
func TestO3LinesAreUniqueAndNotEmpty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawDetails(t)
		switch rapid.IntRange(0, 2).Draw(t, "wrong") {
		case 0:
			d.Lines = nil
		case 1:
			d.Lines[rapid.IntRange(0, len(d.Lines)-1).Draw(t, "line")].Quantity = -rapid.Int64Range(0, 5).Draw(t, "quantity")
		case 2:
			d.Lines = append(d.Lines, d.Lines[rapid.IntRange(0, len(d.Lines)-1).Draw(t, "line")])
		}
		if got := verdict(order.Decide(new(order.Order), order.Place{ID: orderID, Details: d, Now: t0})); got != "invalid-field" {
			t.Fatalf("%s", got)
		}
	})
}

// O6: what came back, and what may come back, was shipped; and each unit of a return ends once.
func TestO6ReturnsNeverExceedShipped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		walk(t, func(t *rapid.T, s step) {
			for i := range s.after.Lines {
				l := &s.after.Lines[i]
				open, returned := int64(0), int64(0)
				for j := range s.after.Returns {
					r := &s.after.Returns[j]
					open += quantity(r.Lines, l.Line.ID)
					for _, b := range r.Released {
						open -= quantity(b.Lines, l.Line.ID)
					}
					for _, g := range r.Outcomes {
						for _, u := range g.Lines {
							if u.LineID != l.Line.ID {
								continue
							}
							open -= u.Quantity
							if u.Outcome != order.OutcomeRejectedSentBack {
								returned += u.Quantity
							}
						}
					}
				}
				if open != l.ReturnAuthorised || returned != l.Returned || open < 0 || open+returned > l.Shipped {
					t.Fatalf("%s: returns have %d, %d came back: %+v", s.command.CommandType(), open, returned, l)
				}
			}
		})
	})
}

// O7: no line, and no delivery, is refunded for more than was paid for it; all refunds together are no more than was
// captured when they were granted; and what an order costs is never below zero.
func TestO7RefundsNeverExceedEntitlement(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		walk(t, func(t *rapid.T, s step) {
			o := s.after
			if o.Due().Minor < 0 {
				t.Fatalf("%s: the order costs %s", s.command.CommandType(), o.Due())
			}
			var all, shipping, paid int64
			byLine := map[string][2]int64{}
			for i := range o.Refunds {
				g := &o.Refunds[i]
				all, shipping = all+g.Amount.Minor, shipping+g.Shipping.Minor
				for _, r := range g.Lines {
					byLine[r.LineID] = [2]int64{byLine[r.LineID][0] + r.Quantity, byLine[r.LineID][1] + r.Amount.Minor}
				}
			}
			for i := range o.Details.Shipping {
				paid += o.Details.Shipping[i].Total.Minor
			}
			if shipping > paid {
				t.Fatalf("%s: %d refunded for delivery of %d", s.command.CommandType(), shipping, paid)
			}
			for i := range o.Lines {
				l := &o.Lines[i]
				if r := byLine[l.Line.ID]; r[0] > l.Shipped || r[1] > l.Line.Net.Minor-l.Credited.Minor {
					t.Fatalf("%s: %d units and %d refunded: %+v", s.command.CommandType(), r[0], r[1], l)
				}
				if l.ReturnRefunded > l.Shipped {
					t.Fatalf("%s: %+v", s.command.CommandType(), l)
				}
			}
			granted := slices.ContainsFunc(s.events, func(e order.Event) bool { return e.EventType() == order.TypeRefundGranted })
			if m := s.before.Money(); granted && all > m.Captured.Minor-m.Disputed.Minor {
				t.Fatalf("%d granted of %s captured", all, m.Captured)
			}
		})
	})
	rapid.Check(t, func(t *rapid.T) { // where more was captured than the order costs
		o := shippable(t, 3, 3000)
		decided(t, o, order.RecordPaymentPosition{ID: orderID, Position: position("p", 1, order.PaymentStateCaptured, 20_000, 20_000, 0), Now: t0})
		for i := range 4 {
			c := order.GrantRefund{ID: orderID, RefundID: fmt.Sprint("r", i), Basis: order.RefundGoodwill, Adjustment: eur(rapid.Int64Range(1, 4000).Draw(t, "more")), Now: t0}
			events, err := order.Decide(o, c)
			for _, e := range events {
				order.Evolve(o, e)
			}
			if o.Due().Minor < 0 || len(events) == 0 && err == nil {
				t.Fatalf("the order costs %s", o.Due())
			}
		}
	})
}

// O8: whatever the runs in which the units of a line are given back, by cancellations and refunds, they add up to exactly
// what the line is worth, and k units to the k-th part of it, rounded once.
func TestO8UnitRefundsAddUpToTheLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, total := rapid.Int64Range(1, 30).Draw(t, "units"), rapid.Int64Range(0, 10_000).Draw(t, "total")
		o := shippable(t, n, total)
		given, amount := int64(0), int64(0)
		cancelled := rapid.Int64Range(0, n-1).Draw(t, "cancelled")
		step := func(q int64, credit money.Money) {
			given, amount = given+q, amount+credit.Minor
			if want, err := money.Portion(eur(total), given, n); err != nil || amount != want.Minor {
				t.Fatalf("%d of %d units of %d gave back %d, want %s (%v)", given, n, total, amount, want, err)
			}
		}
		if cancelled > 0 {
			e := decided(t, o, order.Cancel{ID: orderID, CancellationID: "c1", Lines: one(cancelled), Now: t0})[0].(order.LinesCancelled)
			step(cancelled, e.Credit)
		}
		decided(t, o, order.AssignFulfilment{ID: orderID, FulfilmentID: "f", Location: "BER1", Lines: one(n - cancelled), Now: t0})
		decided(t, o, order.RecordShipped{ID: orderID, FulfilmentID: "f", ParcelID: "b", Lines: one(n - cancelled), Now: t0})
		decided(t, o, order.RecordPaymentPosition{ID: orderID, Position: position("p", 1, order.PaymentStateCaptured, total+1000, total+1000, 0), Now: t0})
		decided(t, o, order.AuthoriseReturn{ID: orderID, ReturnID: "t", Lines: one(n - cancelled), Now: t0})
		for i := 0; given < n; i++ {
			q := rapid.Int64Range(1, n-given).Draw(t, "refunded")
			c := order.GrantRefund{ID: orderID, RefundID: fmt.Sprint("r", i), Basis: order.RefundReturn, Lines: one(q), Shipping: eur(1), Now: t0}
			e := decided(t, o, c)[0].(order.RefundGranted)
			step(q, e.Lines[0].Amount)
		}
		if amount != total {
			t.Fatalf("%d units gave back %d of %d", n, amount, total)
		}
	})
}

// shippable returns a confirmed order of n units for total, and delivery for 1000.
func shippable(t *rapid.T, n, total int64) *order.Order {
	o := new(order.Order)
	decided(t, o, order.Place{ID: orderID, Now: t0, Details: order.Details{
		Number: "N", Channel: "web", Currency: "EUR",
		Lines: []order.Line{{
			ID: "1", SKU: "A", Quantity: n, UnitPrice: "10000", Discounts: []order.Discount{{ID: "d", Amount: eur(n*1_000_000 - total)}},
			Total: eur(total), RequiresShipping: true,
		}},
		Shipping: []order.ShippingLine{{ID: "s", Amount: eur(1000), Total: eur(1000)}},
		Totals: order.Totals{
			Goods: eur(n * 1_000_000), Discount: eur(n*1_000_000 - total), Shipping: eur(1000), Surcharge: eur(0), Tax: eur(0), Grand: eur(total + 1000),
		},
	}})
	decided(t, o, order.Confirm{ID: orderID, Now: t0})
	return o
}

// decided is do for rapid.
func decided(t *rapid.T, o *order.Order, c order.Command) []order.Event {
	events, err := order.Decide(o, c)
	if err != nil {
		t.Fatalf("%s: %v", c.CommandType(), err)
	}
	for _, e := range events {
		order.Evolve(o, e)
	}
	return events
}

func quantity(lines []order.LineQuantity, line string) (n int64) {
	for _, q := range lines {
		if q.LineID == line {
			n += q.Quantity
		}
	}
	return n
}

// O9: while a hold blocks shipping, nothing is handed out; while one blocks cancelling, nothing is cancelled.
func TestO9HoldsBlockTheirVerbs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		walk(t, func(t *rapid.T, s step) {
			verb := map[string]order.Verb{
				order.CommandAssignFulfilment: order.VerbShip, order.CommandCancel: order.VerbCancel, order.CommandConfirm: order.VerbConfirm,
			}[s.command.CommandType()]
			if verb != "" && len(s.events) > 0 && len(s.before.Blocking(verb, s.after.UpdatedAt)) > 0 {
				t.Fatalf("%s went through a hold on %s", s.command.CommandType(), verb)
			}
		})
	})
}

// O10: what was shipped is never cancelled.
func TestO10ShippedUnitsAreNeverCancelled(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		walk(t, func(t *rapid.T, s step) {
			for i := range s.after.Lines {
				if l := &s.after.Lines[i]; l.Cancelled+l.Shipped > l.Ordered() {
					t.Fatalf("%s: %+v", s.command.CommandType(), l)
				}
			}
			if s.after.Lifecycle == order.LifecycleCancelled && slices.ContainsFunc(s.after.Lines, func(l order.LineState) bool { return l.Shipped > 0 }) {
				t.Fatalf("%s cancelled an order of which something was shipped", s.command.CommandType())
			}
		})
	})
}

// O11: an order is completed only when all is delivered, paid, and let go.
func TestO11CompletedMeansSettled(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		walk(t, func(t *rapid.T, s step) {
			if !slices.ContainsFunc(s.events, func(e order.Event) bool { return e.EventType() == order.TypeCompleted }) {
				return
			}
			b := s.before
			for i := range b.Lines {
				l := &b.Lines[i]
				if l.Assigned > 0 || l.Delivered < l.Shipped || l.Line.RequiresShipping && l.Open() > 0 {
					t.Fatalf("completed with %+v", l)
				}
			}
			if m := b.Money(); b.Due().Minor != m.Captured.Minor-m.Refunded.Minor-m.Disputed.Minor {
				t.Fatalf("completed with %s due and %+v", b.Due(), m)
			}
			if slices.ContainsFunc(b.Holds, func(h order.Hold) bool { return h.Active(s.after.CompletedAt) }) {
				t.Fatalf("completed with holds %+v", b.Holds)
			}
		})
	})
}

// O12: what has come to its end stays there, whatever is sent; and facts about it are still taken.
func TestO12NothingComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		walk(t, func(t *rapid.T, s step) {
			switch s.before.Lifecycle {
			case order.LifecycleRejected, order.LifecycleExpired, order.LifecycleCancelled, order.LifecycleCompleted:
				if s.after.Lifecycle != s.before.Lifecycle {
					t.Fatalf("%s made a %s order %s", s.command.CommandType(), s.before.Lifecycle, s.after.Lifecycle)
				}
				if _, bad := errors.AsType[order.InvalidTransition](s.err); bad && isFact(s.command) {
					t.Fatalf("the fact %s was refused: %v", s.command.CommandType(), s.err)
				}
			case order.LifecycleNone, order.LifecyclePending, order.LifecycleConfirmed, order.LifecycleCancelling:
			}
		})
	})
}

func isFact(c order.Command) bool {
	return slices.Contains([]string{order.CommandRecordPaymentPosition, order.CommandRecordShipped, order.CommandRecordDelivered}, c.CommandType())
}

// TestEveryWalkReplays folds what random commands caused again, from their stored form and through a snapshot.
func TestEveryWalkReplays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var log []order.Event
		var o *order.Order
		walk(t, func(t *rapid.T, s step) {
			if s.err != nil && !reflect.DeepEqual(s.before, clone(t, s.after)) {
				t.Fatalf("%s was refused and changed the order", s.command.CommandType())
			}
			log, o = append(log, s.events...), s.after
			checkInvariants(t, o)
		})
		checkReplay(t, o, log)
	})
}
