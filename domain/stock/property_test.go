package stock_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/stock"
)

// book is a second way of counting: it follows every unit of every reservation by the events alone.
type book struct {
	onHand, received, adjusted int64
	safety, limit              int64
	open                       map[string]*entry
	ended                      map[string]int64 // units of each reservation that have reached an end
	made                       map[string]int64
	facts                      bool // a fact has taken promised units
}

type entry struct{ fromStock, backordered int64 }

func (b *book) sums() (reserved, backordered int64) {
	for _, e := range b.open {
		reserved += e.fromStock
		backordered += e.backordered
	}
	return reserved, backordered
}

func (b *book) record(t *rapid.T, e stock.Event) {
	switch e := e.(type) {
	case stock.Received:
		b.onHand, b.received = b.onHand+e.Quantity, b.received+e.Quantity
	case stock.Adjusted:
		b.onHand, b.adjusted = b.onHand+e.Delta, b.adjusted+e.Delta
	case stock.Counted:
		b.onHand, b.adjusted = e.Counted, b.adjusted+e.Counted-b.onHand
	case stock.OversoldDetected:
		b.facts = true
		if reserved, _ := b.sums(); e.Short != reserved-max(0, b.onHand-b.safety) || e.Short <= 0 {
			t.Fatalf("%+v, but %d are reserved of %d", e, reserved, b.onHand-b.safety)
		}
	case stock.BackorderPolicySet:
		b.limit = e.Limit
	case stock.SafetyStockSet:
		b.safety = e.Quantity
	case stock.Reserved:
		_, waiting := b.sums()
		for _, g := range e.Reservations {
			if b.made[g.ReservationID] != 0 {
				t.Fatalf("%s is made twice", g.ReservationID)
			}
			b.open[g.ReservationID] = &entry{g.FromStock, g.Backordered}
			b.made[g.ReservationID] = g.FromStock + g.Backordered
			waiting += g.Backordered
			if g.Backordered > 0 && waiting > b.limit {
				t.Fatalf("%d wait, the limit is %d", waiting, b.limit)
			}
		}
	case stock.ReservationReleased:
		for _, p := range e.Parts {
			b.end(t, p.ReservationID, p.FromStock, p.Backordered, p.Closed)
		}
	case stock.ReservationExpired:
		b.end(t, e.ReservationID, e.FromStock, e.Backordered, true)
	case stock.ReservationExtended, stock.ReservationConfirmed:
	}
}

// end takes units off a reservation: each unit ends once.
func (b *book) end(t *rapid.T, id string, fromStock, backordered int64, closed bool) {
	e, ok := b.open[id]
	if !ok || fromStock < 0 || backordered < 0 || fromStock > e.fromStock || backordered > e.backordered {
		t.Fatalf("%s gives %d and %d back, it has %+v", id, fromStock, backordered, e)
	}
	e.fromStock -= fromStock
	e.backordered -= backordered
	b.ended[id] += fromStock + backordered
	if closed != (e.fromStock+e.backordered == 0) {
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
	reserved, backordered := b.sums()
	if i.OnHand != b.onHand || i.Reserved != reserved || i.Backordered != backordered || i.Open() != len(b.open) {
		t.Fatalf("the item says %+v, the book %+v with %d and %d", i, b, reserved, backordered)
	}
	if i.OnHand != i.Received+i.Adjusted || i.Received != b.received || i.Adjusted != b.adjusted {
		t.Fatalf("on hand %d is not received %d + adjusted %d", i.OnHand, i.Received, i.Adjusted)
	}
	if i.OnHand != i.Safety+i.Reserved+i.Free() || i.Available() < 0 {
		t.Fatalf("on hand %d is not safety %d + reserved %d + free %d", i.OnHand, i.Safety, i.Reserved, i.Free())
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
		if open, ok := i.Reservation(r.ID); !ok || open != r {
			t.Fatalf("%s is listed as %+v, found as %+v", r.ID, r, open)
		}
	}
	if i.NextExpiry() != next {
		t.Fatalf("the next expiry is %s, want %s", i.NextExpiry(), next)
	}
}

// TestUnitsUnderRandomCommands sends random commands of many orders and holds every prefix of the log to the invariants.
func TestUnitsUnderRandomCommands(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i, now := new(stock.Item), t0
		b := &book{open: map[string]*entry{}, ended: map[string]int64{}, made: map[string]int64{}}
		var log []stock.Event
		for n := range rapid.IntRange(1, 60).Draw(t, "commands") {
			now += domain.Time(rapid.Int64Range(0, 20).Draw(t, "pause"))
			c := drawCommand(t, n, now)
			events, err := stock.Decide(i, c)
			if _, ok := errors.AsType[domain.Refusal](err); err != nil && !ok {
				t.Fatalf("%T: %v", c, err)
			}
			oversold := i.Oversold()
			for _, e := range events {
				stock.Evolve(i, e)
				b.record(t, e)
				b.check(t, i)
				log = append(log, e)
			}
			checkSafe(t, c, i, oversold, b)
		}
		checkReplay(t, i, log)
	})
}

// checkSafe holds c to the promise that only facts oversell.
func checkSafe(t *rapid.T, c stock.Command, i *stock.Item, before int64, b *book) {
	if i.Oversold() <= before {
		return
	}
	switch c.(type) {
	case stock.Adjust, stock.Count:
		if !b.facts {
			t.Fatalf("%T oversold %d units and nobody was told", c, i.Oversold())
		}
	case stock.Receive, stock.SetSafetyStock, stock.SetBackorderPolicy, stock.Reserve, stock.Extend, stock.Confirm, stock.Release, stock.Expire:
		t.Fatalf("%T oversold %d units", c, i.Oversold())
	}
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

func drawCommand(t *rapid.T, n int, now domain.Time) stock.Command {
	order := rapid.SampledFrom([]string{"o1", "o2", "o3"}).Draw(t, "order")
	id := func() string { return order + fmt.Sprint(":", rapid.IntRange(0, 6).Draw(t, "reservation")) }
	quantity := rapid.Int64Range(0, 12).Draw(t, "quantity")
	movement := fmt.Sprint("m", rapid.IntRange(0, n).Draw(t, "movement"))
	switch rapid.IntRange(0, 13).Draw(t, "command") {
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
	case 6:
		return stock.Confirm{Key: shirt, OrderID: order, ReservationIDs: []string{id()}, Now: now}
	case 7:
		return stock.Extend{Key: shirt, OrderID: order, ReservationIDs: []string{id()}, ExpiresAt: now + 60, Now: now}
	case 8, 9:
		return stock.Release{Key: shirt, OrderID: order, Parts: []stock.Part{{ReservationID: id(), Quantity: quantity / 4}}, Now: now}
	case 10:
		return stock.Expire{Key: shirt, Now: now}
	}
	c := stock.Reserve{Key: shirt, OrderID: order, ExpiresAt: now + 30, Now: now}
	for k := range rapid.IntRange(1, 3).Draw(t, "asks") {
		c.Reservations = append(c.Reservations, stock.Ask{
			ReservationID: fmt.Sprint(order, ":", (n+k)%7), Quantity: 1 + quantity/3, AllowBackorder: rapid.Bool().Draw(t, "backorder"),
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
