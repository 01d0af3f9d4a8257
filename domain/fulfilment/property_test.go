package fulfilment_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/fulfilment"
)

// step is one command and what came of it.
type step struct {
	command fulfilment.Command
	events  []fulfilment.Event
	refused bool
	now     domain.Time
	after   *fulfilment.Fulfilment
}

// checks is what watches a walk. It keeps books of its own, by the events alone.
type checks interface{ see(t *rapid.T, s *step) }

// walk sends random commands and facts to a fulfilment, and shows every step to c. The stored form of what happened must
// fold to the same state.
func walk(t *testing.T, fresh func() checks) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		c := fresh()
		f := new(fulfilment.Fulfilment)
		var log []fulfilment.Event
		now := t0 + 3
		do := func(command fulfilment.Command) {
			before := snapshotOf(t, f)
			events, err := fulfilment.Decide(f, command)
			if _, ok := errors.AsType[domain.Refusal](err); err != nil && !ok {
				t.Fatalf("%T: %v", command, err)
			}
			if !slices.Equal(before, snapshotOf(t, f)) {
				t.Fatalf("deciding %+v changed the fulfilment", command)
			}
			for _, e := range events {
				fulfilment.Evolve(f, e)
			}
			log = append(log, events...)
			c.see(t, &step{command, events, err != nil, now, f})
			if again, err := fulfilment.Decide(f, command); len(events) > 0 && (err != nil || len(again) > 0) {
				t.Fatalf("%+v a second time gives %s", command, verdict(again, err))
			}
		}
		do(drawRequest(t))
		for _, c := range drawStart(t) {
			do(c(f))
		}
		theme := rapid.SampledFrom(themes).Draw(t, "theme")
		for range rapid.IntRange(0, 50).Draw(t, "commands") {
			now += domain.Time(rapid.Int64Range(0, 5).Draw(t, "pause"))
			do(drawCommand(t, theme, f, fulfilment.Target{ID: fulfilmentID, Now: now}))
		}
		checkReplay(t, f, log)
	})
}

func drawRequest(t *rapid.T) fulfilment.Command {
	d := details()
	d.Lines = nil
	for n := range rapid.IntRange(1, 3).Draw(t, "lines") {
		id := strconv.Itoa(n + 1)
		d.Lines = append(d.Lines, fulfilment.Line{
			LineID: id, SKU: "S" + id, Quantity: rapid.Int64Range(1, 5).Draw(t, "quantity"), ReservationID: "r" + id,
		})
	}
	if rapid.Bool().Draw(t, "later") {
		d.FulfilAt = t0 + 3
	}
	return fulfilment.Request{Target: to(0), Details: d}
}

// drawStart draws how far the fulfilment is when anything can happen: requested, picked, or packed into two parcels.
func drawStart(t *rapid.T) []func(*fulfilment.Fulfilment) fulfilment.Command {
	target := to(3) // after the time for which it may be scheduled
	return []func(*fulfilment.Fulfilment) fulfilment.Command{
		func(*fulfilment.Fulfilment) fulfilment.Command { return fulfilment.Accept{Target: target} },
		func(f *fulfilment.Fulfilment) fulfilment.Command {
			return fulfilment.Pick{Target: target, ReportID: "r0", Lines: f.ToPick()}
		},
		func(*fulfilment.Fulfilment) fulfilment.Command {
			return fulfilment.PackParcel{Target: target, ParcelID: "p1", Lines: units(1)}
		},
		func(f *fulfilment.Fulfilment) fulfilment.Command {
			return fulfilment.PackParcel{Target: target, ParcelID: "p2", Lines: f.ToPack()}
		},
	}[:rapid.SampledFrom([]int{0, 2, 4, 4}).Draw(t, "start")]
}

// oneOf draws an id out of a few, so that ids meet.
func oneOf(t *rapid.T, prefix string, n int) string {
	return fmt.Sprint(prefix, rapid.IntRange(1, n).Draw(t, prefix))
}

