package order_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain/order"
)

// lineOf returns line 1 of lineA with n units.
func lineOf(n int64) *order.Line {
	return &order.Line{ID: "1", SKU: "A", Quantity: n, UnitPrice: "10.00", Total: eur(1000 * n), RequiresShipping: true}
}

func goods(minor int64) order.Totals {
	return order.Totals{Goods: eur(minor), Discount: eur(0), Shipping: eur(0), Surcharge: eur(0), Tax: eur(0), Grand: eur(minor)}
}

// propose asks for n units instead of three.
func propose(o *order.Order, id string, n int64) order.ProposeAmendment {
	return order.ProposeAmendment{
		ID: orderID, AmendmentID: id, BaseVersion: o.Version, Totals: goods(1000 * n), Now: t0,
		Ops: []order.AmendOp{{Kind: order.AmendChangeQuantity, Line: lineOf(n)}},
	}
}

// TestAmendmentOfPricesOnly: who asks for no more than other prices gets neither other units nor a dearer order, whoever proposed it.
func TestAmendmentOfPricesOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(l *order.Line)
		grand  int64
		want   string
	}{
		{"cheaper", func(*order.Line) {}, 2900, "amendment_proposed"},
		{"at the same price", func(*order.Line) {}, 3000, "amendment_proposed"},
		{"dearer", func(*order.Line) {}, 3001, "amendment-out-of-reach"},
		{"more units", func(l *order.Line) { *l = *lineOf(4) }, 2900, "amendment-out-of-reach"},
		{"fewer units", func(l *order.Line) { *l = *lineOf(2) }, 2000, "amendment-out-of-reach"},
		{"from elsewhere", func(l *order.Line) { l.Location = "ELSEWHERE" }, 2900, "amendment-out-of-reach"},
		{"may wait", func(l *order.Line) { l.AllowBackorder = true }, 2900, "amendment-out-of-reach"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := lineA(t, 0)
			line := o.Lines[0].Line
			line.Net = eur(0)
			tt.change(&line)
			off := tt.grand - line.Total.Minor
			c := order.ProposeAmendment{
				ID: orderID, AmendmentID: "a1", BaseVersion: o.Version, Now: t0, PricesOnly: true, Totals: goods(line.Total.Minor),
				Ops: []order.AmendOp{
					{Kind: order.AmendChangeQuantity, Line: &line},
					{Kind: order.AmendAddSurcharge, Surcharge: &order.Surcharge{ID: "s", Amount: eur(off), Total: eur(off)}},
				},
			}
			c.Totals.Surcharge, c.Totals.Grand = eur(off), eur(tt.grand)
			says(t, o, c, tt.want)
			if tt.want != "amendment_proposed" {
				c.PricesOnly = false
				says(t, o, c, "amendment_proposed")
			}
			accept := order.AcceptAmendment{ID: orderID, AmendmentID: "a1", PricesOnly: true, Now: t0}
			if tt.want == "amendment_proposed" {
				says(t, o, accept, "amended")
				return
			}
			says(t, o, accept, tt.want)
			accept.PricesOnly = false
			says(t, o, accept, "amended")
		})
	}
}

