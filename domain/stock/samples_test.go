package stock_test

import (
	"slices"
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
		stock.OversoldDetected{
			OnHand: 2, Unavailable: 1, Safety: 1, Reserved: 3, Short: 2,
			Victims: []stock.Victim{{ReservationID: "o1:1:1", OrderID: "o1", Quantity: 2}}, At: t0,
		},
		stock.TransferredIn{TransferID: "tr1", From: "HAM2", Quantity: 20, Reason: "balance", Ref: "T-9", At: t0 + 110},
		stock.TransferredOut{TransferID: "tr2", To: "HAM2", Quantity: 2, Reason: "balance", Ref: "T-8", At: t0 + 111},
		stock.MadeUnavailable{MovementID: "m4", Bucket: stock.BucketQualityControl, Quantity: 3, Reason: "check", Ref: "Q-1", At: t0 + 112},
		stock.MadeAvailable{MovementID: "m5", Bucket: stock.BucketQualityControl, Quantity: 2, Reason: "checked", Ref: "Q-1", At: t0 + 113},
		stock.Restocked{
			OrderID: "o0", ReturnID: "ret1", UnitIDs: []string{"1:1", "1:2"}, Bucket: stock.BucketDamaged, Reason: "torn", At: t0 + 114,
		},
		stock.BackorderFilled{OrderID: "o2", ReservationID: "o2:1:1", Quantity: 3, Waiting: 1, At: t0 + 117},
		stock.ReservationAllocated{OrderID: "o2", FulfilmentID: "f1", Parts: []stock.Units{{ReservationID: "o2:1:1", Quantity: 5}}, At: t0 + 118},
		stock.ReservationDeallocated{
			OrderID: "o2", FulfilmentID: "f1", DeallocationID: "d1", Parts: []stock.Units{{ReservationID: "o2:1:1", Quantity: 1}}, Reason: "short", At: t0 + 119,
		},
		stock.AllocationReleased{
			OrderID: "o2", FulfilmentID: "f1", DeallocationID: "d2", Parts: []stock.ReleasedPart{{ReservationID: "o2:1:1", FromStock: 1}}, Reason: "recalled", At: t0 + 120,
		},
		stock.Issued{
			MovementID: "p1", OrderID: "o2", FulfilmentID: "f1",
			Parts: []stock.IssuedPart{{ReservationID: "o2:1:1", Quantity: 3, Unallocated: 1}}, At: t0 + 121,
		},
		stock.AnomalyDetected{
			Kind: stock.AnomalyIssuedUnallocated, OrderID: "o2", FulfilmentID: "f1", ReservationID: "o2:1:1", Quantity: 1, At: t0 + 121,
		},
		stock.ThresholdSet{Quantity: 5, At: t0 + 122},
		stock.BelowThreshold{Available: 4, Threshold: 5, At: t0 + 123},
		stock.Depleted{At: t0 + 124},
	}
}

// history returns the samples as a history of an item, in which each has something to happen to.
func history() []stock.Event {
	events := samples()
	at := slices.IndexFunc(events, func(e stock.Event) bool { return e.EventType() == stock.TypeBackorderFilled })
	return slices.Insert(events, at, []stock.Event{
		stock.Reserved{OrderID: "o2", Reservations: []stock.Granted{
			{ReservationID: "o2:1:1", FromStock: 6, Backordered: 4}, {ReservationID: "o2:2:1", FromStock: 1, Backordered: 1},
		}, ExpiresAt: t0 + 200, At: t0 + 115},
		stock.ReservationConfirmed{OrderID: "o2", ReservationIDs: []string{"o2:1:1", "o2:2:1"}, At: t0 + 116},
	}...)
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
