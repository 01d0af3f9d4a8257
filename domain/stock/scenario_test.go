package stock_test

import (
	"errors"
	"fmt"
	"testing"

	"waybill/domain"
	"waybill/domain/stock"
)

// TestScenario7OversellRace: one unit is available and 50 orders reserve it; one gets it, 49 are told that none is left.
func TestScenario7OversellRace(t *testing.T) {
	t.Parallel()
	i := evolve(stock.Received{MovementID: "m", Quantity: 1, At: t0})
	reserved, refused := 0, 0
	for n := range 50 {
		events, err := stock.Decide(i, reserve(fmt.Sprint("o", n), t0, ask(fmt.Sprint("o", n, ":1:1"), 1)))
		if err == nil {
			reserved++
		} else if !errors.Is(err, stock.InsufficientStock{SKU: "TSHIRT", Location: "BER1", Requested: 1, Available: 0}) {
			t.Fatal(err)
		} else {
			refused++
		}
		for _, e := range events {
			stock.Evolve(i, e)
		}
	}
	if reserved != 1 || refused != 49 || i.Available() != 0 {
		t.Errorf("%d reserved, %d refused, %d available", reserved, refused, i.Available())
	}
}

// TestScenario9AllOrNothing: X has a unit and Y has none. What an order needs of one item is granted as a whole or not at all;
// over two items the decision on Y is refused, so the commit of both is never made.
func TestScenario9AllOrNothing(t *testing.T) {
	t.Parallel()
	x := evolve(stock.Received{MovementID: "m", Quantity: 1, At: t0})
	if got := verdict(stock.Decide(x, reserve("o1", t0, ask("o1:1:1", 1), ask("o1:2:1", 1)))); got != "insufficient-stock" {
		t.Errorf("two lines of one unit: %s", got)
	}
	if x.Open() != 0 || x.Available() != 1 {
		t.Errorf("%d reservations remain, %d units are available", x.Open(), x.Available())
	}
	y := new(stock.Item)
	ofX, errX := stock.Decide(x, reserve("o1", t0, ask("o1:1:1", 1)))
	ofY, errY := stock.Decide(y, reserve("o1", t0, ask("o1:2:1", 1)))
	if len(ofX) == 0 || errX != nil || ofY != nil || verdict(ofY, errY) != "insufficient-stock" {
		t.Errorf("X: %+v, %v; Y: %+v, %v", ofX, errX, ofY, errY)
	}
	if x.Open() != 0 { // deciding promises nothing: what is not committed did not happen
		t.Error("a reservation on X remains")
	}
}

// TestScenario11ReservationExpiry: a reservation is held until t, and the sweeper is stopped. After t another order can reserve;
// a late confirmation is refused, and the order reserves again with its next attempt.
func TestScenario11ReservationExpiry(t *testing.T) {
	t.Parallel()
	i := evolve(stock.Received{MovementID: "m", Quantity: 2, At: t0})
	first, until := stock.ReservationID("o1", "1", 1), t0+100
	do(t, i, reserve("o1", t0, ask(first, 2)))
	if got := verdict(stock.Decide(i, reserve("o2", until-1, ask("o2:1:1", 1)))); got != "insufficient-stock" {
		t.Errorf("before its time is over: %s", got)
	}
	do(t, i, reserve("o2", until, ask("o2:1:1", 1)))
	late := stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{first}, Now: until + 1}
	if got := verdict(stock.Decide(i, late)); got != "reservation-expired" {
		t.Errorf("a late confirmation: %s", got)
	}
	again := stock.ReservationID("o1", "1", 2)
	if got := verdict(stock.Decide(i, reserve("o1", until+1, ask(again, 2)))); got != "insufficient-stock" {
		t.Errorf("both units again: %s", got)
	}
	do(t, i, reserve("o1", until+1, ask(again, 1)))
	late.ReservationIDs = []string{again}
	if got := verdict(stock.Decide(i, late)); got != "reservation_confirmed" {
		t.Errorf("confirming the next attempt: %s", got)
	}
}

