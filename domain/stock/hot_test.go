package stock_test

import (
	"fmt"
	"testing"

	"waybill/domain/stock"
)

// BenchmarkHotItem is a flash sale: one unit is reserved on an item that has many open reservations. What it costs must not
// grow with their number.
func BenchmarkHotItem(b *testing.B) {
	for _, open := range []int{0, 1_000, 100_000} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			i := evolve(stock.Received{MovementID: "m", Quantity: stock.MaxQuantity / 2, At: t0})
			for n := range open {
				do(b, i, reserve("o1", t0, ask(fmt.Sprint("open", n), 1)))
			}
			n := 0
			b.ReportAllocs()
			for b.Loop() { // reserve and release, so that the number stays
				n++
				id := fmt.Sprint("r", n)
				do(b, i, reserve("o2", t0+1, ask(id, 1)))
				do(b, i, stock.Release{Key: shirt, OrderID: "o2", Parts: []stock.Part{{ReservationID: id}}, Now: t0 + 1})
			}
		})
	}
}

// BenchmarkReserve is the growing half of a flash sale: every order holds one unit and keeps it.
func BenchmarkReserve(b *testing.B) {
	i := evolve(stock.Received{MovementID: "m", Quantity: stock.MaxQuantity / 2, At: t0})
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		do(b, i, reserve("o1", t0, ask(fmt.Sprint("r", n), 1)))
	}
}

// BenchmarkSoldOut is the end of a flash sale: everybody is refused.
func BenchmarkSoldOut(b *testing.B) {
	i := evolve(stock.Received{MovementID: "m", Quantity: 100_000, At: t0})
	for n := range 100_000 {
		do(b, i, reserve("o1", t0, ask(fmt.Sprint("r", n), 1)))
	}
	c := reserve("o2", t0+1, ask("late", 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stock.Decide(i, c); err == nil {
			b.Fatal("sold more than there is")
		}
	}
}

// BenchmarkFulfil is the way of one unit of a hot item through a fulfilment: reserved, confirmed, allocated and issued. What it
// costs must not grow with the reservations that are open, nor with those that have ended.
func BenchmarkFulfil(b *testing.B) {
	for _, open := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			i := evolve(stock.Received{MovementID: "m", Quantity: stock.MaxQuantity / 2, At: t0})
			for n := range open {
				do(b, i, reserve("o1", t0, ask(fmt.Sprint("open", n), 1)))
			}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				id := fmt.Sprint("r", n)
				do(b, i, reserve("o2", t0+1, ask(id, 1)))
				do(b, i, stock.Confirm{Key: shirt, OrderID: "o2", ReservationIDs: []string{id}, Now: t0 + 1})
				do(b, i, allocate("o2", "f1", id, 1))
				do(b, i, issue("o2", "f1", id, id, 1))
			}
		})
	}
}

// BenchmarkFillOne receives a unit for one of many reservations that wait.
func BenchmarkFillOne(b *testing.B) {
	i := evolve(stock.BackorderPolicySet{Limit: stock.MaxQuantity / 2, At: t0})
	n := 0
	wait := func() {
		n++
		id := fmt.Sprint("r", n)
		do(b, i, stock.Reserve{Key: shirt, OrderID: "o1", ExpiresAt: t0 + 9, Now: t0, Reservations: []stock.Ask{{ReservationID: id, Quantity: 1, AllowBackorder: true}}})
		do(b, i, stock.Confirm{Key: shirt, OrderID: "o1", ReservationIDs: []string{id}, Now: t0})
	}
	for range 100_000 {
		wait()
	}
	b.ReportAllocs()
	for b.Loop() {
		wait()
		if events := do(b, i, stock.Receive{Key: shirt, MovementID: fmt.Sprint("m", n), Quantity: 1, Now: t0}); len(events) != 2 {
			b.Fatalf("caused %+v", events)
		}
	}
}
