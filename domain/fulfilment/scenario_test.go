package fulfilment_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"waybill/domain/fulfilment"
)

// must decides c, folds what it causes, and holds it to a verdict.
func must(t *testing.T, f *fulfilment.Fulfilment, c fulfilment.Command, want string) []fulfilment.Event {
	t.Helper()
	events, err := fulfilment.Decide(f, c)
	if got := verdict(events, err); got != want {
		t.Fatalf("%s gives %q (%v), want %q", c.CommandType(), got, err, want)
	}
	for _, e := range events {
		fulfilment.Evolve(f, e)
	}
	return events
}

// TestScenario15LocationReRoute: a location rejects one of two units; it goes back to the order once, with its reservation,
// and the other one is picked and shipped here.
func TestScenario15LocationReRoute(t *testing.T) {
	t.Parallel()
	f := new(fulfilment.Fulfilment)
	d := details()
	d.Lines = []fulfilment.Line{mugs(2)}
	do(t, f, fulfilment.Request{Target: to(0), Details: d})
	reject := fulfilment.Reject{Target: to(1), ReportID: "r1", Reason: fulfilment.ShortOutOfStock, Lines: units(1)}
	events := must(t, f, reject, "lines_shorted")
	if back := fulfilment.GivenBack(events[0]); !slices.Equal(back, []fulfilment.Line{mugs(1)}) {
		t.Errorf("%+v went back", back)
	}
	if events[0].Order() != orderID || events[0].(fulfilment.LinesShorted).Location != "BER1" {
		t.Errorf("the order and the location are not told: %+v", events[0])
	}
	must(t, f, reject, "done")
	if f.Status() != fulfilment.StatusRequested || !slices.Equal(f.ToPick(), units(1)) {
		t.Errorf("%s with %v to pick", f.Status(), f.ToPick())
	}
	must(t, f, fulfilment.Accept{Target: to(2)}, "accepted")
	must(t, f, fulfilment.Pick{Target: to(3), ReportID: "r2", Lines: units(2)}, "not-assigned")
	must(t, f, fulfilment.Pick{Target: to(3), ReportID: "r2", Lines: units(1)}, "picked")
	must(t, f, fulfilment.PackParcel{Target: to(4), ParcelID: "p1", Lines: units(1)}, "parcel_packed packed")
	must(t, f, fulfilment.ShipParcel{Target: to(5), ParcelID: "p1", Gate: open}, "parcel_shipped shipped")
}

// TestScenario34CancelledDuringPickAndDeclined: everything is packed when a cancellation is asked for, and the location declines.
func TestScenario34CancelledDuringPickAndDeclined(t *testing.T) {
	t.Parallel()
	f := inState(t, "packed")
	ask := fulfilment.RequestCancellation{Target: to(10), CancellationID: "c1", Reason: fulfilment.CancelCustomer}
	must(t, f, ask, "cancellation_requested")
	must(t, f, ask, "done")
	must(t, f, fulfilment.ShipParcel{Target: to(11), ParcelID: "p1", Gate: open}, "fulfilment-cancellation-pending")
	events := must(t, f, fulfilment.DeclineCancellation{
		Target: to(12), CancellationID: "c1", Reason: fulfilment.DeclineAlreadyPacked,
	}, "cancellation_declined")
	want := fulfilment.CancellationDeclined{
		Head: head(12), CancellationID: "c1", Lines: []fulfilment.Line{mugs(2), towels(1)}, Reason: fulfilment.DeclineAlreadyPacked,
	}
	if !reflect.DeepEqual(events[0], fulfilment.Event(want)) {
		t.Errorf("declined as\n%+v, want\n%+v", events[0], want)
	}
	must(t, f, fulfilment.Cancel{Target: to(13), CancellationID: "c1"}, "fulfilment-cancellation-conflict")
	must(t, f, fulfilment.ShipParcel{Target: to(14), ParcelID: "p1", Gate: open}, "parcel_shipped")
	must(t, f, fulfilment.ShipParcel{Target: to(14), ParcelID: "p2", Gate: open}, "parcel_shipped shipped")
}

// TestScenario38CancelShipped: what has left is not asked back; it needs a return.
func TestScenario38CancelShipped(t *testing.T) {
	t.Parallel()
	f := inState(t, "half shipped") // one mug and the towel have left, one mug has not
	ask := func(id string, lines []fulfilment.LineQuantity) fulfilment.Command {
		return fulfilment.RequestCancellation{Target: to(10), CancellationID: id, Lines: lines}
	}
	_, err := fulfilment.Decide(f, ask("c1", units(2)))
	if want := (fulfilment.AlreadyShipped{LineID: "1", Requested: 2, Unshipped: 1}); !errors.Is(err, want) {
		t.Errorf("refused with %#v, want %#v", err, want)
	}
	must(t, f, ask("c1", units(0, 1)), "fulfilment-already-shipped")
	must(t, f, ask("c1", units(1)), "cancellation_requested")
	must(t, f, fulfilment.Cancel{Target: to(11), CancellationID: "c1"}, "lines_cancelled shipped")
	must(t, f, ask("c2", nil), "fulfilment-already-shipped")
}

