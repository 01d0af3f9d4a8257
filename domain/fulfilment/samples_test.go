package fulfilment_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/domain"
	"waybill/domain/fulfilment"
	"waybill/domain/money"
)

// t0 is when the fulfilments of these tests are requested.
var t0 = domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))

const (
	fulfilmentID fulfilment.ID = "0198c0de-0000-7000-8000-0000000000f1"
	orderID      string        = "0198c0de-0000-7000-8000-000000000001"
)

// to names the fulfilment of these tests, with a command that comes after so many microseconds.
func to(after domain.Time) fulfilment.Target {
	return fulfilment.Target{ID: fulfilmentID, Now: t0 + after}
}

func head(after domain.Time) fulfilment.Head {
	return fulfilment.Head{OrderID: orderID, Location: "BER1", At: t0 + after}
}

// details returns a fulfilment of three mugs and a towel that uses every field but the time before which nothing happens.
func details() fulfilment.Details {
	return fulfilment.Details{
		OrderID: orderID, Location: "BER1", AddressRef: "delivery:1", Service: "standard", ShipBy: t0.Add(48 * time.Hour),
		Lines: []fulfilment.Line{mugs(3), towels(1)},
	}
}

func mugs(n int64) fulfilment.Line {
	return fulfilment.Line{LineID: "1", SKU: "MUG", Quantity: n, ReservationID: orderID + ":1:1"}
}

func towels(n int64) fulfilment.Line {
	return fulfilment.Line{LineID: "2", SKU: "TOWEL", Quantity: n, ReservationID: orderID + ":2:1"}
}

// units returns quantities of the lines 1, 2, …; zero leaves a line out.
func units(quantities ...int64) []fulfilment.LineQuantity {
	var all []fulfilment.LineQuantity
	for i, n := range quantities {
		if n > 0 {
			all = append(all, fulfilment.LineQuantity{LineID: string(rune('1' + i)), Quantity: n})
		}
	}
	return all
}

var open = fulfilment.Gate{Open: true, ValidUntil: t0.Add(7 * 24 * time.Hour)}

// samples returns one of every event, with every field set.
func samples() []fulfilment.Event {
	seen := map[string]bool{}
	return slices.DeleteFunc(history(), func(e fulfilment.Event) bool {
		again := seen[e.EventType()]
		seen[e.EventType()] = true
		return again
	})
}