func TestAmendment(t *testing.T) {
	t.Parallel()
	accept := func(id string) order.Command { return order.AcceptAmendment{ID: orderID, AmendmentID: id, Now: t0} }
	withdraw := func(id string) order.Command { return order.WithdrawAmendment{ID: orderID, AmendmentID: id, Now: t0} }
	o := lineA(t, 0)
	more := propose(o, "a1", 4)
	if e := says(t, o, more, "amendment_proposed")[0].(order.AmendmentProposed); e.BalanceDelta != eur(1000) {
		t.Errorf("delta %s", e.BalanceDelta)
	}
	says(t, o, more, "done")
	says(t, o, propose(o, "a1", 5), "amendment-conflict")
	says(t, o, propose(o, "a2", 5), "amendment-open")
	says(t, o, accept("a9"), "unknown-amendment")
	says(t, o, accept("a1"), "amended")
	says(t, o, accept("a1"), "done")
	says(t, o, withdraw("a1"), "amendment-closed")
	if l := o.Lines[0]; l.Ordered() != 4 || o.Due() != eur(4000) {
		t.Errorf("%d units for %s", l.Ordered(), o.Due())
	}
	stale := propose(o, "a3", 5)
	stale.BaseVersion--
	says(t, o, stale, "amendment-stale")
	says(t, o, cancel("c1", 1), "lines_cancelled")           // 10.00 given back
	says(t, o, propose(o, "a4", 0), "quantity-exceeds-open") // one is cancelled
	ship(t, o, "f1", 1)
	says(t, o, propose(o, "a4", 1), "already-shipped") // one is cancelled, one shipped
	says(t, o, propose(o, "a4", 2), "amendment_proposed")
	do(t, o, order.AssignFulfilment{ID: orderID, FulfilmentID: "f2", Location: "BER1", Lines: one(1), Now: t0})
	says(t, o, accept("a4"), "already-shipped") // a unit of what would go is handed out meanwhile
	says(t, o, withdraw("a4"), "amendment_withdrawn")
	says(t, o, withdraw("a4"), "done")
	says(t, o, accept("a4"), "amendment-closed")
	wrong := propose(o, "a5", 5)
	wrong.Totals.Grand.Minor++
	says(t, o, wrong, "totals-mismatch")
	do(t, o, order.PlaceHold{ID: orderID, HoldID: "h1", Kind: order.HoldManual, Blocks: []order.Verb{order.VerbAmend}, Now: t0})
	says(t, o, propose(o, "a5", 5), "hold-active")
}

func TestAmendmentOperations(t *testing.T) {
	t.Parallel()
	o := lineA(t, 0)
	added := order.Line{ID: "2", SKU: "B", Quantity: 1, UnitPrice: "5", Total: eur(500)}
	off := lineOf(3)
	off.Discounts, off.Total = []order.Discount{{ID: "d", Amount: eur(300)}}, eur(2700)
	do(t, o, order.ProposeAmendment{
		ID: orderID, AmendmentID: "a1", BaseVersion: o.Version, Now: t0, Ops: []order.AmendOp{
			{Kind: order.AmendAddLine, Line: &added},
			{Kind: order.AmendApplyDiscount, Line: off},
			{Kind: order.AmendChangeShipping, Shipping: []order.ShippingLine{{ID: "s", Amount: eur(400), Total: eur(400)}}},
			{Kind: order.AmendAddSurcharge, Surcharge: &order.Surcharge{ID: "f", Amount: eur(50), Total: eur(50)}},
		},
		Totals: order.Totals{Goods: eur(3500), Discount: eur(300), Shipping: eur(400), Surcharge: eur(50), Tax: eur(0), Grand: eur(3650)},
	})
	do(t, o, order.AcceptAmendment{ID: orderID, AmendmentID: "a1", Now: t0})
	if o.Due() != eur(3650) || len(o.Lines) != 2 {
		t.Fatalf("%d lines for %s", len(o.Lines), o.Due())
	}
	remove := order.ProposeAmendment{
		ID: orderID, AmendmentID: "a2", BaseVersion: o.Version, Now: t0, Ops: []order.AmendOp{{Kind: order.AmendRemoveLine, LineID: "2"}},
		Totals: order.Totals{Goods: eur(3000), Discount: eur(300), Shipping: eur(400), Surcharge: eur(50), Tax: eur(0), Grand: eur(3150)},
	}
	for _, op := range []order.AmendOp{{Kind: "price"}, {Kind: order.AmendAddLine}, {Kind: order.AmendAddSurcharge}} {
		bad := remove
		bad.Ops = []order.AmendOp{op}
		says(t, o, bad, "invalid-field")
	}
	says(t, o, remove, "amendment_proposed")
	says(t, o, order.AcceptAmendment{ID: orderID, AmendmentID: "a2", Now: t0}, "amended")
	if o.Due() != eur(3150) || len(o.Lines) != 1 {
		t.Fatalf("%d lines for %s", len(o.Lines), o.Due())
	}
}

