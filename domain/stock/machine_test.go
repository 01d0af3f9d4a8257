package stock_test

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"waybill/domain"
	"waybill/domain/stock"
)

func ask(id string, quantity int64) stock.Ask {
	return stock.Ask{ReservationID: id, Quantity: quantity}
}

func reserve(order string, now domain.Time, asks ...stock.Ask) stock.Reserve {
	return stock.Reserve{Key: shirt, OrderID: order, Reservations: asks, ExpiresAt: now + 100, Now: now}
}

// verdict names what a decision came to: the types of its events, "done", or the code of its refusal.
func verdict(events []stock.Event, err error) string {
	if err != nil {
		if r, ok := errors.AsType[domain.Refusal](err); ok {
			return r.RefusalCode()
		}
		return "fault: " + err.Error()
	}
	if len(events) == 0 {
		return "done"
	}
	var types []string
	for _, e := range events {
		types = append(types, strings.TrimPrefix(e.EventType(), "stock."))
	}
	return strings.Join(types, " ")
}

// item returns an item with 10 units whose reservation r1 of order o1 (3 units) is in a state.
func item(tb testing.TB, state string) *stock.Item {
	tb.Helper()
	i := evolve(stock.Received{MovementID: "m0", Quantity: 10, At: t0})
	if state == "none" {
		return i
	}
	do(tb, i, reserve("o1", t0, ask("r1", 3)))
	switch state {
	case "held":
	case "lapsed": // the commands of the table arrive after its time
	case "confirmed":
		do(tb, i, stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{"r1"}, Now: t0})
	case "released":
		do(tb, i, stock.Release{Key: shirt, OrderID: "o1", Parts: []stock.Part{{ReservationID: "r1"}}, Now: t0})
	case "expired":
		do(tb, i, stock.Expire{Key: shirt, Now: t0 + 100})
	default:
		tb.Fatalf("no state %s", state)
	}
	return i
}