// TestScenario40Hold: a hold of the fulfilment or of the order blocks shipping; of two, one that is released is not enough.
func TestScenario40Hold(t *testing.T) {
	t.Parallel()
	f := inState(t, "packed")
	ship := fulfilment.ShipParcel{Target: to(20), ParcelID: "p1", Gate: open}
	for _, id := range []string{"h1", "h2"} {
		must(t, f, fulfilment.PlaceHold{Target: to(10), HoldID: id, Reason: fulfilment.HoldFraud}, "hold_placed")
	}
	must(t, f, ship, "fulfilment-hold-active")
	must(t, f, fulfilment.ReleaseHold{Target: to(11), HoldID: "h1"}, "hold_released")
	_, err := fulfilment.Decide(f, ship)
	if want := (fulfilment.HoldActive{Of: fulfilment.HoldOfFulfilment, Holds: []string{"h2"}}); !reflect.DeepEqual(err, error(want)) {
		t.Errorf("refused with %#v, want %#v", err, want)
	}
	must(t, f, fulfilment.ReleaseHold{Target: to(12), HoldID: "h2"}, "hold_released")
	held := ship
	held.Gate = fulfilment.Gate{Reason: fulfilment.GateHold, Holds: []string{"fraud-1"}}
	_, err = fulfilment.Decide(f, held)
	if want := (fulfilment.HoldActive{Of: fulfilment.HoldOfOrder, Holds: []string{"fraud-1"}}); !reflect.DeepEqual(err, error(want)) {
		t.Errorf("refused with %#v, want %#v", err, want)
	}
	must(t, f, ship, "parcel_shipped")
}

// TestScenario41CaptureFailsAtPack: the gate is closed by the payment, so nothing leaves, and nothing goes back either.
func TestScenario41CaptureFailsAtPack(t *testing.T) {
	t.Parallel()
	f := inState(t, "packed")
	ship := fulfilment.ShipParcel{
		Target: to(10), ParcelID: "p1", Gate: fulfilment.Gate{Reason: fulfilment.GatePayment, Detail: "the capture was declined"},
	}
	_, err := fulfilment.Decide(f, ship)
	if want := (fulfilment.GateClosed{ParcelID: "p1", Reason: fulfilment.GatePayment, Detail: "the capture was declined"}); !errors.Is(err, want) {
		t.Errorf("refused with %#v, want %#v", err, want)
	}
	must(t, f, fulfilment.PlaceHold{Target: to(11), HoldID: "payment", Reason: fulfilment.HoldPayment}, "hold_placed")
	if f.Status() != fulfilment.StatusPacked || !slices.Equal(f.ToShip(), []string{"p1", "p2"}) || !slices.Equal(f.Holding(t0+12), []string{"payment"}) {
		t.Errorf("%s, %v to ship, held by %v", f.Status(), f.ToShip(), f.Holding(t0+12))
	}
	must(t, f, fulfilment.ReleaseHold{Target: to(13), HoldID: "payment"}, "hold_released")
	ship.Target, ship.Gate = to(20), fulfilment.Gate{Open: true, ValidUntil: t0 + 20}
	must(t, f, ship, "ship-gate-closed") // the authorisation has lapsed meanwhile
	ship.Gate.ValidUntil = t0 + 21
	events := must(t, f, ship, "parcel_shipped")
	if got := events[0].(fulfilment.ParcelShipped).Gate; !reflect.DeepEqual(got, ship.Gate) {
		t.Errorf("recorded %+v of the gate %+v", got, ship.Gate)
	}
}

// TestScenario42TrackingOutOfOrder: a late "in transit" after "delivered" is recorded and changes nothing.
func TestScenario42TrackingOutOfOrder(t *testing.T) {
	t.Parallel()
	f := inState(t, "delivered") // at t0+9
	late := fulfilment.RecordTracking{
		Target: to(20), FactID: "f1", ParcelID: "p1", Status: fulfilment.TrackingInTransit, OccurredAt: t0 + 7, Source: "dhl",
	}
	must(t, f, late, "tracking_updated")
	must(t, f, late, "done")
	if p, _ := f.Parcel("p1"); p.State != fulfilment.StateDelivered || p.Status != fulfilment.TrackingDelivered || f.Status() != fulfilment.StatusDelivered {
		t.Errorf("%+v of a fulfilment that is %s", p, f.Status())
	}
	late.FactID, late.OccurredAt = "f2", t0+15 // by the carrier's clock it moves after it has arrived
	must(t, f, late, "tracking_updated anomaly:moved_after_end")
	if f.Status() != fulfilment.StatusDelivered {
		t.Errorf("the fulfilment is %s", f.Status())
	}
}

// TestScenario43ShortPick: three are assigned and two are found: the third goes back, and two are packed.
func TestScenario43ShortPick(t *testing.T) {
	t.Parallel()
	f := new(fulfilment.Fulfilment)
	d := details()
	d.Lines = []fulfilment.Line{mugs(3)}
	do(t, f, fulfilment.Request{Target: to(0), Details: d}, fulfilment.Accept{Target: to(1)})
	pick := fulfilment.Pick{Target: to(2), ReportID: "r1", Lines: units(2), Short: units(1)}
	events := must(t, f, pick, "picked lines_shorted")
	if back := fulfilment.GivenBack(events[1]); !slices.Equal(back, []fulfilment.Line{mugs(1)}) {
		t.Errorf("%+v went back", back)
	}
	must(t, f, pick, "done")
	events = must(t, f, fulfilment.PackParcel{Target: to(3), ParcelID: "p1", Lines: units(2)}, "parcel_packed packed")
	want := fulfilment.Packed{Head: head(3), Lines: []fulfilment.Line{mugs(2)}} // what is to be captured
	if !reflect.DeepEqual(events[1], fulfilment.Event(want)) {
		t.Errorf("packed as %+v, want %+v", events[1], want)
	}
}
