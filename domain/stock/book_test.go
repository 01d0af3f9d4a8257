package stock_test

import (
	"reflect"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/stock"
)

// book is a second way of counting: it follows every unit of every reservation by the events alone.
type book struct {
	onHand, received, adjusted int64
	restocked, in, out, issued int64
	aside                      map[stock.Bucket]int64
	safety, limit              int64
	open                       map[string]*entry
	ended                      map[string]int64 // units of each reservation that have reached an end
	made                       map[string]int64
	back                       map[string]bool // units of returns that came back
	facts                      bool            // a fact has taken promised units
}

func newBook() *book {
	return &book{
		open: map[string]*entry{}, ended: map[string]int64{}, made: map[string]int64{}, back: map[string]bool{}, aside: map[stock.Bucket]int64{},
	}
}

// entry is an open reservation: units that are covered and belong to nobody, wait, or belong to a fulfilment.
type entry struct {
	covered, waiting int64
	allocated        map[string]int64
}

func (e *entry) total() int64 {
	n := e.covered + e.waiting
	for _, q := range e.allocated {
		n += q
	}
	return n
}

func (b *book) sums() (reserved, backordered, allocated int64) {
	for _, e := range b.open {
		reserved += e.total() - e.waiting
		backordered += e.waiting
		allocated += e.total() - e.waiting - e.covered
	}
	return reserved, backordered, allocated
}

func (b *book) sellable() int64 {
	n := b.onHand
	for _, q := range b.aside {
		n -= q
	}
	return n
}

func (b *book) record(t *rapid.T, e stock.Event) {
	switch e := e.(type) {
	case stock.Received:
		b.onHand, b.received = b.onHand+e.Quantity, b.received+e.Quantity
	case stock.Adjusted:
		b.onHand, b.adjusted = b.onHand+e.Delta, b.adjusted+e.Delta
	case stock.Counted:
		b.onHand, b.adjusted = e.Counted, b.adjusted+e.Counted-b.onHand
	case stock.TransferredIn:
		b.onHand, b.in = b.onHand+e.Quantity, b.in+e.Quantity
	case stock.TransferredOut:
		b.onHand, b.out = b.onHand-e.Quantity, b.out+e.Quantity
	case stock.MadeUnavailable:
		b.aside[e.Bucket] += e.Quantity
	case stock.MadeAvailable:
		b.aside[e.Bucket] -= e.Quantity
	case stock.Restocked:
		for _, id := range e.UnitIDs {
			if b.back[e.ReturnID+" "+id] {
				t.Fatalf("unit %s of %s came back twice", id, e.ReturnID)
			}
			b.back[e.ReturnID+" "+id] = true
		}
		b.onHand, b.restocked = b.onHand+int64(len(e.UnitIDs)), b.restocked+int64(len(e.UnitIDs))
		if e.Bucket != "" {
			b.aside[e.Bucket] += int64(len(e.UnitIDs))
		}
	case stock.OversoldDetected:
		b.facts = true
		if reserved, _, _ := b.sums(); e.Short != reserved-max(0, b.sellable()-b.safety) || e.Short <= 0 {
			t.Fatalf("%+v, but %d are reserved of %d", e, reserved, b.sellable()-b.safety)
		}
	case stock.BackorderPolicySet:
		b.limit = e.Limit
	case stock.SafetyStockSet:
		b.safety = e.Quantity
	case stock.Reserved:
		b.reserve(t, e)
	case stock.ReservationReleased:
		for _, p := range e.Parts {
			b.take(t, p.ReservationID, "", p.FromStock, p.Backordered, p.Closed)
		}
	case stock.AllocationReleased:
		for _, p := range e.Parts {
			b.take(t, p.ReservationID, e.FulfilmentID, p.FromStock, p.Backordered, p.Closed)
		}
	case stock.ReservationExpired:
		b.take(t, e.ReservationID, "", e.FromStock, e.Backordered, true)
	case stock.ReservationAllocated:
		for _, p := range e.Parts {
			b.move(t, p.ReservationID, e.FulfilmentID, p.Quantity)
		}
	case stock.ReservationDeallocated:
		for _, p := range e.Parts {
			b.move(t, p.ReservationID, e.FulfilmentID, -p.Quantity)
		}
	case stock.Issued:
		for _, p := range e.Parts {
			b.onHand -= p.Quantity + p.Unallocated
			b.issued += p.Quantity + p.Unallocated
			if p.Quantity > 0 {
				b.take(t, p.ReservationID, e.FulfilmentID, p.Quantity, 0, p.Closed)
			}
		}
	case stock.BackorderFilled:
		r := b.open[e.ReservationID]
		if r == nil || e.Quantity < 1 || e.Quantity+e.Waiting != r.waiting {
			t.Fatalf("%+v fills %+v", e, r)
		}
		r.covered, r.waiting = r.covered+e.Quantity, r.waiting-e.Quantity
	case stock.ReservationExtended, stock.ReservationConfirmed, stock.AnomalyDetected, stock.BelowThreshold, stock.Depleted, stock.ThresholdSet:
	}
}

