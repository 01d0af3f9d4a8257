package order_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
)

// drawDetails draws an order whose totals add up, of any shape that the rules allow.
func drawDetails(t *rapid.T) order.Details {
	c := money.Currency(rapid.SampledFrom([]string{"EUR", "JPY", "KWD"}).Draw(t, "currency"))
	amount := func(label string, low, high int64) money.Money {
		return money.New(rapid.Int64Range(low, high).Draw(t, label), c)
	}
	d := order.Details{
		Number: "N1", Channel: "web", Currency: c,
		Rounding: order.Rounding{
			Level: rapid.SampledFrom([]order.RoundingLevel{order.RoundLine, order.RoundUnit}).Draw(t, "level"),
			Mode:  rapid.SampledFrom([]money.Mode{money.HalfEven, money.HalfUp, money.HalfDown}).Draw(t, "mode"),
		},
		Totals: totals(c, 0),
	}
	var lines int64
	for n := range rapid.IntRange(1, 5).Draw(t, "lines") {
		l := order.Line{
			ID: fmt.Sprint("l", n), RequiresShipping: rapid.IntRange(0, 4).Draw(t, "goods") > 0, SKU: rapid.SampledFrom([]string{"A", "B", "BANK CHARGES"}).Draw(t, "sku"),
			Quantity:  rapid.Int64Range(1, 20).Draw(t, "quantity"),
			UnitPrice: money.Price(fmt.Sprintf("%d.%03d", rapid.IntRange(0, 99).Draw(t, "whole"), rapid.IntRange(0, 999).Draw(t, "part"))),
		}
		goods, err := l.UnitPrice.Times(l.Quantity, c, d.Rounding.Mode)
		if d.Rounding.Level == order.RoundUnit {
			unit, unitErr := l.UnitPrice.Times(1, c, d.Rounding.Mode)
			goods, err = money.New(unit.Minor*l.Quantity, c), unitErr
		}
		if err != nil {
			t.Fatal(err)
		}
		l.Total = goods
		d.Totals.Goods.Minor += goods.Minor
		if rapid.Bool().Draw(t, "discounted") {
			off := amount("discount", 0, goods.Minor)
			l.Discounts = []order.Discount{{ID: "d", Amount: off}}
			l.Total.Minor -= off.Minor
			d.Totals.Discount.Minor += off.Minor
		}
		if rapid.Bool().Draw(t, "taxed") {
			tax := amount("tax", 0, 500)
			l.Taxes = []order.Tax{{Code: "VAT", Amount: tax}}
			d.Totals.Tax.Minor += tax.Minor
			if l.PriceIncludesTax = rapid.Bool().Draw(t, "included"); !l.PriceIncludesTax {
				l.Total.Minor += tax.Minor
			}
		}
		lines += l.Total.Minor
		d.Lines = append(d.Lines, l)
	}
	d.Totals.Grand.Minor = lines
	if rapid.Bool().Draw(t, "delivered") {
		a := amount("shipping", 0, 1000)
		d.Shipping = []order.ShippingLine{{ID: "s", Amount: a, Total: a}}
		d.Totals.Shipping.Minor += a.Minor
		d.Totals.Grand.Minor += a.Minor
	}
	if rapid.Bool().Draw(t, "surcharged") {
		a := amount("surcharge", -lines, 1000)
		d.Surcharges = []order.Surcharge{{ID: "f", Amount: a, Total: a}}
		d.Totals.Surcharge.Minor += a.Minor
		d.Totals.Grand.Minor += a.Minor
	}
	return d
}

