package stock_test

import (
	"fmt"
	"reflect"
	"testing"

	"waybill/domain/stock"
)

func allocate(order, fulfilment, id string, quantity int64) stock.Allocate {
	return stock.Allocate{
		Key: shirt, OrderID: order, FulfilmentID: fulfilment, Parts: []stock.Units{{ReservationID: id, Quantity: quantity}}, Now: t0 + 50,
	}
}

func deallocate(order, fulfilment, deallocation, id string, quantity int64) stock.Deallocate {
	return stock.Deallocate{
		Key: shirt, OrderID: order, FulfilmentID: fulfilment, DeallocationID: deallocation,
		Parts: []stock.Part{{ReservationID: id, Quantity: quantity}}, Now: t0 + 50,
	}
}

func release(order, id string, quantity int64) stock.Release {
	return stock.Release{Key: shirt, OrderID: order, Parts: []stock.Part{{ReservationID: id, Quantity: quantity}}, Now: t0 + 50}
}

func recall(order, fulfilment, deallocation, id string, quantity int64) stock.Release {
	c := release(order, id, quantity)
	c.FulfilmentID, c.DeallocationID = fulfilment, deallocation
	return c
}

func issue(order, fulfilment, movement, id string, quantity int64) stock.Issue {
	return stock.Issue{
		Key: shirt, OrderID: order, FulfilmentID: fulfilment, MovementID: movement,
		Parts: []stock.Units{{ReservationID: id, Quantity: quantity}}, Now: t0 + 50,
	}
}

// allocatedItem is [item] for states behind confirmed. The reservation r1 of order o1 has 3 units.
func allocatedItem(t *testing.T, state string) *stock.Item {
	t.Helper()
	i := item(t, "confirmed")
	switch state {
	case "part":
		do(t, i, allocate("o1", "f1", "r1", 2))
	case "allocated":
		do(t, i, allocate("o1", "f1", "r1", 3))
	case "two":
		do(t, i, allocate("o1", "f1", "r1", 2))
		do(t, i, allocate("o1", "f2", "r1", 1))
	case "partly issued":
		do(t, i, allocate("o1", "f1", "r1", 3))
		do(t, i, issue("o1", "f1", "p0", "r1", 1))
	case "taken back":
		do(t, i, allocate("o1", "f1", "r1", 2))
		do(t, i, deallocate("o1", "f1", "d0", "r1", 0))
	case "issued":
		do(t, i, allocate("o1", "f1", "r1", 3))
		do(t, i, issue("o1", "f1", "p0", "r1", 3))
	default:
		return item(t, state)
	}
	return i
}

