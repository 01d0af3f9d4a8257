package order_test

import (
	"errors"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
)

// step is one command of a walk: what it was sent to, and what came of it.
type step struct {
	before  *order.Order // a copy
	command order.Command
	events  []order.Event
	err     error
	after   *order.Order
}

// walk sends random commands of every kind to an order and calls check after each. Ids come from small pools, so that
// commands come again, and others under the same id.
func walk(t *rapid.T, check func(t *rapid.T, s step)) {
	o := new(order.Order)
	now := t0
	send := func(c order.Command) {
		s := step{before: clone(t, o), command: c}
		s.events, s.err = order.Decide(o, c)
		if _, refused := errors.AsType[domain.Refusal](s.err); s.err != nil && !refused {
			t.Fatalf("%s: %v", c.CommandType(), s.err)
		}
		for _, e := range s.events {
			order.Evolve(o, e)
		}
		s.after = o
		check(t, s)
	}
	send(order.Place{ID: orderID, Details: drawDetails(t), Now: now})
	if rapid.IntRange(0, 9).Draw(t, "confirmed") > 0 {
		send(order.Confirm{ID: orderID, Now: now})
	}
	if rapid.IntRange(0, 2).Draw(t, "settled") == 0 {
		for _, c := range settle(t, o, now) {
			send(c)
		}
	}
	kinds := walkers()
	for n := range rapid.IntRange(0, 40).Draw(t, "commands") {
		now += domain.Time(rapid.Int64Range(0, 10).Draw(t, "pause"))
		send(rapid.SampledFrom(kinds).Draw(t, "kind")(t, o, n, now))
	}
}

// settle returns what brings an order near its end: all of it shipped and paid, and at times arrived.
func settle(t *rapid.T, o *order.Order, now domain.Time) []order.Command {
	lines := open(o)
	full := drawPosition(t, o)
	full.Status, full.Captured = order.PaymentStateCaptured, full.Authorised
	commands := []order.Command{
		order.AssignFulfilment{ID: orderID, FulfilmentID: "f1", Location: "BER1", Lines: lines, Now: now},
		order.RecordShipped{ID: orderID, FulfilmentID: "f1", ParcelID: "b1", Lines: lines, Now: now},
		order.RecordPaymentPosition{ID: orderID, Position: full, Now: now},
		order.RecordDelivered{ID: orderID, FulfilmentID: "f1", ParcelID: "b1", Now: now},
		order.Complete{ID: orderID, Now: now},
	}
	return slices.DeleteFunc(commands, func(order.Command) bool { return rapid.IntRange(0, 4).Draw(t, "left out") == 0 })
}

// open returns all units that could be handed out.
func open(o *order.Order) []order.LineQuantity {
	var all []order.LineQuantity
	for i := range o.Lines {
		if l := &o.Lines[i]; l.Line.RequiresShipping && l.Open() > 0 {
			all = append(all, order.LineQuantity{LineID: l.Line.ID, Quantity: l.Open()})
		}
	}
	return all
}