// TestEveryCommandInEveryState is the machine of a reservation: each row a state, each column a command.
func TestEveryCommandInEveryState(t *testing.T) {
	t.Parallel()
	const (
		unk    = "unknown-reservation"
		lapsed = "reservation-expired"
		closed = "reservation-closed"
	)
	names := []string{
		"reserve the same", "reserve more", "reserve for another", "extend", "confirm", "release", "release one",
		"release too many", "confirm for another", "expire",
	}
	table := map[string][]string{
		"none":      {"reserved", "reserved", "reserved", unk, unk, unk, unk, unk, unk, "done"},
		"held":      {"done", "reservation-conflict", "reservation-conflict", "reservation_extended", "reservation_confirmed", "reservation_released", "reservation_released", "quantity-exceeds-reserved", unk, "reservation-not-due"},
		"lapsed":    {lapsed, "reservation-conflict", "reservation-conflict", lapsed, lapsed, "reservation_released", "reservation_released", "quantity-exceeds-reserved", unk, "reservation_expired"},
		"confirmed": {"done", "reservation-conflict", "reservation-conflict", "done", "done", "reservation_released", "reservation_released", "quantity-exceeds-reserved", unk, "done"},
		"released":  {closed, closed, closed, closed, closed, "done", closed, closed, closed, "done"},
		"expired":   {lapsed, lapsed, lapsed, lapsed, lapsed, "done", lapsed, lapsed, lapsed, "done"},
	}
	for state, row := range table {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			now := t0 + 50
			if state == "lapsed" || state == "expired" {
				now = t0 + 100
			}
			ids := []string{"r1"}
			part := func(q int64) []stock.Part { return []stock.Part{{ReservationID: "r1", Quantity: q}} }
			commands := []stock.Command{
				reserve("o1", now, ask("r1", 3)), reserve("o1", now, ask("r1", 4)), reserve("o2", now, ask("r1", 3)),
				stock.Extend{Key: shirt, OrderID: "o1", ReservationIDs: ids, ExpiresAt: now + 500, Now: now},
				stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: ids, Now: now},
				stock.Release{Key: shirt, OrderID: "o1", Parts: part(0), Now: now},
				stock.Release{Key: shirt, OrderID: "o1", Parts: part(1), Now: now},
				stock.Release{Key: shirt, OrderID: "o1", Parts: part(4), Now: now},
				stock.Confirm{Key: shirt, OrderID: "o2", ReservationIDs: ids, Now: now},
				stock.Expire{Key: shirt, ReservationIDs: ids, Now: now},
			}
			for n, c := range commands {
				i := item(t, state)
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

// TestDecisions are the rows that need more than one reservation: given an item, when a command, then events or a refusal.
func TestDecisions(t *testing.T) {
	t.Parallel()
	received := stock.Received{MovementID: "m1", Quantity: 10, At: t0}
	backorders := stock.BackorderPolicySet{Limit: 5, At: t0}
	held := func(order, id string, from, back int64, expires domain.Time) stock.Event {
		return stock.Reserved{
			OrderID: order, Reservations: []stock.Granted{{ReservationID: id, FromStock: from, Backordered: back}}, ExpiresAt: expires, At: t0,
		}
	}
	firm := func(order string, ids ...string) stock.Event {
		return stock.ReservationConfirmed{OrderID: order, ReservationIDs: ids, At: t0}
	}
	now := t0 + 10
	expired := func(order, id string, from, back int64, expires domain.Time) stock.Event {
		return stock.ReservationExpired{OrderID: order, ReservationID: id, FromStock: from, Backordered: back, ExpiresAt: expires, At: now}
	}
	made := func(g ...stock.Granted) stock.Event {
		return stock.Reserved{OrderID: "o9", Reservations: g, ExpiresAt: now + 100, At: now}
	}
	short := func(requested, available int64) error {
		return stock.InsufficientStock{SKU: "TSHIRT", Location: "BER1", Requested: requested, Available: available}
	}
	back := func(id string, q int64) stock.Ask {
		return stock.Ask{ReservationID: id, Quantity: q, AllowBackorder: true}
	}
	victim := func(order, id string, q int64) []stock.Victim {
		return []stock.Victim{{ReservationID: id, OrderID: order, Quantity: q}}
	}
	tests := map[string]struct {
		given []stock.Event
		when  stock.Command
		then  []stock.Event
		err   error
	}{
		"the last unit": {
			[]stock.Event{received, held("o1", "r1", 9, 0, t0+99)},
			reserve("o9", now, ask("a", 1)),
			[]stock.Event{made(stock.Granted{ReservationID: "a", FromStock: 1}), stock.Depleted{At: now}},
			nil,
		},
		"no unit is left": {
			[]stock.Event{received, held("o1", "r1", 10, 0, t0+99)}, reserve("o9", now, ask("a", 1)), nil, short(1, 0),
		},
		"two lines of one SKU count together": {[]stock.Event{received}, reserve("o9", now, ask("a", 6), ask("b", 5)), nil, short(11, 10)},
		"an item that never was":              {nil, reserve("o9", now, ask("a", 1)), nil, short(1, 0)},
		"what is kept back is not available": {
			[]stock.Event{received, stock.SafetyStockSet{Quantity: 4}}, reserve("o9", now, ask("a", 7)), nil, short(7, 6),
		},
		"only what is new is reserved": {
			[]stock.Event{received, held("o9", "a", 9, 0, t0+99)},
			reserve("o9", now, ask("a", 9), ask("b", 1)),
			[]stock.Event{made(stock.Granted{ReservationID: "b", FromStock: 1}), stock.Depleted{At: now}},
			nil,
		},
		"a lapsed one makes room": {
			[]stock.Event{received, held("o1", "r1", 10, 0, t0+10)},
			reserve("o9", now, ask("a", 4)),
			[]stock.Event{expired("o1", "r1", 10, 0, t0+10), made(stock.Granted{ReservationID: "a", FromStock: 4})},
			nil,
		},
		"the earliest lapsed one goes first, a live one stays": {
			[]stock.Event{received, held("o1", "r1", 4, 0, t0+9), held("o2", "r2", 3, 0, t0+5), held("o3", "r3", 3, 0, t0+11)},
			reserve("o9", now, ask("a", 7)),
			[]stock.Event{
				expired("o2", "r2", 3, 0, t0+5), expired("o1", "r1", 4, 0, t0+9), made(stock.Granted{ReservationID: "a", FromStock: 7}),
			},
			nil,
		},
		"lapsed ones are not enough": {
			[]stock.Event{received, held("o1", "r1", 4, 0, t0+9), held("o3", "r3", 3, 0, t0+11)}, reserve("o9", now, ask("a", 8)), nil, short(8, 7),
		},
		"a confirmed one does not lapse": {
			[]stock.Event{received, held("o1", "r1", 10, 0, t0+9), firm("o1", "r1")}, reserve("o9", now, ask("a", 1)), nil, short(1, 0),
		},
		"what is not there waits": {
			[]stock.Event{received, backorders},
			reserve("o9", now, back("a", 12)),
			[]stock.Event{made(stock.Granted{ReservationID: "a", FromStock: 10, Backordered: 2}), stock.Depleted{At: now}},
			nil,
		},
		"who cannot wait is served first": {
			[]stock.Event{received, backorders},
			reserve("o9", now, back("a", 4), ask("b", 9)),
			[]stock.Event{made(stock.Granted{ReservationID: "a", FromStock: 1, Backordered: 3}, stock.Granted{ReservationID: "b", FromStock: 9}), stock.Depleted{At: now}},
			nil,
		},
		"too many would wait": {
			[]stock.Event{received, backorders, held("o1", "r1", 10, 4, t0+99)},
			reserve("o9", now, back("a", 2)), nil,
			stock.BackorderLimitReached{SKU: "TSHIRT", Location: "BER1", Requested: 2, Available: 0, Backordered: 4, Limit: 5},
		},
		"waiting needs a policy": {[]stock.Event{received}, reserve("o9", now, back("a", 11)), nil, short(11, 10)},
		"stock that comes in belongs to those who wait": {
			[]stock.Event{backorders, held("o1", "r1", 0, 5, t0+99), firm("o1", "r1"), stock.Received{MovementID: "m2", Quantity: 5, At: t0}},
			reserve("o9", now, ask("a", 1)), nil, short(1, 0),
		},
		"and what is left after them is available": {
			[]stock.Event{backorders, held("o1", "r1", 0, 5, t0+99), firm("o1", "r1"), stock.Received{MovementID: "m2", Quantity: 7, At: t0}},
			reserve("o9", now, ask("a", 2)),
			[]stock.Event{
				made(stock.Granted{ReservationID: "a", FromStock: 2}),
				stock.BackorderFilled{OrderID: "o1", ReservationID: "r1", Quantity: 5, At: now},
				stock.Depleted{At: now},
			},
			nil,
		},
		"units that wait are released first": {
			[]stock.Event{received, held("o1", "r1", 3, 2, t0+99)},
			stock.Release{Key: shirt, OrderID: "o1", Parts: []stock.Part{{ReservationID: "r1", Quantity: 3}}, Reason: "cut", Now: now},
			[]stock.Event{stock.ReservationReleased{
				OrderID: "o1", Parts: []stock.ReleasedPart{{ReservationID: "r1", FromStock: 1, Backordered: 2}}, Reason: "cut", At: now,
			}},
			nil,
		},
		"units beyond those to keep are released": {
			[]stock.Event{received, held("o1", "r1", 3, 2, t0+99), held("o1", "r2", 1, 0, t0+99)},
			stock.Release{Key: shirt, OrderID: "o1", Parts: []stock.Part{{ReservationID: "r1", Keep: 2}, {ReservationID: "r2", Keep: 1}}, Reason: "cut", Now: now},
			[]stock.Event{stock.ReservationReleased{
				OrderID: "o1", Parts: []stock.ReleasedPart{{ReservationID: "r1", FromStock: 1, Backordered: 2}}, Reason: "cut", At: now,
			}},
			nil,
		},
		"there are no units beyond those to keep": {
			[]stock.Event{received, held("o1", "r1", 3, 0, t0+99)},
			stock.Release{Key: shirt, OrderID: "o1", Parts: []stock.Part{{ReservationID: "r1", Keep: 4}}, Reason: "cut", Now: now},
			nil, nil,
		},
		"a receipt":                          {nil, stock.Receive{Key: shirt, MovementID: "m1", Quantity: 10, Now: t0}, []stock.Event{received}, nil},
		"the same receipt again is done":     {[]stock.Event{received}, stock.Receive{Key: shirt, MovementID: "m1", Quantity: 10, Now: now}, nil, nil},
		"another one under its id":           {[]stock.Event{received}, stock.Receive{Key: shirt, MovementID: "m1", Quantity: 9, Now: now}, nil, stock.MovementConflict{MovementID: "m1", Kind: stock.MovementReceive, Quantity: 10}},
		"an adjustment under a receipt's id": {[]stock.Event{received}, stock.Adjust{Key: shirt, MovementID: "m1", Delta: 10, Now: now}, nil, stock.MovementConflict{MovementID: "m1", Kind: stock.MovementReceive, Quantity: 10}},
		"an adjustment that takes what is promised": {
			[]stock.Event{received, held("o1", "r1", 8, 0, t0+99)},
			stock.Adjust{Key: shirt, MovementID: "m2", Delta: -5, Now: now},
			[]stock.Event{
				stock.Adjusted{MovementID: "m2", Delta: -5, At: now},
				stock.OversoldDetected{OnHand: 5, Reserved: 8, Short: 3, Victims: victim("o1", "r1", 3), At: now},
				stock.Depleted{At: now},
			},
			nil,
		},
		"lapsed ones promise nothing": {
			[]stock.Event{received, held("o1", "r1", 8, 0, t0+9)},
			stock.Adjust{Key: shirt, MovementID: "m2", Delta: -5, Now: now},
			[]stock.Event{expired("o1", "r1", 8, 0, t0+9), stock.Adjusted{MovementID: "m2", Delta: -5, At: now}},
			nil,
		},
		"a count that finds less": {
			[]stock.Event{received, held("o1", "r1", 8, 0, t0+99)},
			stock.Count{Key: shirt, MovementID: "m2", Counted: 0, Now: now},
			[]stock.Event{
				stock.Counted{MovementID: "m2", Counted: 0, Delta: -10, At: now},
				stock.OversoldDetected{OnHand: 0, Reserved: 8, Short: 8, Victims: victim("o1", "r1", 8), At: now},
				stock.Depleted{At: now},
			},
			nil,
		},
		"a count that finds the same": {
			[]stock.Event{received},
			stock.Count{Key: shirt, MovementID: "m2", Counted: 10, Now: now},
			[]stock.Event{stock.Counted{MovementID: "m2", Counted: 10, At: now}},
			nil,
		},
		"a correction upwards of an oversold item is silent": {
			[]stock.Event{received, held("o1", "r1", 8, 0, t0+99), stock.Adjusted{MovementID: "m2", Delta: -5, At: t0}},
			stock.Adjust{Key: shirt, MovementID: "m3", Delta: 1, Now: now},
			[]stock.Event{stock.Adjusted{MovementID: "m3", Delta: 1, At: now}},
			nil,
		},
		"keeping back what is free": {
			[]stock.Event{received, held("o1", "r1", 8, 0, t0+99)},
			stock.SetSafetyStock{Key: shirt, Quantity: 2, Now: now},
			[]stock.Event{stock.SafetyStockSet{Quantity: 2, At: now}, stock.Depleted{At: now}},
			nil,
		},
		"keeping back what is promised": {
			[]stock.Event{received, held("o1", "r1", 8, 0, t0+99)},
			stock.SetSafetyStock{Key: shirt, Quantity: 3, Now: now},
			nil,
			stock.SafetyStockExceedsFree{SKU: "TSHIRT", Location: "BER1", Requested: 3, Possible: 2},
		},
		"keeping back what only a lapsed one holds": {
			[]stock.Event{received, held("o1", "r1", 8, 0, t0+9)},
			stock.SetSafetyStock{Key: shirt, Quantity: 3, Now: now},
			[]stock.Event{expired("o1", "r1", 8, 0, t0+9), stock.SafetyStockSet{Quantity: 3, At: now}},
			nil,
		},
		"keeping back before the first receipt": {
			nil, stock.SetSafetyStock{Key: shirt, Quantity: 3, Now: now}, []stock.Event{stock.SafetyStockSet{Quantity: 3, At: now}}, nil,
		},
		"the same policy again is done":       {[]stock.Event{backorders}, stock.SetBackorderPolicy{Key: shirt, Limit: 5, Now: now}, nil, nil},
		"the same safety stock again is done": {[]stock.Event{stock.SafetyStockSet{Quantity: 3}}, stock.SetSafetyStock{Key: shirt, Quantity: 3, Now: now}, nil, nil},
		"a sweep": {
			[]stock.Event{received, held("o1", "r1", 4, 0, t0+9), held("o2", "r2", 3, 0, t0+5), held("o3", "r3", 3, 0, t0+11)},
			stock.Expire{Key: shirt, Now: now},
			[]stock.Event{expired("o2", "r2", 3, 0, t0+5), expired("o1", "r1", 4, 0, t0+9)},
			nil,
		},
		"a sweep of nothing": {[]stock.Event{received}, stock.Expire{Key: shirt, Now: now}, nil, nil},
		"a bad sku": {
			nil,
			stock.Receive{Key: stock.Key{SKU: "A@B", Location: "L"}, MovementID: "m", Quantity: 1},
			nil,
			domain.InvalidField{Field: "sku", Reason: `holds "@", which divides SKU from location`},
		},
		"an id twice":        {[]stock.Event{received}, reserve("o9", now, ask("a", 1), ask("a", 1)), nil, domain.InvalidField{Field: "reservation_id", Reason: "repeats a"}},
		"nothing to receive": {nil, stock.Receive{Key: shirt, MovementID: "m", Now: now}, nil, domain.InvalidField{Field: "quantity", Reason: "is 0, at least 1 is needed"}},
		"more than the books hold": {
			[]stock.Event{received},
			stock.Receive{Key: shirt, MovementID: "m9", Quantity: stock.MaxQuantity, Now: now},
			nil,
			domain.LimitExceeded{Field: "on_hand", Limit: stock.MaxQuantity, Actual: stock.MaxQuantity + 10, Unit: "units"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := stock.Decide(evolve(tt.given...), tt.when)
			if !reflect.DeepEqual(err, tt.err) {
				t.Fatalf("refused with %#v, want %#v", err, tt.err)
			}
			if !reflect.DeepEqual(events, tt.then) {
				t.Errorf("decided\n%+v, want\n%+v", events, tt.then)
			}
		})
	}
}

// TestMemoryIsBounded ends more reservations and records more movements than are remembered.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	i := new(stock.Item)
	const more = 7
	for n := range stock.MovementMemory + more {
		do(t, i, stock.Receive{Key: shirt, MovementID: fmt.Sprint("m", n), Quantity: 1, Now: t0})
	}
	for n, want := range map[int]string{
		0: "received", 1: "received", more - 1: "received", more: "done", stock.MovementMemory: "done", stock.MovementMemory + more - 1: "done",
	} {
		events, err := stock.Decide(i, stock.Receive{Key: shirt, MovementID: fmt.Sprint("m", n), Quantity: 1, Now: t0})
		if got := verdict(events, err); got != want {
			t.Errorf("movement %d again: %s, want %s", n, got, want)
		}
	}
	for n := range stock.ClosedMemory + more {
		id := fmt.Sprint("r", n)
		do(t, i, reserve("o1", t0, ask(id, 1)))
		do(t, i, stock.Release{Key: shirt, OrderID: "o1", Parts: []stock.Part{{ReservationID: id}}, Now: t0})
	}
	back, err := stock.DecodeSnapshot(stock.SnapshotSchema, snapshotOf(t, i))
	if err != nil {
		t.Fatal(err)
	}
	for name, i := range map[string]*stock.Item{"live": i, "from a snapshot": back} {
		for n, want := range map[int]string{
			0: "unknown-reservation", 1: "unknown-reservation", more - 1: "unknown-reservation", more: "reservation-closed",
			stock.ClosedMemory + more - 1: "reservation-closed",
		} {
			events, err := stock.Decide(i, stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{fmt.Sprint("r", n)}, Now: t0})
			if got := verdict(events, err); got != want {
				t.Errorf("%s: confirm closed reservation %d: %s, want %s", name, n, got, want)
			}
		}
	}
}

