package order_test

import (
	"fmt"

	"waybill/domain/money"
	"waybill/domain/order"
)

// An order is placed, a unit of it is cancelled, and the rest is confirmed.
func Example() {
	gbp := func(minor int64) money.Money { return money.New(minor, "GBP") }
	commands := []order.Command{
		order.Place{ID: "o-1", Now: 1, Details: order.Details{
			Number: "WEB-1", Channel: "web", Currency: "GBP",
			Lines: []order.Line{{ID: "1", SKU: "85123A", Quantity: 3, UnitPrice: "3.335", Total: gbp(1000)}},
			Totals: order.Totals{
				Goods: gbp(1000), Discount: gbp(0), Shipping: gbp(0), Surcharge: gbp(0), Tax: gbp(0), Grand: gbp(1000),
			},
		}},
		order.Cancel{ID: "o-1", CancellationID: "c-1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, Now: 2},
		order.Confirm{ID: "o-1", Now: 3},
		order.Expire{ID: "o-1", Deadline: 4, Now: 4},
	}
	o := new(order.Order)
	for _, c := range commands {
		events, err := order.Decide(o, c)
		if err != nil {
			fmt.Println("refused:", err)
		}
		for _, e := range events {
			order.Evolve(o, e)
			fmt.Println(e.EventType(), o.Lifecycle, o.Due())
		}
	}
	// Output:
	// order.placed pending 10.00 GBP
	// order.lines_cancelled pending 6.67 GBP
	// order.confirmed confirmed 6.67 GBP
	// refused: order.expire is not possible on a confirmed order
}