func clone(t *rapid.T, o *order.Order) *order.Order {
	data, err := order.EncodeSnapshot(o)
	if err != nil {
		t.Fatal(err)
	}
	back, err := order.DecodeSnapshot(order.SnapshotSchema, data)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

// walker draws one command.
type walker = func(t *rapid.T, o *order.Order, n int, now domain.Time) order.Command

// pool draws an id of a few.
func pool(t *rapid.T, prefix string) string {
	return fmt.Sprint(prefix, rapid.IntRange(1, 3).Draw(t, prefix))
}

// units draws some units of some lines: mostly few, at times more than there are.
func units(t *rapid.T, o *order.Order) []order.LineQuantity {
	var lines []order.LineQuantity
	for i := range o.Lines {
		if q := rapid.Int64Range(-1, o.Lines[i].Ordered()/2+1).Draw(t, "units"); q > 0 {
			lines = append(lines, order.LineQuantity{LineID: o.Lines[i].Line.ID, Quantity: q})
		}
	}
	return lines
}

func walkers() []walker {
	return []walker{
		func(t *rapid.T, o *order.Order, n int, now domain.Time) order.Command {
			return drawCommand(t, o, n, now)
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			return order.RecordPaymentPosition{ID: orderID, Position: drawPosition(t, o), Now: now}
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			return order.RecordPaymentPosition{ID: orderID, Position: drawPosition(t, o), Now: now}
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			return order.AssignFulfilment{ID: orderID, FulfilmentID: pool(t, "f"), Location: "BER1", Lines: units(t, o), Now: now}
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			return order.AssignFulfilment{ID: orderID, FulfilmentID: pool(t, "f"), Location: "BER1", Lines: open(o), Now: now}
		},
		func(t *rapid.T, _ *order.Order, _ int, now domain.Time) order.Command {
			return order.PlaceHold{ID: orderID, HoldID: pool(t, "w"), Kind: order.HoldManual, Until: now + 20, Now: now}
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			return order.UnassignFulfilment{
				ID: orderID, FulfilmentID: pool(t, "f"), UnassignmentID: pool(t, "u"), Lines: units(t, o), Reason: order.UnassignShort, Now: now,
			}
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			return order.RecordShipped{ID: orderID, FulfilmentID: pool(t, "f"), ParcelID: pool(t, "b"), Lines: units(t, o), Now: now}
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			c := order.RecordShipped{ID: orderID, FulfilmentID: pool(t, "f"), ParcelID: pool(t, "b"), Now: now}
			for i := range o.Fulfilments {
				if o.Fulfilments[i].FulfilmentID == c.FulfilmentID {
					c.Lines = o.Fulfilments[i].Lines
				}
			}
			return c
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			c := order.RecordDelivered{ID: orderID, FulfilmentID: pool(t, "f"), ParcelID: pool(t, "b"), Now: now}
			if rapid.IntRange(0, 4).Draw(t, "named") == 0 {
				c.Lines = units(t, o)
			}
			return c
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			c := order.GrantRefund{
				ID: orderID, RefundID: pool(t, "r"), Now: now,
				Basis: rapid.SampledFrom([]order.RefundBasis{order.RefundReturn, order.RefundGoodwill, order.RefundGoodwill, order.RefundCancellation, order.RefundOverpayment, order.RefundLatePayment}).Draw(t, "basis"),
			}
			if c.Basis.Entitles() {
				c.Lines = units(t, o)
				c.Shipping = money.New(rapid.Int64Range(0, 600).Draw(t, "shipping"), o.Details.Currency)
			}
			if rapid.Bool().Draw(t, "adjusted") {
				most := rapid.SampledFrom([]int64{500, 2*o.Due().Minor + 1}).Draw(t, "most")
				c.Adjustment = money.New(rapid.Int64Range(-50, most).Draw(t, "adjustment"), o.Details.Currency)
			}
			return c
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			c := order.RecordRefundSettled{ID: orderID, RefundID: pool(t, "r"), Now: now}
			for i := range o.Refunds {
				if o.Refunds[i].RefundID == c.RefundID {
					c.Legs = []order.RefundLeg{{PaymentID: "p1", OperationID: pool(t, "op"), Amount: o.Refunds[i].Amount}}
				}
			}
			return c
		},
		func(t *rapid.T, _ *order.Order, _ int, now domain.Time) order.Command {
			return order.RecordRefundFailed{ID: orderID, RefundID: pool(t, "r"), PaymentID: "p1", OperationID: pool(t, "op"), Now: now}
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			return order.AuthoriseReturn{ID: orderID, ReturnID: pool(t, "t"), Lines: units(t, o), Now: now}
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			return order.ReleaseReturn{ID: orderID, ReturnID: pool(t, "t"), ReleaseID: pool(t, "x"), Lines: units(t, o), Now: now}
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			c := order.RecordReturnOutcome{ID: orderID, ReturnID: pool(t, "t"), OutcomeID: pool(t, "g"), Now: now}
			for _, q := range units(t, o) {
				c.Lines = append(c.Lines, order.OutcomeLine{
					LineID: q.LineID, Quantity: q.Quantity,
					Outcome: rapid.SampledFrom([]order.Outcome{order.OutcomeRestocked, order.OutcomeRejectedSentBack, order.OutcomeMissing}).Draw(t, "outcome"),
				})
			}
			return c
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			c := order.Cancel{ID: orderID, CancellationID: pool(t, "k"), Now: now}
			if rapid.IntRange(0, 3).Draw(t, "part") > 0 {
				c.Lines = units(t, o)
			}
			return c
		},
		func(t *rapid.T, _ *order.Order, _ int, now domain.Time) order.Command {
			return order.CompleteCancellation{ID: orderID, CancellationID: pool(t, "k"), Now: now}
		},
		func(t *rapid.T, o *order.Order, _ int, now domain.Time) order.Command {
			return order.DeclineCancellation{ID: orderID, CancellationID: pool(t, "k"), Lines: units(t, o), Now: now}
		},
		func(_ *rapid.T, _ *order.Order, _ int, now domain.Time) order.Command {
			return order.Complete{ID: orderID, Now: now}
		},
		func(_ *rapid.T, _ *order.Order, _ int, now domain.Time) order.Command {
			return order.Archive{ID: orderID, Now: now}
		},
	}
}

// drawPosition draws where a payment stands: often paid in full, at times an older version, or what contradicts itself.
func drawPosition(t *rapid.T, o *order.Order) order.PaymentPosition {
	c := o.Details.Currency
	p := order.PaymentPosition{
		PaymentID: pool(t, "p"), Version: rapid.Int64Range(1, 9).Draw(t, "version"), Status: order.PaymentStateAuthorised,
		Authorised: money.New(max(0, o.Due().Minor), c), Captured: money.New(0, c), Refunded: money.New(0, c),
		Disputed: money.New(0, c), Pending: money.New(0, c), RefundPending: money.New(0, c),
	}
	if rapid.Bool().Draw(t, "captured") {
		p.Status, p.Captured = order.PaymentStateCaptured, p.Authorised
		if rapid.IntRange(0, 3).Draw(t, "refunded") == 0 {
			p.Refunded.Minor = rapid.Int64Range(0, p.Captured.Minor).Draw(t, "back")
		}
	}
	return p
}
