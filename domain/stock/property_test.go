package stock_test

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

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

// step is a command that was decided on an item, and what came of it.
type step struct {
	command       stock.Command
	now           domain.Time
	before, after *stock.Item
	events        []stock.Event
	err           error
}

// underRandomCommands sends random commands of many orders to an item, keeps the book, and has each step checked.
func underRandomCommands(t *testing.T, check func(t *rapid.T, s step)) {
	t.Helper()
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i, now, b := new(stock.Item), t0, newBook()
		var log []stock.Event
		for n := range rapid.IntRange(1, 80).Draw(t, "commands") {
			now += domain.Time(rapid.Int64Range(0, 20).Draw(t, "pause"))
			s := step{command: drawCommand(t, i, n, now), now: now, before: copied(t, i), after: i}
			s.events, s.err = stock.Decide(i, s.command)
			if _, ok := errors.AsType[domain.Refusal](s.err); s.err != nil && !ok {
				t.Fatalf("%T: %v", s.command, s.err)
			}
			for _, e := range s.events {
				stock.Evolve(i, e)
				b.record(t, e)
				b.check(t, i)
				log = append(log, e)
			}
			check(t, s)
		}
		checkReplay(t, i, log)
	})
}

func copied(t *rapid.T, i *stock.Item) *stock.Item {
	data, err := stock.EncodeSnapshot(i)
	if err != nil {
		t.Fatal(err)
	}
	c, err := stock.DecodeSnapshot(stock.SnapshotSchema, data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// isFact reports whether c says what has happened to units, whatever was promised.
func isFact(c stock.Command) bool {
	switch c.(type) {
	case stock.Receive, stock.Adjust, stock.Count, stock.TransferIn, stock.Restock, stock.Issue, stock.MakeUnavailable:
		return true
	case stock.MakeAvailable, stock.TransferOut, stock.SetSafetyStock, stock.SetBackorderPolicy, stock.SetThreshold, stock.Reserve,
		stock.Extend, stock.Confirm, stock.Release, stock.Expire, stock.Allocate, stock.Deallocate, stock.FillBackorders:
	}
	return false
}

// TestUnitsUnderRandomCommands holds every prefix of a random log to the book, and its stored form to the item.
func TestUnitsUnderRandomCommands(t *testing.T) {
	underRandomCommands(t, func(*rapid.T, step) {})
}

// TestSweepGoesByTime takes reservations out of the middle of many, and finds the rest swept in the order of their times.
func TestSweepGoesByTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i := evolve(stock.Received{MovementID: "m", Quantity: 1000, At: t0})
		apply := func(c stock.Command) []stock.Event {
			events, err := stock.Decide(i, c)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				stock.Evolve(i, e)
			}
			return events
		}
		times := rapid.SliceOfN(rapid.Int64Range(1, 500), 1, 200).Draw(t, "times")
		for n, at := range times {
			apply(stock.Reserve{
				Key: shirt, OrderID: "o", Reservations: []stock.Ask{ask(fmt.Sprint("r", n), 1)}, ExpiresAt: t0 + domain.Time(at), Now: t0,
			})
		}
		for n := range times {
			id := fmt.Sprint("r", n)
			switch rapid.IntRange(0, 5).Draw(t, "fate") {
			case 0:
				apply(stock.Release{Key: shirt, OrderID: "o", Parts: []stock.Part{{ReservationID: id}}, Now: t0})
			case 1:
				apply(stock.Confirm{Key: shirt, OrderID: "o", ReservationIDs: []string{id}, Now: t0})
			case 2:
				apply(stock.Extend{Key: shirt, OrderID: "o", ReservationIDs: []string{id}, ExpiresAt: t0 + 501, Now: t0})
			}
		}
		var want []stock.Reservation
		for r := range i.Reservations() {
			if r.State == stock.StateHeld {
				want = append(want, r)
			}
		}
		slices.SortStableFunc(want, func(a, b stock.Reservation) int { return cmp.Compare(a.ExpiresAt, b.ExpiresAt) })
		swept := apply(stock.Expire{Key: shirt, Now: t0 + 501})
		if len(swept) != len(want) {
			t.Fatalf("%d were swept, %d were held", len(swept), len(want))
		}
		for n, e := range swept {
			if id := e.(stock.ReservationExpired).ReservationID; id != want[n].ID {
				t.Fatalf("swept %s at %d, want %s", id, n, want[n].ID)
			}
		}
	})
}

