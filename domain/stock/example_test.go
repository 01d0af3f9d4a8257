package stock_test

import (
	"fmt"

	"waybill/domain"
	"waybill/domain/stock"
)

// Two orders want the last unit; the second gets it when the first lets its time run out.
func Example() {
	last := stock.Key{SKU: "85123A", Location: "BER1"}
	want := func(order string, now, until domain.Time) stock.Command {
		return stock.Reserve{
			Key: last, OrderID: order, Now: now, ExpiresAt: until,
			Reservations: []stock.Ask{{ReservationID: stock.ReservationID(order, "1", 1), Quantity: 1}},
		}
	}
	i := new(stock.Item)
	for _, c := range []stock.Command{
		stock.Receive{Key: last, MovementID: "delivery-1", Quantity: 1, Now: 1},
		want("o-1", 2, 10),
		want("o-2", 3, 11),
		want("o-2", 10, 20),
	} {
		events, err := stock.Decide(i, c)
		if err != nil {
			fmt.Println("refused:", err)
		}
		for _, e := range events {
			stock.Evolve(i, e)
			fmt.Println(e.EventType(), e.Order(), "available:", i.Available())
		}
	}
	// Output:
	// stock.received  available: 1
	// stock.reserved o-1 available: 0
	// stock.depleted  available: 0
	// refused: 85123A at BER1 has 0 available, 1 were asked for
	// stock.reservation_expired o-1 available: 1
	// stock.reserved o-2 available: 0
}