// TestKeepsNoForeignText reserves for ids that were cut from a large text, as those of a decoded event are, and lets go of
// it: the item must not hold on to it.
func TestKeepsNoForeignText(t *testing.T) {
	i := evolve(stock.Received{MovementID: "m", Quantity: 10, At: t0})
	gone := make(chan struct{})
	func() {
		large := make([]byte, 1<<20)
		copy(large, "o1r1")
		runtime.AddCleanup(&large[0], func(done chan struct{}) { close(done) }, gone)
		text := unsafe.String(&large[0], len(large))
		stock.Evolve(i, stock.Reserved{OrderID: text[0:2], Reservations: []stock.Granted{{ReservationID: text[2:4], FromStock: 1}}, ExpiresAt: t0 + 9, At: t0})
	}()
	runtime.GC()
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the item keeps the text that the ids were cut from")
	}
	do(t, i, stock.Release{Key: shirt, OrderID: "o1", Parts: []stock.Part{{ReservationID: "r1"}}, Now: t0 + 1})
}

// TestExpiryIsBounded lets many reservations lapse at once: a decision expires what it needs, and otherwise one batch.
func TestExpiryIsBounded(t *testing.T) {
	t.Parallel()
	const many = 10_000
	i := evolve(stock.Received{MovementID: "m", Quantity: many, At: t0})
	for n := range many {
		do(t, i, reserve("o1", t0, ask(fmt.Sprint("r", n), 1)))
	}
	now := t0 + 100
	if events := do(t, i, reserve("o9", now, ask("a", 1))); len(events) != stock.SpareExpiry+1 {
		t.Errorf("one unit took %d events", len(events))
	}
	if events := do(t, i, reserve("o9", now, ask("b", 5_000))); len(events) != 5_000-(stock.SpareExpiry-1)+2 { // the last one: it is depleted
		t.Errorf("5,000 units took %d events", len(events))
	}
	if i.Oversold() != 0 || i.Free() != 0 {
		t.Errorf("oversold %d, free %d", i.Oversold(), i.Free())
	}
	if _, err := stock.Decide(i, reserve("o9", now, ask("c", many))); !errors.Is(err, stock.InsufficientStock{
		SKU: "TSHIRT", Location: "BER1", Requested: many, Available: many - 5_001,
	}) {
		t.Errorf("got %v", err)
	}
	swept := 0
	for {
		events := do(t, i, stock.Expire{Key: shirt, Now: now})
		if len(events) == 0 {
			break
		}
		swept += len(events)
	}
	if i.NextExpiry() != now+100 || i.Open() != 2 {
		t.Errorf("after sweeping %d: next expiry %s, %d open", swept, i.NextExpiry(), i.Open())
	}
}