// 55, as far as the order goes: an amendment that could not be paid leaves the order as it was.
func TestScenario55AmendmentNeedsMoney(t *testing.T) {
	t.Parallel()
	o := lineA(t, 0)
	do(t, o, paid(1, 3000, 0, 0))
	do(t, o, propose(o, "a1", 4))
	do(t, o, order.WithdrawAmendment{ID: orderID, AmendmentID: "a1", Now: t0})
	ship(t, o, "f1", 3)
	if o.Due() != eur(3000) || o.Lines[0].Shipped != 3 {
		t.Fatalf("%s, %+v", o.Due(), o.Lines[0])
	}
}

// O5: an amendment is made from the order as it is, takes no unit that somebody has claimed, and what is given back in all
// is exactly what the order then costs.
func TestO5AmendmentsTakeOpenUnitsOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := shippable(t, 3, 3000)
		for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
			var c order.Command
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				n := rapid.Int64Range(1, 8).Draw(t, "units")
				total := rapid.Int64Range(0, 8000).Draw(t, "total")
				line := &order.Line{
					ID: "1", SKU: "A", Quantity: n, UnitPrice: "10000", Discounts: []order.Discount{{ID: "d", Amount: eur(n*1_000_000 - total)}},
					Total: eur(total), RequiresShipping: true,
				}
				c = order.ProposeAmendment{
					ID: orderID, AmendmentID: fmt.Sprint("a", i), BaseVersion: rapid.Int64Range(1, o.Version).Draw(t, "base"), Now: t0,
					Ops: []order.AmendOp{{Kind: order.AmendChangeQuantity, Line: line}},
					Totals: order.Totals{
						Goods: eur(n * 1_000_000), Discount: eur(n*1_000_000 - total), Shipping: eur(1000), Surcharge: eur(0), Tax: eur(0), Grand: eur(total + 1000),
					},
				}
			case 2:
				if len(o.Amendments) > 0 {
					c = order.AcceptAmendment{ID: orderID, AmendmentID: o.Amendments[len(o.Amendments)-1].AmendmentID, Now: t0}
				}
			case 3:
				c = order.AssignFulfilment{ID: orderID, FulfilmentID: fmt.Sprint("f", i), Location: "BER1", Lines: one(1), Now: t0}
			case 4:
				c = order.UnassignFulfilment{ID: orderID, FulfilmentID: fmt.Sprint("f", i-1), UnassignmentID: "u", Reason: order.UnassignShort, Now: t0}
			}
			if c == nil {
				continue
			}
			events, _ := order.Decide(o, c)
			if p, ok := c.(order.ProposeAmendment); ok && len(events) > 0 && p.BaseVersion < o.Changed {
				t.Fatalf("an amendment of version %d was taken, the order changed at %d", p.BaseVersion, o.Changed)
			}
			for _, e := range events {
				order.Evolve(o, e)
			}
			if l := o.Lines[0]; l.Open() < 0 {
				t.Fatalf("%s: %+v", c.CommandType(), l)
			}
			if i == 3 && o.Lines[0].Open() > 0 && o.Lines[0].Assigned == 0 {
				events, _ = order.Decide(o, order.Cancel{ID: orderID, CancellationID: "c", Lines: one(1), Now: t0})
				for _, e := range events {
					order.Evolve(o, e)
				}
			}
			if o.Due().Minor < 0 || o.Lines[0].Credited.Minor > o.Lines[0].Line.Net.Minor {
				t.Fatalf("%s: the order costs %s, %+v", c.CommandType(), o.Due(), o.Lines[0])
			}
		}
	})
}