// TestLedgersUnderRandomCommands sends random commands and holds every state on the way to the invariants.
func TestLedgersUnderRandomCommands(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawDetails(t)
		o := new(order.Order)
		now := t0
		var log []order.Event
		do := func(c order.Command) {
			events, err := order.Decide(o, c)
			if _, ok := errors.AsType[domain.Refusal](err); err != nil && !ok {
				t.Fatalf("%T: %v", c, err)
			}
			for _, e := range events {
				order.Evolve(o, e)
				log = append(log, e)
				checkInvariants(t, o)
			}
		}
		do(order.Place{ID: orderID, Details: d, Now: now})
		if o.Lifecycle != order.LifecyclePending {
			t.Fatal("a good order was refused")
		}
		for n := range rapid.IntRange(0, 20).Draw(t, "commands") {
			now += domain.Time(rapid.Int64Range(0, 10).Draw(t, "pause"))
			do(drawCommand(t, o, n, now))
		}
		checkReplay(t, o, log)
		if o.Lifecycle == order.LifecycleCancelled && o.Credited != o.Details.Totals.Grand {
			t.Fatalf("cancelled as a whole, %s of %s was credited", o.Credited, o.Details.Totals.Grand)
		}
	})
}

func drawCommand(t *rapid.T, o *order.Order, n int, now domain.Time) order.Command {
	switch rapid.IntRange(0, 9).Draw(t, "command") {
	case 0:
		return order.Confirm{ID: orderID, Now: now}
	case 1:
		return order.Cancel{ID: orderID, CancellationID: fmt.Sprint("c", n), Now: now}
	case 2:
		return order.PlaceHold{ID: orderID, HoldID: fmt.Sprint("h", n%3), Kind: order.HoldManual, Blocks: []order.Verb{order.VerbCancel}, Until: now + 5, Now: now}
	case 3:
		return order.ReleaseHold{ID: orderID, HoldID: fmt.Sprint("h", n%3), Now: now}
	}
	var lines []order.LineQuantity
	for i := range o.Lines {
		if q := rapid.Int64Range(0, o.Lines[i].Ordered()+1).Draw(t, "units"); q > 0 {
			lines = append(lines, order.LineQuantity{LineID: o.Lines[i].Line.ID, Quantity: q})
		}
	}
	return order.Cancel{ID: orderID, CancellationID: fmt.Sprint("c", n), Lines: lines, Now: now}
}

func checkInvariants(t *rapid.T, o *order.Order) {
	var credited, net int64
	for i := range o.Lines {
		l := &o.Lines[i]
		if l.Open() < 0 || l.Cancelled < 0 || l.Ordered() != l.Cancelled+l.Assigned+l.Shipped+l.Open() {
			t.Fatalf("line %s: %+v", l.Line.ID, l)
		}
		if l.Line.Net.Minor < 0 || l.Credited.Minor < 0 || l.Credited.Minor > l.Line.Net.Minor {
			t.Fatalf("line %s is worth %s and %s was credited", l.Line.ID, l.Line.Net, l.Credited)
		}
		if l.Cancelled == l.Ordered() && l.Credited != l.Line.Net {
			t.Fatalf("line %s is cancelled, %s of %s was credited", l.Line.ID, l.Credited, l.Line.Net)
		}
		credited += l.Credited.Minor
		net += l.Line.Net.Minor
	}
	if o.Lifecycle != order.LifecycleCancelled && o.Granted.IsZero() && o.Credited.Minor != credited {
		t.Fatalf("credited %s, the lines say %d", o.Credited, credited)
	}
	rest := o.Details.Totals.Grand.Minor - net // delivery and fees
	if rest < 0 || o.Due().Minor < 0 {
		t.Fatalf("%d belong to no line, due is %s", rest, o.Due())
	}
}

// checkReplay folds the stored form of the log, from the start and from a snapshot in the middle, to the same state.
func checkReplay(t *rapid.T, want *order.Order, log []order.Event) {
	o := new(order.Order)
	cut := rapid.IntRange(0, len(log)).Draw(t, "snapshot after")
	for n, e := range log {
		if n == cut {
			data, err := order.EncodeSnapshot(o)
			if err != nil {
				t.Fatal(err)
			}
			if o, err = order.DecodeSnapshot(order.SnapshotSchema, data); err != nil {
				t.Fatal(err)
			}
		}
		typ, schema, data, err := order.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := order.Decode(typ, schema, data)
		if err != nil {
			t.Fatal(err)
		}
		order.Evolve(o, back)
	}
	if !reflect.DeepEqual(o, want) {
		t.Fatalf("replayed to\n%+v, want\n%+v", o, want)
	}
}