// TestEveryAllocationInEveryState is the machine of allocating: each row a state, each column a command.
func TestEveryAllocationInEveryState(t *testing.T) {
	t.Parallel()
	names := []string{
		"reserve the same", "confirm", "allocate 2 to f1", "allocate 1 to f2", "allocate 4 to f3", "deallocate f1", "deallocate 1 of f1",
		"deallocate 3 of f1", "deallocate f9", "release f1", "release 3 of f1", "release the rest", "release 1", "issue 1 of f1",
		"issue 4 of f1", "expire",
	}
	const (
		unk       = "unknown-reservation"
		lapsed    = "reservation-expired"
		closed    = "reservation-closed"
		held      = "reservation-not-confirmed"
		conflict  = "allocation-conflict"
		none      = "unknown-allocation"
		few       = "quantity-exceeds-unallocated"
		over      = "quantity-exceeds-allocated"
		reserved  = "quantity-exceeds-reserved"
		allocated = "reservation_allocated"
		back      = "reservation_deallocated"
		freed     = "allocation_released"
		given     = "reservation_released"
		odd       = "issued anomaly_detected"
	)
	table := map[string][]string{
		"none":          {"reserved", unk, unk, unk, unk, unk, unk, unk, unk, unk, unk, unk, unk, odd, odd, "done"},
		"held":          {"done", "reservation_confirmed", held, held, held, none, none, none, none, none, none, given, given, odd, odd, "reservation-not-due"},
		"confirmed":     {"done", "done", allocated, allocated, few, none, none, none, none, none, none, given, given, odd, odd, "done"},
		"part":          {"done", "done", "done", allocated, few, back, back, over, none, freed, over, given, given, "issued", odd, "done"},
		"allocated":     {"done", "done", conflict, few, few, back, back, back, none, freed, freed, "done", reserved, "issued", odd, "done"},
		"two":           {"done", "done", "done", "done", few, back, back, over, none, freed, over, "done", reserved, "issued", odd, "done"},
		"partly issued": {"done", "done", conflict, few, few, back, back, over, none, freed, over, "done", reserved, "issued", odd, "done"},
		"taken back":    {"done", "done", conflict, allocated, few, "done", over, over, none, "done", over, given, given, odd, odd, "done"},
		"issued":        {closed, closed, closed, closed, closed, closed, closed, closed, closed, closed, closed, "done", closed, odd, odd, "done"},
		"released":      {closed, closed, closed, closed, closed, closed, closed, closed, closed, "done", closed, "done", closed, odd, odd, "done"},
		"expired":       {lapsed, lapsed, lapsed, lapsed, lapsed, lapsed, lapsed, lapsed, lapsed, lapsed, lapsed, "done", lapsed, odd, odd, "done"},
	}
	for state, row := range table {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			commands := []stock.Command{
				reserve("o1", t0+50, ask("r1", 3)),
				stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{"r1"}, Now: t0 + 50},
				allocate("o1", "f1", "r1", 2), allocate("o1", "f2", "r1", 1), allocate("o1", "f3", "r1", 4),
				deallocate("o1", "f1", "d1", "r1", 0), deallocate("o1", "f1", "d1", "r1", 1), deallocate("o1", "f1", "d1", "r1", 3), deallocate("o1", "f9", "d1", "r1", 0),
				recall("o1", "f1", "d1", "r1", 0), recall("o1", "f1", "d1", "r1", 3), release("o1", "r1", 0), release("o1", "r1", 1),
				issue("o1", "f1", "p1", "r1", 1), issue("o1", "f1", "p1", "r1", 4),
				stock.Expire{Key: shirt, ReservationIDs: []string{"r1"}, Now: t0 + 50},
			}
			for n, c := range commands {
				i := allocatedItem(t, state)
				before := snapshotOf(t, i)
				events, err := stock.Decide(i, c)
				if got := verdict(events, err); got != row[n] {
					t.Errorf("%s: %q (%v), want %q", names[n], got, err, row[n])
				}
				if !reflect.DeepEqual(snapshotOf(t, i), before) {
					t.Errorf("deciding to %s changed the item", names[n])
				}
			}
		})
	}
}

