package order_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

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
	sum := func(lines []order.LineQuantity) (n int64) {
		for _, q := range lines {
			if q.LineID == line {
				n += q.Quantity
			}
		}
		return n
	}
	for i := range o.Fulfilments {
		f := &o.Fulfilments[i]
		assigned += sum(f.Lines)
		for _, u := range f.Unassigned {
			assigned -= sum(u.Lines)
		}
		for _, p := range f.Parcels {
			assigned, shipped = assigned-sum(p.Lines), shipped+sum(p.Lines)
			if !p.DeliveredAt.IsZero() {
				delivered += sum(p.Lines)
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
