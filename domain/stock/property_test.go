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
	underCommands(t, drawCommand, check)
}

// underCommands is [underRandomCommands] with commands of one's own.
func underCommands(t *testing.T, draw func(*rapid.T, *stock.Item, int, domain.Time) stock.Command, check func(t *rapid.T, s step)) {
	t.Helper()
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		i, now, b := new(stock.Item), t0, newBook()
		var log []stock.Event
		for n := range rapid.IntRange(30, 90).Draw(t, "commands") {
			now += domain.Time(rapid.Int64Range(0, 20).Draw(t, "pause"))
			s := step{command: draw(t, i, n, now), now: now, before: copied(t, i), after: i}
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
	fulfilment := fmt.Sprint("f", rapid.IntRange(0, 3).Draw(t, "fulfilment"))
	if open := slices.Collect(i.Reservations()); len(open) > 0 && rapid.IntRange(0, 7).Draw(t, "known") > 0 {
		r := rapid.SampledFrom(open).Draw(t, "open") // most commands are about something that is there
		order, id = r.OrderID, r.ID
		if len(r.Allocations) > 0 && rapid.IntRange(0, 3).Draw(t, "allocated") > 0 {
			fulfilment = rapid.SampledFrom(r.Allocations).Draw(t, "allocation").FulfilmentID
		}
	}
	quantity := rapid.Int64Range(0, 12).Draw(t, "quantity")
	movement := fmt.Sprint("m", rapid.IntRange(n/2, n).Draw(t, "movement"))
	bucket := rapid.SampledFrom([]stock.Bucket{stock.BucketDamaged, stock.BucketQualityControl, stock.BucketOther}).Draw(t, "bucket")
	part := []stock.Part{{ReservationID: id, Quantity: quantity / 4}}
	if quantity < 4 {
		part[0].Keep = quantity
	}
	deallocation := fmt.Sprint("d", rapid.IntRange(n/2, n).Draw(t, "deallocation"))
	units := []stock.Units{{ReservationID: id, Quantity: 1 + quantity/4}}
	switch rapid.IntRange(0, 34).Draw(t, "command") {
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
	case 6, 7, 8, 33:
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
	case 19, 20, 21, 29:
		return stock.Allocate{Key: shirt, OrderID: order, FulfilmentID: fulfilment, Parts: units, Now: now}
	case 22, 34:
		return stock.Deallocate{Key: shirt, OrderID: order, FulfilmentID: fulfilment, DeallocationID: deallocation, Parts: part, Now: now}
	case 23:
		return stock.Release{Key: shirt, OrderID: order, FulfilmentID: fulfilment, DeallocationID: deallocation, Parts: part, Now: now}
	case 24, 30, 31, 32:
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

// drawScarce draws a command for an item of which there are never enough units.
func drawScarce(t *rapid.T, i *stock.Item, n int, now domain.Time) stock.Command {
	kind := rapid.IntRange(0, 11).Draw(t, "kind")
	few := rapid.Int64Range(1, 4).Draw(t, "few")
	movement := fmt.Sprint("s", n)
	open := slices.Collect(i.Reservations())
	switch {
	case i.BackorderLimit < 50:
		return stock.SetBackorderPolicy{Key: shirt, Limit: 50, Now: now}
	case kind < 4 || len(open) == 0:
		order := fmt.Sprint("o", n%3)
		return stock.Reserve{Key: shirt, OrderID: order, ExpiresAt: now + 200, Now: now, Reservations: []stock.Ask{
			{ReservationID: fmt.Sprint(order, ":s", n, "a"), Quantity: few, AllowBackorder: true},
			{ReservationID: fmt.Sprint(order, ":s", n, "b"), Quantity: few, AllowBackorder: true},
		}}
	case kind == 4:
		return stock.Receive{Key: shirt, MovementID: movement, Quantity: few, Now: now}
	case kind == 5:
		return stock.Adjust{Key: shirt, MovementID: movement, Delta: few - 3, Now: now}
	case kind == 11:
		return drawCommand(t, i, n, now)
	}
	r := rapid.SampledFrom(open).Draw(t, "open")
	switch kind {
	case 6, 7, 8, 33:
		return stock.Confirm{Key: shirt, OrderID: r.OrderID, ReservationIDs: []string{r.ID}, Now: now}
	case 9:
		fulfilment := fmt.Sprint("f", n)
		return stock.Allocate{Key: shirt, OrderID: r.OrderID, FulfilmentID: fulfilment, Parts: []stock.Units{{ReservationID: r.ID, Quantity: 1}}, Now: now}
	}
	c := stock.Release{Key: shirt, OrderID: r.OrderID, Now: now}
	for _, other := range open {
		if other.OrderID == r.OrderID && rapid.Bool().Draw(t, "too") {
			c.Parts = append(c.Parts, stock.Part{ReservationID: other.ID, Quantity: min(few-1, other.Quantity())})
		}
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