// TestTransitions follows a reservation of 3 units through its states.
func TestTransitions(t *testing.T) {
	t.Parallel()
	type want struct {
		state                                     stock.State // of the reservation, none if it is over
		unallocated, allocated, waiting           int64
		onHand, reserved, unavailable, available0 int64
	}
	ten := stock.Receive{Key: shirt, MovementID: "m0", Quantity: 10, Now: t0}
	make3 := reserve("o1", t0, ask("r1", 3))
	firm := stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{"r1"}, Now: t0}
	tests := map[string]struct {
		commands []stock.Command
		want     want
	}{
		"held":            {[]stock.Command{ten, make3}, want{stock.StateHeld, 3, 0, 0, 10, 3, 0, 7}},
		"confirmed":       {[]stock.Command{ten, make3, firm}, want{stock.StateConfirmed, 3, 0, 0, 10, 3, 0, 7}},
		"part allocated":  {[]stock.Command{ten, make3, firm, allocate("o1", "f1", "r1", 2)}, want{stock.StateConfirmed, 1, 2, 0, 10, 3, 0, 7}},
		"all allocated":   {[]stock.Command{ten, make3, firm, allocate("o1", "f1", "r1", 2), allocate("o1", "f2", "r1", 1)}, want{stock.StateAllocated, 0, 3, 0, 10, 3, 0, 7}},
		"some taken back": {[]stock.Command{ten, make3, firm, allocate("o1", "f1", "r1", 3), deallocate("o1", "f1", "d1", "r1", 1)}, want{stock.StateConfirmed, 1, 2, 0, 10, 3, 0, 7}},
		"some issued":     {[]stock.Command{ten, make3, firm, allocate("o1", "f1", "r1", 3), issue("o1", "f1", "p1", "r1", 1)}, want{stock.StateAllocated, 0, 2, 0, 9, 2, 0, 7}},
		"all issued":      {[]stock.Command{ten, make3, firm, allocate("o1", "f1", "r1", 3), issue("o1", "f1", "p1", "r1", 3)}, want{stock.StateNone, 0, 0, 0, 7, 0, 0, 7}},
		"issued again":    {[]stock.Command{ten, make3, firm, allocate("o1", "f1", "r1", 3), issue("o1", "f1", "p1", "r1", 1), issue("o1", "f1", "p1", "r1", 1)}, want{stock.StateAllocated, 0, 2, 0, 9, 2, 0, 7}},
		"unallocated, and issued all the same": {
			[]stock.Command{ten, make3, firm, issue("o1", "f1", "p1", "r1", 2)}, want{stock.StateConfirmed, 3, 0, 0, 8, 3, 0, 5},
		},
		"some released by the fulfilment": {[]stock.Command{ten, make3, firm, allocate("o1", "f1", "r1", 2), recall("o1", "f1", "d1", "r1", 1)}, want{stock.StateConfirmed, 1, 1, 0, 10, 2, 0, 8}},
		"the rest released":               {[]stock.Command{ten, make3, firm, allocate("o1", "f1", "r1", 2), release("o1", "r1", 0)}, want{stock.StateAllocated, 0, 2, 0, 10, 2, 0, 8}},
		"kept units count issued ones": {
			[]stock.Command{ten, make3, firm, allocate("o1", "f1", "r1", 1), issue("o1", "f1", "p1", "r1", 1), stock.Release{Key: shirt, OrderID: "o1", Parts: []stock.Part{{ReservationID: "r1", Keep: 2}}, Now: t0 + 50}},
			want{stock.StateConfirmed, 1, 0, 0, 9, 1, 0, 8},
		},
		"filled": {
			[]stock.Command{
				stock.SetBackorderPolicy{Key: shirt, Limit: 9, Now: t0},
				stock.Reserve{Key: shirt, OrderID: "o1", ExpiresAt: t0 + 9, Now: t0, Reservations: []stock.Ask{{ReservationID: "r1", Quantity: 3, AllowBackorder: true}}},
				firm,
				stock.Receive{Key: shirt, MovementID: "m0", Quantity: 2, Now: t0},
			}, want{stock.StateConfirmed, 2, 0, 1, 2, 2, 0, 0},
		},
		"filled when it is confirmed": {
			[]stock.Command{
				stock.SetBackorderPolicy{Key: shirt, Limit: 9, Now: t0},
				stock.Reserve{Key: shirt, OrderID: "o1", ExpiresAt: t0 + 9, Now: t0, Reservations: []stock.Ask{{ReservationID: "r1", Quantity: 3, AllowBackorder: true}}},
				stock.Receive{Key: shirt, MovementID: "m0", Quantity: 4, Now: t0},
				firm,
			}, want{stock.StateConfirmed, 3, 0, 0, 4, 3, 0, 1},
		},
		"put aside": {
			[]stock.Command{ten, make3, stock.MakeUnavailable{Key: shirt, MovementID: "u", Bucket: stock.BucketDamaged, Quantity: 4, Now: t0}},
			want{stock.StateHeld, 3, 0, 0, 10, 3, 4, 3},
		},
		"for sale again": {
			[]stock.Command{
				ten, make3,
				stock.MakeUnavailable{Key: shirt, MovementID: "u", Bucket: stock.BucketDamaged, Quantity: 4, Now: t0},
				stock.MakeAvailable{Key: shirt, MovementID: "a", Bucket: stock.BucketDamaged, Quantity: 1, Now: t0},
			}, want{stock.StateHeld, 3, 0, 0, 10, 3, 3, 4},
		},
		"sent away and come in": {
			[]stock.Command{
				ten, make3,
				stock.TransferOut{Key: shirt, TransferID: "t1", To: "HAM2", Quantity: 7, Now: t0},
				stock.TransferIn{Key: shirt, TransferID: "t2", From: "HAM2", Quantity: 2, Now: t0},
			}, want{stock.StateHeld, 3, 0, 0, 5, 3, 0, 2},
		},
		"come back": {
			[]stock.Command{
				ten, make3,
				stock.Restock{Key: shirt, OrderID: "o0", ReturnID: "ret", UnitIDs: []string{"a", "b"}, Now: t0},
				stock.Restock{Key: shirt, OrderID: "o0", ReturnID: "ret", UnitIDs: []string{"b", "c"}, Now: t0},
				stock.Restock{Key: shirt, OrderID: "o0", ReturnID: "ret", UnitIDs: []string{"d"}, Bucket: stock.BucketDamaged, Now: t0},
			}, want{stock.StateHeld, 3, 0, 0, 14, 3, 1, 10},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := new(stock.Item)
			for _, c := range tt.commands {
				do(t, i, c)
			}
			r, _ := i.Reservation("r1")
			got := want{r.State, r.Unallocated(), r.Allocated, r.Backordered, i.OnHand, i.Reserved, i.Unavailable.Total(), i.Available()}
			if got != tt.want {
				t.Errorf("came to %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestRefusedMovements are the movements that are refused, with what would be possible.
func TestRefusedMovements(t *testing.T) {
	t.Parallel()
	aside := stock.MakeUnavailable{Key: shirt, MovementID: "u", Bucket: stock.BucketDamaged, Quantity: 4, Now: t0}
	restock := stock.Restock{Key: shirt, OrderID: "o0", ReturnID: "ret", UnitIDs: []string{"a"}, Now: t0}
	tests := map[string]struct {
		given []stock.Command
		when  stock.Command
		err   error
	}{
		"more damage than units": {
			nil,
			stock.MakeUnavailable{Key: shirt, MovementID: "u", Bucket: stock.BucketOther, Quantity: 11, Now: t0},
			stock.QuantityExceedsOnHand{SKU: "TSHIRT", Location: "BER1", Requested: 11, Possible: 10},
		},
		"more than the bucket has": {
			[]stock.Command{aside},
			stock.MakeAvailable{Key: shirt, MovementID: "a", Bucket: stock.BucketOther, Quantity: 1, Now: t0},
			stock.QuantityExceedsBucket{SKU: "TSHIRT", Location: "BER1", Bucket: stock.BucketOther, Requested: 1, Possible: 0},
		},
		"the same id for another bucket": {
			[]stock.Command{aside},
			stock.MakeUnavailable{Key: shirt, MovementID: "u", Bucket: stock.BucketOther, Quantity: 4, Now: t0},
			stock.MovementConflict{MovementID: "u", Kind: stock.MovementMakeUnavailable, Quantity: 4},
		},
		"sending away what is promised": {
			[]stock.Command{reserve("o1", t0, ask("r1", 8))},
			stock.TransferOut{Key: shirt, TransferID: "t", To: "HAM2", Quantity: 3, Now: t0},
			stock.InsufficientStock{SKU: "TSHIRT", Location: "BER1", Requested: 3, Available: 2},
		},
		"one id there and back": {
			[]stock.Command{stock.TransferOut{Key: shirt, TransferID: "t", To: "HAM2", Quantity: 3, Now: t0}},
			stock.TransferIn{Key: shirt, TransferID: "t", From: "HAM2", Quantity: 3, Now: t0},
			stock.MovementConflict{MovementID: "t", Kind: stock.MovementTransferOut, Quantity: 3},
		},
		"a unit that came back as sound": {
			[]stock.Command{restock},
			stock.Restock{Key: shirt, OrderID: "o0", ReturnID: "ret", UnitIDs: []string{"a"}, Bucket: stock.BucketDamaged, Now: t0},
			stock.RestockConflict{ReturnID: "ret", UnitID: "a", Requested: stock.BucketDamaged},
		},
		"one parcel with other units": {
			[]stock.Command{issue("o1", "f1", "p", "r1", 1)},
			issue("o1", "f1", "p", "r1", 2),
			stock.MovementConflict{MovementID: "p", Kind: stock.MovementIssue, Quantity: 1},
		},
		"allocating what a count did not find": {
			[]stock.Command{
				reserve("o1", t0, ask("r1", 8)),
				stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{"r1"}, Now: t0},
				stock.Count{Key: shirt, MovementID: "c", Counted: 5, Now: t0},
				allocate("o1", "f1", "r1", 3),
			},
			allocate("o1", "f2", "r1", 3),
			stock.InsufficientStock{SKU: "TSHIRT", Location: "BER1", Requested: 3, Available: 2},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := item(t, "none")
			for _, c := range tt.given {
				do(t, i, c)
			}
			events, err := stock.Decide(i, tt.when)
			if !reflect.DeepEqual(err, tt.err) || events != nil {
				t.Errorf("decided %+v, refused with %#v, want %#v", events, err, tt.err)
			}
		})
	}
}

// TestFillingIsBounded receives units for more waiting reservations than one commit fills: the rest is filled in order later,
// and until then nobody else gets what they wait for.
func TestFillingIsBounded(t *testing.T) {
	t.Parallel()
	const many = stock.FactFill + 7
	i := evolve(stock.BackorderPolicySet{Limit: 2 * many, At: t0})
	for n := range many {
		id := fmt.Sprint("r", n)
		do(t, i, stock.Reserve{
			Key: shirt, OrderID: "o1", ExpiresAt: t0 + 9, Now: t0, Reservations: []stock.Ask{{ReservationID: id, Quantity: 1, AllowBackorder: true}},
		})
		do(t, i, stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{id}, Now: t0})
	}
	if events := do(t, i, stock.Receive{Key: shirt, MovementID: "m", Quantity: many + 1, Now: t0}); len(events) != 1+stock.FactFill || i.Backordered != 7 {
		t.Fatalf("%d events, %d wait", len(events), i.Backordered)
	}
	if i.Free() != 8 || i.Available() != 1 {
		t.Fatalf("%d free, %d available", i.Free(), i.Available())
	}
	if events := do(t, i, reserve("o2", t0, ask("a", 1))); verdict(events, nil) != "reserved backorder_filled depleted" {
		t.Errorf("reserving the last one: %s", verdict(events, nil))
	}
	for n, e := range do(t, i, stock.FillBackorders{Key: shirt, Now: t0}) {
		if want := (stock.BackorderFilled{OrderID: "o1", ReservationID: fmt.Sprint("r", stock.FactFill+stock.SpareFill+n), Quantity: 1, At: t0}); e != stock.Event(want) {
			t.Errorf("filled %+v, want %+v", e, want)
		}
	}
	if i.Backordered != 0 || i.Free() != 0 || len(do(t, i, stock.FillBackorders{Key: shirt, Now: t0})) > 0 {
		t.Errorf("%d wait, %d free", i.Backordered, i.Free())
	}
}

// TestVictimsAreBounded takes away the units of more reservations than are named.
func TestVictimsAreBounded(t *testing.T) {
	t.Parallel()
	i := evolve(stock.Received{MovementID: "m", Quantity: 500, At: t0})
	for n := range 500 {
		do(t, i, reserve("o1", t0, ask(fmt.Sprint("r", n), 1)))
	}
	events := do(t, i, stock.Count{Key: shirt, MovementID: "c", Counted: 0, Now: t0})
	told, ok := events[1].(stock.OversoldDetected)
	if !ok || told.Short != 500 || len(told.Victims) != stock.MaxVictims || told.Victims[0].ReservationID != "r499" {
		t.Errorf("told %+v", told)
	}
}

// TestAllocationsAreBounded gives a reservation to so many fulfilments, one after the other.
func TestAllocationsAreBounded(t *testing.T) {
	t.Parallel()
	i := item(t, "confirmed")
	for n := range stock.MaxAllocations {
		f := fmt.Sprint("f", n)
		do(t, i, allocate("o1", f, "r1", 1))
		do(t, i, deallocate("o1", f, "d1", "r1", 0))
	}
	if got := verdict(stock.Decide(i, allocate("o1", "last", "r1", 1))); got != "limit-exceeded" {
		t.Errorf("one more: %s", got)
	}
}