// TestAFactExpiresSoMany takes away all units of many lapsed reservations: what is not expired by the fact itself
// is still not counted as promised.
func TestAFactExpiresSoMany(t *testing.T) {
	t.Parallel()
	const many = 5_100
	i := evolve(stock.Received{MovementID: "m", Quantity: many + 3, At: t0})
	for n := range many {
		do(t, i, reserve("o1", t0, ask(fmt.Sprint("r", n), 1)))
	}
	now := t0 + 100
	do(t, i, reserve("o2", now, ask("live", 3)))
	left := int64(many - stock.SpareExpiry)
	none := do(t, i, stock.Count{Key: shirt, MovementID: "c1", Counted: 3, Now: now})
	if _, ok := none[len(none)-2].(stock.Counted); !ok || len(none) != stock.FactExpiry+2 { // the last one: it is depleted
		t.Errorf("a count that covers the promise took %d events, the one before the last %+v", len(none), none[len(none)-2])
	}
	short := do(t, i, stock.Count{Key: shirt, MovementID: "c2", Counted: 1, Now: now})
	if got, want := short[len(short)-1], (stock.OversoldDetected{OnHand: 1, Reserved: 3, Short: 2, Victims: []stock.Victim{{ReservationID: "live", OrderID: "o2", Quantity: 2}}, At: now}); !reflect.DeepEqual(got, stock.Event(want)) || len(short) != stock.FactExpiry+2 {
		t.Errorf("a count that does not took %d events, the last %+v, want %+v", len(short), got, want)
	}
	if left -= 2 * stock.FactExpiry; i.Reserved != left+3 {
		t.Errorf("%d units reserved, want %d", i.Reserved, left+3)
	}
	for len(do(t, i, stock.Expire{Key: shirt, Now: now})) > 0 {
		continue
	}
	if i.Oversold() != 2 {
		t.Errorf("oversold by %d after all is swept", i.Oversold())
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	sku, location, ok := stock.ParseStream(stock.Stream("BANK CHARGES", "BER1"))
	if !ok || sku != "BANK CHARGES" || location != "BER1" {
		t.Errorf("got %q, %q, %t", sku, location, ok)
	}
	for _, s := range []string{"", "stock-", "stock-A", "stock-@L", "stock-A@", "order-1"} {
		if sku, location, ok := stock.ParseStream(s); ok {
			t.Errorf("%q names %q at %q", s, sku, location)
		}
	}
	if got := stock.ReservationID("o", "l", 2); got != "o:l:2" {
		t.Errorf("got %q", got)
	}
}
