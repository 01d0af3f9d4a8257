package commands_test

import (
	"strconv"
	"testing"

	"waybill/commands"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// lapse puts n units on an item and holds each of them until later; spare units more nobody holds.
func lapse(tb testing.TB, b *commands.Bus, sku string, n int, spare int64) stock.Key {
	tb.Helper()
	key := stock.Key{SKU: sku, Location: "BER1"}
	must(tb, b, receive(sku, int64(n)+spare))
	for n > 0 {
		asks := make([]stock.Ask, min(n, stock.MaxReservations))
		id := string(newOrder())
		for i := range asks {
			asks[i] = stock.Ask{ReservationID: stock.ReservationID(id, strconv.Itoa(i), 1), Quantity: 1}
		}
		must(tb, b, commands.OnStock(newID(), stock.Reserve{Key: key, OrderID: id, Reservations: asks, ExpiresAt: later, Now: now}))
		n -= len(asks)
	}
	return key
}

func TestAFactIsTakenWhateverHasLapsed(t *testing.T) {
	t.Parallel()
	const many = eventstore.MaxCommitEvents + 100
	b := newBus(t, eventstore.NewMemory())
	key := lapse(t, b, "MUG", many, 0)
	must(t, b, commands.OnStock(newID(), stock.Count{Key: key, MovementID: "c1", Counted: 0, Now: later}))
	for left := many - stock.FactExpiry; left > 0; left -= stock.ExpiryBatch {
		must(t, b, commands.OnStock(newID(), stock.Expire{Key: key, Now: later}))
	}
	must(t, b, receive("MUG", 3))
	r := commands.Reservation{OrderID: newOrder(), Attempt: 1, ExpiresAt: later + 1, Now: later, Demands: []commands.Demand{
		{LineID: "1", SKU: "MUG", Location: "BER1", Quantity: 3},
	}}
	must(t, b, commands.Reserve(newID(), r))
}

// TestTheLargestOrderFitsOneCommit reserves for an order of the most lines, where something has lapsed on each item.
func TestTheLargestOrderFitsOneCommit(t *testing.T) {
	t.Parallel()
	b := newBus(t, eventstore.NewMemory())
	r := commands.Reservation{OrderID: newOrder(), Attempt: 1, ExpiresAt: later + 1, Now: later}
	for n := range order.MaxLines {
		sku := "MUG-" + strconv.Itoa(n)
		lapse(t, b, sku, 20, 1)
		r.Demands = append(r.Demands, commands.Demand{LineID: strconv.Itoa(n), SKU: sku, Location: "BER1", Quantity: 1})
	}
	must(t, b, commands.Reserve(newID(), r))
}