func (b *book) reserve(t *rapid.T, e stock.Reserved) {
	_, waiting, _ := b.sums()
	for _, g := range e.Reservations {
		if b.made[g.ReservationID] != 0 {
			t.Fatalf("%s is made twice", g.ReservationID)
		}
		b.open[g.ReservationID] = &entry{g.FromStock, g.Backordered, map[string]int64{}}
		b.made[g.ReservationID] = g.FromStock + g.Backordered
		waiting += g.Backordered
		if g.Backordered > 0 && waiting > b.limit {
			t.Fatalf("%d wait, the limit is %d", waiting, b.limit)
		}
	}
}

// move gives covered units to a fulfilment, or takes them back.
func (b *book) move(t *rapid.T, id, fulfilment string, quantity int64) {
	e, ok := b.open[id]
	if !ok || quantity == 0 || quantity > e.covered || -quantity > e.allocated[fulfilment] {
		t.Fatalf("%d units of %s move to %s, it has %+v", quantity, id, fulfilment, e)
	}
	e.covered -= quantity
	e.allocated[fulfilment] += quantity
}

// take takes units off a reservation, those of a fulfilment if one is named: each unit ends once.
func (b *book) take(t *rapid.T, id, fulfilment string, fromStock, backordered int64, closed bool) {
	e, ok := b.open[id]
	if !ok || fromStock < 0 || backordered < 0 || backordered > e.waiting {
		t.Fatalf("%s gives %d and %d back, it has %+v", id, fromStock, backordered, e)
	}
	e.waiting -= backordered
	if fulfilment == "" {
		e.covered -= fromStock
	} else {
		e.allocated[fulfilment] -= fromStock
	}
	if e.covered < 0 || e.allocated[fulfilment] < 0 {
		t.Fatalf("%s gives %d of %q back, and is left with %+v", id, fromStock, fulfilment, e)
	}
	b.ended[id] += fromStock + backordered
	if closed != (e.total() == 0) {
		t.Fatalf("%s is closed: %t, but has %+v", id, closed, e)
	}
	if closed {
		delete(b.open, id)
		if b.ended[id] != b.made[id] {
			t.Fatalf("%d units of %s ended, %d were made", b.ended[id], id, b.made[id])
		}
	}
}

// check holds an item to the book and to the invariants. It runs after every single event: at every prefix of the log.
func (b *book) check(t *rapid.T, i *stock.Item) {
	reserved, backordered, allocated := b.sums()
	if i.OnHand != b.onHand || i.Reserved != reserved || i.Backordered != backordered || i.Allocated != allocated || i.Open() != len(b.open) {
		t.Fatalf("the item says %+v, the book %+v with %d, %d and %d", i, b, reserved, backordered, allocated)
	}
	if i.OnHand != i.Received+i.Adjusted+i.Restocked+i.TransferredIn-i.TransferredOut-i.Issued ||
		i.Received != b.received || i.Adjusted != b.adjusted || i.Restocked != b.restocked || i.TransferredIn != b.in ||
		i.TransferredOut != b.out || i.Issued != b.issued {
		t.Fatalf("on hand %d is not what the movements come to: %+v, the book says %+v", i.OnHand, i.Sums, b)
	}
	for bucket, quantity := range b.aside {
		if quantity < 0 || i.Unavailable.In(bucket) != quantity {
			t.Fatalf("%d units are in %s, the item says %+v", quantity, bucket, i.Unavailable)
		}
	}
	if i.OnHand != i.Unavailable.Total()+i.Safety+i.Reserved+i.Free() || i.Available() < 0 {
		t.Fatalf("on hand %d is not unavailable %d + safety %d + reserved %d + free %d", i.OnHand, i.Unavailable.Total(), i.Safety, i.Reserved, i.Free())
	}
	if i.Oversold() == 0 {
		b.facts = false
	}
	var next domain.Time
	for r := range i.Reservations() {
		if r.State == stock.StateHeld && (next == 0 || r.ExpiresAt < next) {
			next = r.ExpiresAt
		}
		if (r.State == stock.StateHeld) == r.ExpiresAt.IsZero() || r.Quantity() < 1 || r.Quantity() > r.Asked {
			t.Fatalf("an open reservation is %+v", r)
		}
		if (r.State == stock.StateHeld) != r.ConfirmedAt.IsZero() || (r.State == stock.StateAllocated) != (r.Allocated == r.Quantity()) {
			t.Fatalf("the state of %+v does not fit", r)
		}
		if e := b.open[r.ID]; e == nil || r.Unallocated() != e.covered || r.Backordered != e.waiting {
			t.Fatalf("%+v, the book says %+v", r, e)
		}
		if open, ok := i.Reservation(r.ID); !ok || !reflect.DeepEqual(open, r) {
			t.Fatalf("%s is listed as %+v, found as %+v", r.ID, r, open)
		}
	}
	if i.NextExpiry() != next {
		t.Fatalf("the next expiry is %s, want %s", i.NextExpiry(), next)
	}
}
