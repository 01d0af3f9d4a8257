package orderdetail

import (
	"bytes"
	"testing"

	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/projections"
	"waybill/projections/historytest"
)

// ofOrder returns the events that belong to an order.
func ofOrder(l *historytest.Log, id string) []projections.Event {
	var events []projections.Event
	for _, e := range historytest.Wanted(Projection{}, l.Events) {
		if owner(&e) == id {
			events = append(events, e)
		}
	}
	return events
}

// What is stored is the fold of the order's events, to the byte, and a stored state goes on as if it had never been stored.
func TestStoredBytesAreTheFold(t *testing.T) {
	log := historytest.Random(21, 3_000)
	pool := historytest.Install(t, Projection{})
	historytest.Apply(t, pool, Projection{}, log.Events, 97)
	for _, id := range log.OrderIDs {
		var s State
		for _, e := range ofOrder(log, id) {
			b, err := s.encode()
			if err != nil {
				t.Fatal(err)
			}
			if s, err = decodeState(b); err != nil { // every step through storage
				t.Fatalf("order %s before event %d: %v", id, e.Position, err)
			}
			if err := s.Evolve(&e); err != nil {
				t.Fatal(err)
			}
		}
		var whole State
		for _, e := range ofOrder(log, id) {
			if err := whole.Evolve(&e); err != nil {
				t.Fatal(err)
			}
		}
		want, err := whole.encode()
		if err != nil {
			t.Fatal(err)
		}
		stepped, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(stepped, want) {
			t.Fatalf("order %s: a state that was stored at each step has other bytes than the fold", id)
		}
		var got []byte
		if err := pool.QueryRow(t.Context(), "SELECT document FROM readmodel.order_detail WHERE order_id = $1", id).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("order %s: the row is\n%x\nthe fold is\n%x", id, got, want)
		}
		fromDomain, err := order.EncodeSnapshot(log.Orders[id])
		if err != nil {
			t.Fatal(err)
		}
		folded, err := order.EncodeSnapshot(&whole.Order)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(fromDomain, folded) {
			t.Fatalf("order %s: the state is not that of the domain", id)
		}
	}
}

// The reservations of all orders together are what the items themselves say is reserved.
func TestReservationsAreThoseOfTheItems(t *testing.T) {
	log := historytest.Random(22, 6_000)
	reserved, backordered, open := map[stock.Key]int64{}, map[stock.Key]int64{}, 0
	for _, id := range log.OrderIDs {
		var s State
		for _, e := range ofOrder(log, id) {
			if err := s.Evolve(&e); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range s.Reservations {
			key := stock.Key{SKU: r.SKU, Location: r.Location}
			reserved[key] += r.FromStock
			backordered[key] += r.Backordered
			if r.FromStock+r.Backordered == 0 {
				continue
			}
			open++
			if in, ok := log.Items[key].Reservation(r.ID); !ok || in.State != r.State || in.ExpiresAt != r.ExpiresAt && in.State == stock.StateHeld {
				t.Errorf("order %s: reservation %+v, the item has %+v (%t)", id, r, in, ok)
			}
		}
	}
	for key, item := range log.Items {
		if item.Reserved != reserved[key] || item.Backordered != backordered[key] {
			t.Errorf("%s: orders hold %d and wait for %d units, the item says %d and %d", key.Stream(), reserved[key], backordered[key], item.Reserved, item.Backordered)
		}
	}
	if open < 50 {
		t.Errorf("only %d open reservations: the history tests too little", open)
	}
}