// history returns all events of a fulfilment that goes through everything; the first of each kind has every field set.
func history() []fulfilment.Event {
	later := details()
	later.FulfilAt = t0 + 1
	size := fulfilment.Size{Grams: 1200, Length: 300, Width: 200, Height: 100}
	detail := domain.NewPersonal("handed to Ada Lovelace")
	return []fulfilment.Event{
		fulfilment.Requested{Head: head(0), FulfilmentID: fulfilmentID, Details: later},
		fulfilment.Moved{
			Head: fulfilment.Head{OrderID: orderID, Location: "MUC1", At: t0}, From: "BER1",
			Reservations: []fulfilment.LineReservation{{LineID: "1", ReservationID: orderID + ":1:2"}},
		},
		fulfilment.Moved{
			Head: head(0), From: "MUC1",
			Reservations: []fulfilment.LineReservation{{LineID: "1", ReservationID: orderID + ":1:1"}, {LineID: "2", ReservationID: orderID + ":2:1"}},
		},
		fulfilment.BecameDue{Head: head(1)},
		fulfilment.Accepted{Head: head(2), ExternalRef: "WMS-77"},
		fulfilment.Picked{Head: head(3), ReportID: "r1", Lines: []fulfilment.Line{mugs(2), towels(1)}},
		fulfilment.LinesShorted{Head: head(3), ReportID: "r1", Reason: fulfilment.ShortDamaged, Lines: []fulfilment.Line{mugs(1)}, All: true},
		fulfilment.ParcelPacked{Head: head(4), ParcelID: "p0", Lines: []fulfilment.Line{mugs(2)}, Size: size},
		fulfilment.ParcelUnpacked{Head: head(5), ParcelID: "p0", Lines: []fulfilment.Line{mugs(2)}},
		fulfilment.ParcelPacked{Head: head(6), ParcelID: "p1", Lines: []fulfilment.Line{mugs(1), towels(1)}, Size: size},
		fulfilment.ParcelPacked{Head: head(6), ParcelID: "p2", Lines: []fulfilment.Line{mugs(1)}, Size: size},
		fulfilment.Packed{Head: head(6), Lines: []fulfilment.Line{mugs(2), towels(1)}},
		fulfilment.LabelRequested{Head: head(7), ParcelID: "p1", OperationID: "o1", Carrier: "dhl", Service: "paket"},
		fulfilment.LabelOutcomeUnknown{Head: head(8), ParcelID: "p1", OperationID: "o1", Kind: fulfilment.OperationBuy},
		fulfilment.LabelPurchased{
			Head: head(9), ParcelID: "p1", OperationID: "o1", Carrier: "dhl", Service: "paket", Tracking: []string{"JD01"}, LabelRef: "l-1",
			Cost: money.New(549, "EUR"),
		},
		fulfilment.LabelRequested{Head: head(9), ParcelID: "p2", OperationID: "o2", Carrier: "dhl", Service: "paket"},
		fulfilment.LabelFailed{Head: head(10), ParcelID: "p2", OperationID: "o2", Code: "address_invalid"},
		fulfilment.LabelVoidRequested{Head: head(10), ParcelID: "p1", OperationID: "o3", LabelOperationID: "o1"},
		fulfilment.LabelVoidFailed{Head: head(11), ParcelID: "p1", OperationID: "o3", LabelOperationID: "o1", Code: "too_late"},
		fulfilment.LabelVoidRequested{Head: head(12), ParcelID: "p1", OperationID: "o4", LabelOperationID: "o1"},
		fulfilment.LabelVoided{Head: head(13), ParcelID: "p1", OperationID: "o4", LabelOperationID: "o1"},
		fulfilment.HoldPlaced{Head: head(14), HoldID: "h1", Reason: fulfilment.HoldPayment, Until: t0 + 99, Note: detail},
		fulfilment.HoldReleased{Head: head(15), HoldID: "h1", Note: detail},
		fulfilment.CancellationRequested{
			Head: head(16), CancellationID: "c1", Whole: true, Lines: []fulfilment.Line{mugs(2), towels(1)}, Reason: fulfilment.CancelCustomer,
			Note: detail,
		},
		fulfilment.CancellationDeclined{
			Head: head(17), CancellationID: "c1", Lines: []fulfilment.Line{mugs(2), towels(1)}, Reason: fulfilment.DeclineAlreadyPacked,
		},
		fulfilment.ParcelShipped{
			Head: head(18), ParcelID: "p1", Lines: []fulfilment.Line{mugs(1), towels(1)}, Carrier: "dhl", Tracking: []string{"JD01"}, ShippedAt: t0 + 17,
			Gate: fulfilment.Gate{
				Open: true, Reason: fulfilment.GateHold, Holds: []string{"h9"}, Detail: "looked at by hand", ValidUntil: t0 + 100,
			}, Reported: true,
		},
		fulfilment.AnomalyDetected{
			Head: head(18), Kind: fulfilment.AnomalyShippedPastGate, ParcelID: "p1", OperationID: "o1", FactID: "f0", Detail: "shipped with dhl",
		},
		fulfilment.LinesCancelled{Head: head(19), CancellationID: "c1", Lines: []fulfilment.Line{mugs(1)}, Parcels: []string{"p2"}},
		fulfilment.Shipped{Head: head(19)},
		fulfilment.TrackingUpdated{
			Head: head(20), FactID: "f1", ParcelID: "p1", Status: fulfilment.TrackingInTransit, OccurredAt: t0 + 18, Source: "dhl", Detail: detail,
		},
		fulfilment.DeliveryFailed{
			Head: head(21), FactID: "f2", ParcelID: "p1", OccurredAt: t0 + 19, Source: "dhl", Reason: "nobody_home", Detail: detail,
		},
		fulfilment.ParcelDelivered{
			Head: head(22), FactID: "f3", ParcelID: "p1", Lines: []fulfilment.Line{mugs(1), towels(1)}, OccurredAt: t0 + 20, Source: "dhl",
			ProofRef: "pod-1", Detail: detail,
		},
		fulfilment.Delivered{Head: head(22)},
		fulfilment.ReturnedToSender{
			Head: head(23), FactID: "f4", ParcelID: "p1", Lines: []fulfilment.Line{mugs(1), towels(1)}, OccurredAt: t0 + 21, Source: "dhl",
			Reason: "refused", Detail: detail,
		},
		fulfilment.Rejected{Head: head(24), Reason: fulfilment.ShortOutOfStock},
		fulfilment.Cancelled{Head: head(25)},
	}
}

// do decides commands one after the other, folds what they cause, and returns what the last one caused.
func do(tb testing.TB, f *fulfilment.Fulfilment, commands ...fulfilment.Command) (events []fulfilment.Event) {
	tb.Helper()
	for _, c := range commands {
		var err error
		if events, err = fulfilment.Decide(f, c); err != nil {
			tb.Fatalf("%s: %v", c.CommandType(), err)
		}
		for _, e := range events {
			fulfilment.Evolve(f, e)
		}
	}
	return events
}

// verdict names what a decision came to: the types of its events, "done", or the code of its refusal.
func verdict(events []fulfilment.Event, err error) string {
	if err != nil {
		if r, ok := errors.AsType[domain.Refusal](err); ok {
			return r.RefusalCode()
		}
		return "fault: " + err.Error()
	}
	if len(events) == 0 {
		return "done"
	}
	types := make([]string, len(events))
	for i, e := range events {
		types[i] = strings.TrimPrefix(e.EventType(), "fulfilment.")
		if a, ok := e.(fulfilment.AnomalyDetected); ok {
			types[i] = "anomaly:" + string(a.Kind)
		}
	}
	return strings.Join(types, " ")
}
