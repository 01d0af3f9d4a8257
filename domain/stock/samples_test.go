package stock_test

import (
	"testing"
	"time"

	"waybill/domain"
	"waybill/domain/stock"
)

// t0 is when these tests begin.
var t0 = domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))

var shirt = stock.Key{SKU: "TSHIRT", Location: "BER1"}

// samples returns one of every event, with every field set.
func samples() []stock.Event {
	return []stock.Event{
		stock.Received{MovementID: "m1", Quantity: 100, Reason: "delivery", Ref: "DN-7", At: t0},
		stock.Adjusted{MovementID: "m2", Delta: -97, Reason: "damaged", Ref: "T-1", At: t0},
		stock.Counted{MovementID: "m3", Counted: 5, Delta: 2, Reason: "yearly", Ref: "C-1", At: t0},
		stock.BackorderPolicySet{Limit: 10, At: t0},
		stock.SafetyStockSet{Quantity: 1, At: t0},
		stock.Reserved{OrderID: "o1", Reservations: []stock.Granted{
			{ReservationID: "o1:1:1", FromStock: 3}, {ReservationID: "o1:2:1", FromStock: 1, Backordered: 2},
		}, ExpiresAt: t0 + 100, At: t0},
		stock.ReservationExtended{OrderID: "o1", ReservationIDs: []string{"o1:1:1"}, ExpiresAt: t0 + 200, At: t0 + 1},
		stock.ReservationConfirmed{OrderID: "o1", ReservationIDs: []string{"o1:1:1"}, At: t0 + 2},
		stock.ReservationReleased{
			OrderID: "o1", Parts: []stock.ReleasedPart{{ReservationID: "o1:1:1", FromStock: 3, Backordered: 0, Closed: true}}, Reason: "cancelled", At: t0 + 3,
		},
		stock.ReservationExpired{OrderID: "o1", ReservationID: "o1:2:1", FromStock: 1, Backordered: 2, ExpiresAt: t0 + 100, At: t0 + 101},
		stock.OversoldDetected{OnHand: 2, Safety: 1, Reserved: 3, Short: 2, At: t0},
	}
}

func evolve(events ...stock.Event) *stock.Item {
	i := new(stock.Item)
	for _, e := range events {
		stock.Evolve(i, e)
	}
	return i
}

// do decides c and folds what it causes.
func do(tb testing.TB, i *stock.Item, c stock.Command) []stock.Event {
	tb.Helper()
	events, err := stock.Decide(i, c)
	if err != nil {
		tb.Fatalf("%s: %v", c.CommandType(), err)
	}
	for _, e := range events {
		stock.Evolve(i, e)
	}
	return events
}