// some draws units of lines: mostly what is left, sometimes more than there is, or of a line that is not there.
func some(t *rapid.T, left []fulfilment.LineQuantity) []fulfilment.LineQuantity {
	if rapid.IntRange(0, 9).Draw(t, "any units") == 0 {
		return []fulfilment.LineQuantity{{LineID: oneOf(t, "", 4), Quantity: rapid.Int64Range(1, 6).Draw(t, "units")}}
	}
	var lines []fulfilment.LineQuantity
	for _, l := range left {
		if n := rapid.Int64Range(0, l.Quantity+1).Draw(t, "units"); n > 0 {
			lines = append(lines, fulfilment.LineQuantity{LineID: l.LineID, Quantity: min(n, l.Quantity)})
		}
	}
	return lines
}

func drawGate(t *rapid.T, now domain.Time) fulfilment.Gate {
	switch rapid.IntRange(0, 5).Draw(t, "gate") {
	case 0:
		return fulfilment.Gate{Reason: fulfilment.GatePayment}
	case 1:
		return fulfilment.Gate{Reason: fulfilment.GateHold, Holds: []string{"order-hold"}}
	case 2:
		return fulfilment.Gate{Open: true, ValidUntil: now + domain.Time(rapid.Int64Range(-1, 1).Draw(t, "valid"))}
	}
	return fulfilment.Gate{Open: true}
}

// themes are mixtures of the kinds of commands below: everything, mostly labels, mostly cancellations and what leaves meanwhile.
var themes = [][]int{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, {3, 3, 3, 5, 5, 7, 8, 13}, {8, 8, 9, 9, 9, 1, 7}}

func drawCommand(t *rapid.T, theme []int, f *fulfilment.Fulfilment, to fulfilment.Target) fulfilment.Command {
	switch rapid.SampledFrom(theme).Draw(t, "command") {
	case 0:
		return fulfilment.Accept{Target: to}
	case 1:
		left := f.ToPick()
		lines := some(t, left)
		pick := fulfilment.Pick{Target: to, ReportID: oneOf(t, "r", 20), Lines: lines}
		if rapid.IntRange(0, 3).Draw(t, "short") == 0 {
			pick.Short = some(t, slices.Concat(left, f.ToPack())[:max(0, min(1, len(left)+len(f.ToPack())))])
		}
		return pick
	case 2:
		return fulfilment.PackParcel{Target: to, ParcelID: oneOf(t, "p", 3), Lines: some(t, f.ToPack())}
	case 3, 4:
		return drawLabel(t, to)
	case 5, 6:
		return drawOutcome(t, to)
	case 7, 12:
		return fulfilment.ShipParcel{Target: to, ParcelID: oneOf(t, "p", 3), Gate: drawGate(t, to.Now)}
	case 8:
		return drawFact(t, to)
	case 9, 10:
		return drawCancellation(t, f, to)
	case 11:
		return fulfilment.PlaceHold{Target: to, HoldID: oneOf(t, "h", 6), Reason: fulfilment.HoldManual, Until: to.Now + 9}
	}
	return drawRare(t, f, to)
}

func drawLabel(t *rapid.T, to fulfilment.Target) fulfilment.Command {
	if rapid.Bool().Draw(t, "void") {
		return fulfilment.VoidLabel{Target: to, ParcelID: oneOf(t, "p", 3), OperationID: oneOf(t, "o", 5), LabelOperationID: oneOf(t, "o", 5)}
	}
	return fulfilment.BuyLabel{Target: to, ParcelID: oneOf(t, "p", 3), OperationID: oneOf(t, "o", 5), Carrier: "dhl"}
}

func drawOutcome(t *rapid.T, to fulfilment.Target) fulfilment.Command {
	return fulfilment.RecordLabelOutcome{
		Target: to, OperationID: oneOf(t, "o", 5), Tracking: []string{oneOf(t, "JD", 2)},
		Outcome: rapid.SampledFrom([]fulfilment.Outcome{
			fulfilment.OutcomeSucceeded, fulfilment.OutcomeSucceeded, fulfilment.OutcomeFailed, fulfilment.OutcomeUnknown,
		}).Draw(t, "outcome"),
	}
}