// TestScenario12DoubleRelease: a cancellation has released the reservation. That the fulfilment is cancelled, too, releases
// nothing more, whichever way it asks.
func TestScenario12DoubleRelease(t *testing.T) {
	t.Parallel()
	i := item(t, "confirmed")
	do(t, i, allocate("o1", "f1", "r1", 2))
	do(t, i, recall("o1", "f1", "d1", "r1", 2))
	do(t, i, release("o1", "r1", 1))
	before := snapshotOf(t, i)
	if got := verdict(stock.Decide(i, recall("o1", "f1", "d1", "r1", 2))); got != "done" {
		t.Errorf("the same again: %s", got)
	}
	for _, c := range []stock.Command{
		recall("o1", "f1", "d2", "r1", 2), release("o1", "r1", 1), deallocate("o1", "f1", "d2", "r1", 2),
	} {
		if got := verdict(stock.Decide(i, c)); got != "reservation-closed" {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if i.Available() != 10 || string(before) != string(snapshotOf(t, i)) {
		t.Errorf("%d units are available", i.Available())
	}
}

// TestScenario14BackorderFill: O1 waits for 2 units, O2 behind it for 1. Two come in: O1 is filled and O2 waits. A third goes to
// O2, and what a big one in front leaves open is not given to a small one behind it.
func TestScenario14BackorderFill(t *testing.T) {
	t.Parallel()
	i := new(stock.Item)
	do(t, i, stock.SetBackorderPolicy{Key: shirt, Limit: 100, Now: t0})
	wait := func(order string, quantity int64, at domain.Time) {
		do(t, i, stock.Reserve{
			Key: shirt, OrderID: order, ExpiresAt: at + 100, Now: at,
			Reservations: []stock.Ask{{ReservationID: order + ":1:1", Quantity: quantity, AllowBackorder: true}},
		})
	}
	firm := func(order string, at domain.Time) {
		do(t, i, stock.Confirm{Key: shirt, OrderID: order, ReservationIDs: []string{order + ":1:1"}, Now: at})
	}
	fills := func(movement string, quantity int64) string {
		var filled []string
		for _, e := range do(t, i, stock.Receive{Key: shirt, MovementID: movement, Quantity: quantity, Now: t0 + 9}) {
			if f, ok := e.(stock.BackorderFilled); ok {
				filled = append(filled, fmt.Sprintf("%s got %d, %d to come", f.OrderID, f.Quantity, f.Waiting))
			}
		}
		return fmt.Sprint(filled)
	}
	wait("O2", 1, t0) // reserved first, but confirmed last
	wait("O1", 2, t0+1)
	firm("O1", t0+2)
	firm("O2", t0+3)
	wait("O3", 5, t0+4)
	firm("O3", t0+4)
	wait("O4", 1, t0+5)
	firm("O4", t0+5)
	wait("O5", 1, t0+6) // held only
	for n, step := range []struct {
		quantity int64
		want     string
	}{
		{2, "[O1 got 2, 0 to come]"},
		{1, "[O2 got 1, 0 to come]"},
		{3, "[O3 got 3, 2 to come]"},
		{3, "[O3 got 2, 0 to come O4 got 1, 0 to come]"},
		{1, "[]"},
	} {
		if got := fills(fmt.Sprint("m", n), step.quantity); got != step.want {
			t.Errorf("receiving %d: %s, want %s", step.quantity, got, step.want)
		}
	}
	if i.Available() != 0 || i.Backordered != 1 { // what O5 waits for is not for anybody else
		t.Errorf("%d available, %d wait", i.Available(), i.Backordered)
	}
	firm("O5", t0+10)
	if i.Backordered != 0 || i.Reserved != 10 {
		t.Errorf("O5 waits for %d, %d reserved", i.Backordered, i.Reserved)
	}
}

// TestScenario15LocationReRoute: a fulfilment at L1 is rejected for 1 of 2 units. That one is taken back and given up at L1,
// reserved, confirmed and allocated at L2; the order has as many units as before.
func TestScenario15LocationReRoute(t *testing.T) {
	t.Parallel()
	l1, l2 := item(t, "none"), item(t, "none")
	at := func(c stock.Command) stock.Command { // the same shelf label at the other location
		switch c := c.(type) { //nolint:gochecksumtype // those that are sent there
		case stock.Reserve:
			c.Location = "HAM2"
			return c
		case stock.Confirm:
			c.Location = "HAM2"
			return c
		case stock.Allocate:
			c.Location = "HAM2"
			return c
		}
		return c
	}
	first, second := stock.ReservationID("o1", "1", 1), stock.ReservationID("o1", "1", 2)
	do(t, l1, reserve("o1", t0, ask(first, 2)))
	do(t, l1, stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{first}, Now: t0})
	do(t, l1, allocate("o1", "f1", first, 2))

	do(t, l1, deallocate("o1", "f1", "d1", first, 1))
	do(t, l1, release("o1", first, 1))
	do(t, l2, at(reserve("o1", t0, ask(second, 1))))
	do(t, l2, at(stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{second}, Now: t0}))
	do(t, l2, at(allocate("o1", "f2", second, 1)))

	r1, _ := l1.Reservation(first)
	r2, _ := l2.Reservation(second)
	if r1.State != stock.StateAllocated || r2.State != stock.StateAllocated || r1.Quantity()+r2.Quantity() != 2 {
		t.Errorf("L1 has %+v, L2 has %+v", r1, r2)
	}
	if l1.Available() != 9 || l2.Available() != 9 {
		t.Errorf("%d available at L1, %d at L2", l1.Available(), l2.Available())
	}
}