func drawCommand(t *rapid.T, i *stock.Item, n int, now domain.Time) stock.Command {
	order := rapid.SampledFrom([]string{"o1", "o2", "o3"}).Draw(t, "order")
	id := order + fmt.Sprint(":", rapid.IntRange(0, 6).Draw(t, "reservation"))
	if rapid.IntRange(0, 3).Draw(t, "known") > 0 { // most commands are about something that is there
		if open := slices.Collect(i.Reservations()); len(open) > 0 {
			r := rapid.SampledFrom(open).Draw(t, "open")
			order, id = r.OrderID, r.ID
		}
	}
	quantity := rapid.Int64Range(0, 12).Draw(t, "quantity")
	movement := fmt.Sprint("m", rapid.IntRange(n/2, n).Draw(t, "movement"))
	fulfilment := fmt.Sprint("f", rapid.IntRange(0, 3).Draw(t, "fulfilment"))
	bucket := rapid.SampledFrom([]stock.Bucket{stock.BucketDamaged, stock.BucketQualityControl, stock.BucketOther}).Draw(t, "bucket")
	part := []stock.Part{{ReservationID: id, Quantity: quantity / 4}}
	units := []stock.Units{{ReservationID: id, Quantity: 1 + quantity/4}}
	switch rapid.IntRange(0, 28).Draw(t, "command") {
	case 0, 1:
		return stock.Receive{Key: shirt, MovementID: movement, Quantity: quantity, Now: now}
	case 2:
		return stock.Adjust{Key: shirt, MovementID: movement, Delta: rapid.Int64Range(-6, 3).Draw(t, "delta"), Now: now}
	case 3:
		return stock.Count{Key: shirt, MovementID: movement, Counted: quantity, Now: now}
	case 4:
		return stock.SetBackorderPolicy{Key: shirt, Limit: quantity, Now: now}
	case 5:
		return stock.SetSafetyStock{Key: shirt, Quantity: quantity / 3, Now: now}
	case 6, 7, 8:
		return stock.Confirm{Key: shirt, OrderID: order, ReservationIDs: []string{id}, Now: now}
	case 9:
		return stock.Extend{Key: shirt, OrderID: order, ReservationIDs: []string{id}, ExpiresAt: now + 60, Now: now}
	case 10, 11:
		return stock.Release{Key: shirt, OrderID: order, Parts: part, Now: now}
	case 12:
		return stock.Expire{Key: shirt, Now: now}
	case 13:
		return stock.MakeUnavailable{Key: shirt, MovementID: movement, Bucket: bucket, Quantity: 1 + quantity/2, Now: now}
	case 14:
		return stock.MakeAvailable{Key: shirt, MovementID: movement, Bucket: bucket, Quantity: 1 + quantity/4, Now: now}
	case 15:
		return stock.TransferOut{Key: shirt, TransferID: movement, To: "HAM2", Quantity: 1 + quantity/3, Now: now}
	case 16:
		return stock.TransferIn{Key: shirt, TransferID: movement, From: "HAM2", Quantity: 1 + quantity/3, Now: now}
	case 17:
		if quantity%2 == 0 {
			bucket = ""
		}
		units := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"1", "2", "3"}), 1, 2, rapid.ID).Draw(t, "units")
		return stock.Restock{Key: shirt, OrderID: order, ReturnID: "r" + order, UnitIDs: units, Bucket: bucket, Now: now}
	case 18:
		return stock.SetThreshold{Key: shirt, Quantity: quantity, Now: now}
	case 19, 20, 21:
		return stock.Allocate{Key: shirt, OrderID: order, FulfilmentID: fulfilment, Parts: units, Now: now}
	case 22:
		return stock.Deallocate{Key: shirt, OrderID: order, FulfilmentID: fulfilment, Parts: part, Now: now}
	case 23:
		return stock.Release{Key: shirt, OrderID: order, FulfilmentID: fulfilment, Parts: part, Now: now}
	case 24:
		return stock.Issue{Key: shirt, OrderID: order, FulfilmentID: fulfilment, MovementID: movement, Parts: units, Now: now}
	case 25:
		return stock.FillBackorders{Key: shirt, Now: now}
	}
	c := stock.Reserve{Key: shirt, OrderID: order, ExpiresAt: now + 60, Now: now}
	for k := range rapid.IntRange(1, 3).Draw(t, "asks") {
		c.Reservations = append(c.Reservations, stock.Ask{
			ReservationID: fmt.Sprint(order, ":", (n+k)%9), Quantity: 1 + quantity/3, AllowBackorder: rapid.Bool().Draw(t, "backorder"),
		})
	}
	return c
}

// checkReplay folds the stored form of the log, from the start and from a snapshot in the middle, to the same item.
func checkReplay(t *rapid.T, want *stock.Item, log []stock.Event) {
	i := new(stock.Item)
	cut := rapid.IntRange(0, len(log)).Draw(t, "snapshot after")
	for n, e := range log {
		if n == cut {
			data, err := stock.EncodeSnapshot(i)
			if err != nil {
				t.Fatal(err)
			}
			if i, err = stock.DecodeSnapshot(stock.SnapshotSchema, data); err != nil {
				t.Fatal(err)
			}
		}
		typ, schema, data, err := stock.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := stock.Decode(typ, schema, data)
		if err != nil {
			t.Fatal(err)
		}
		stock.Evolve(i, back)
	}
	got, err := stock.EncodeSnapshot(i)
	if err != nil {
		t.Fatal(err)
	}
	all, err := stock.EncodeSnapshot(want)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, all) || i.NextExpiry() != want.NextExpiry() {
		t.Fatalf("replayed to\n%+v, want\n%+v", i, want)
	}
}