func drawFact(t *rapid.T, to fulfilment.Target) fulfilment.Command {
	if rapid.IntRange(0, 4).Draw(t, "left") == 0 {
		return fulfilment.RecordShipped{Target: to, ParcelID: oneOf(t, "p", 4), Gate: drawGate(t, to.Now)}
	}
	return fulfilment.RecordTracking{
		Target: to, FactID: oneOf(t, "f", 30), ParcelID: oneOf(t, "p", 4), Status: drawStatus(t),
		OccurredAt: t0 + domain.Time(rapid.Int64Range(1, 20).Draw(t, "occurred")),
	}
}

func drawStatus(t *rapid.T) fulfilment.TrackingStatus {
	return rapid.SampledFrom([]fulfilment.TrackingStatus{
		fulfilment.TrackingPreTransit, fulfilment.TrackingInTransit, fulfilment.TrackingException, fulfilment.TrackingOutForDelivery,
		fulfilment.TrackingDeliveryFailed, fulfilment.TrackingAvailableToPickUp, fulfilment.TrackingDelivered,
		fulfilment.TrackingReturnedToSender,
	}).Draw(t, "status")
}

func drawCancellation(t *rapid.T, f *fulfilment.Fulfilment, to fulfilment.Target) fulfilment.Command {
	c, open := f.Cancelling()
	switch {
	case !open && rapid.Bool().Draw(t, "whole"):
		return fulfilment.RequestCancellation{Target: to, CancellationID: oneOf(t, "c", 9)}
	case !open:
		return fulfilment.RequestCancellation{Target: to, CancellationID: oneOf(t, "c", 9), Lines: some(t, f.Unshipped())}
	case rapid.Bool().Draw(t, "declined"):
		return fulfilment.DeclineCancellation{Target: to, CancellationID: c.ID}
	case rapid.Bool().Draw(t, "in part"):
		return fulfilment.Cancel{Target: to, CancellationID: c.ID, Lines: some(t, c.Lines)}
	}
	return fulfilment.Cancel{Target: to, CancellationID: c.ID}
}

func drawRare(t *rapid.T, f *fulfilment.Fulfilment, to fulfilment.Target) fulfilment.Command {
	switch rapid.IntRange(0, 4).Draw(t, "rare") {
	case 0:
		return fulfilment.MakeDue{Target: to}
	case 1:
		return fulfilment.Move{Target: to, Location: oneOf(t, "LOC", 2)}
	case 2:
		return fulfilment.Reject{Target: to, ReportID: oneOf(t, "r", 20), Lines: some(t, f.Unshipped())}
	case 3:
		return fulfilment.UnpackParcel{Target: to, ParcelID: oneOf(t, "p", 3)}
	}
	return fulfilment.ReleaseHold{Target: to, HoldID: oneOf(t, "h", 4)}
}

// checkReplay folds the stored form of the log, from the start and from a snapshot in the middle, to the same state.
func checkReplay(t *rapid.T, want *fulfilment.Fulfilment, log []fulfilment.Event) {
	f := new(fulfilment.Fulfilment)
	cut := rapid.IntRange(0, len(log)).Draw(t, "snapshot after")
	for n, e := range log {
		if n == cut {
			var err error
			if f, err = fulfilment.DecodeSnapshot(fulfilment.SnapshotSchema, snapshotOf(t, f)); err != nil {
				t.Fatal(err)
			}
		}
		typ, schema, data, err := fulfilment.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := fulfilment.Decode(typ, schema, data)
		if err != nil {
			t.Fatal(err)
		}
		fulfilment.Evolve(f, back)
	}
	if !slices.Equal(snapshotOf(t, f), snapshotOf(t, want)) || !reflect.DeepEqual(f.Status(), want.Status()) {
		t.Fatalf("replayed to\n%+v, want\n%+v", f, want)
	}
}
