package fulfilment_test

import (
	"slices"
	"strings"
	"testing"

	"waybill/domain/fulfilment"
)

// inState returns a fulfilment in a status, or in one of the situations within a status, by commands alone.
func inState(tb testing.TB, state string) *fulfilment.Fulfilment {
	tb.Helper()
	f := new(fulfilment.Fulfilment)
	if state == "none" {
		return f
	}
	d := details()
	if state == "scheduled" {
		d.FulfilAt = t0 + 50
	}
	do(tb, f, fulfilment.Request{Target: to(0), Details: d})
	accept := fulfilment.Accept{Target: to(1)}
	pick := fulfilment.Pick{Target: to(2), ReportID: "r1", Lines: units(2, 1), Short: units(1)}
	one := fulfilment.PackParcel{Target: to(3), ParcelID: "p1", Lines: units(1, 1)}
	two := fulfilment.PackParcel{Target: to(3), ParcelID: "p2", Lines: units(1)}
	ship := func(parcel string) fulfilment.Command {
		return fulfilment.ShipParcel{Target: to(5), ParcelID: parcel, Carrier: "dhl", Gate: open}
	}
	cancel := fulfilment.RequestCancellation{Target: to(4), CancellationID: "c0"}
	switch state {
	case "scheduled", "requested":
	case "accepted":
		do(tb, f, accept)
	case "picked":
		do(tb, f, accept, pick)
	case "packed":
		do(tb, f, accept, pick, one, two)
	case "labelling":
		do(tb, f, accept, pick, one, two, fulfilment.BuyLabel{Target: to(4), ParcelID: "p1", OperationID: "o0", Carrier: "dhl"})
	case "labelled":
		do(tb, f, accept, pick, one, two, fulfilment.BuyLabel{Target: to(4), ParcelID: "p1", OperationID: "o0", Carrier: "dhl"},
			fulfilment.RecordLabelOutcome{Target: to(4), OperationID: "o0", Outcome: fulfilment.OutcomeSucceeded, Tracking: []string{"JD01"}})
	case "held":
		do(tb, f, accept, pick, one, two, fulfilment.PlaceHold{Target: to(4), HoldID: "h0", Reason: fulfilment.HoldManual})
	case "cancelling":
		do(tb, f, accept, pick, one, two, cancel)
	case "half shipped":
		do(tb, f, accept, pick, one, two, ship("p1"))
	case "shipped":
		do(tb, f, accept, pick, one, two, ship("p1"), ship("p2"))
	case "delivered":
		do(tb, f, accept, pick, one, two, ship("p1"), ship("p2"), arrived("p1"), arrived("p2"))
	case "returned":
		do(tb, f, accept, pick, one, two, ship("p1"), ship("p2"), cameBack("p1"), cameBack("p2"))
	case "rejected":
		do(tb, f, fulfilment.Reject{Target: to(1), ReportID: "r0"})
	case "cancelled":
		do(tb, f, accept, pick, one, two, cancel, fulfilment.Cancel{Target: to(5), CancellationID: "c0"})
	default:
		tb.Fatalf("no state %s", state)
	}
	return f
}

func arrived(parcel string) fulfilment.Command {
	return fulfilment.RecordDelivered{Target: to(10), FactID: "arrived-" + parcel, ParcelID: parcel, OccurredAt: t0 + 9, Source: "dhl"}
}

func cameBack(parcel string) fulfilment.Command {
	return fulfilment.RecordReturnedToSender{Target: to(10), FactID: "back-" + parcel, ParcelID: parcel, OccurredAt: t0 + 9, Source: "dhl"}
}

// commands returns one of every command, such that only the state can refuse it.
func commands() []fulfilment.Command {
	now := to(60)
	return []fulfilment.Command{
		fulfilment.Request{Target: now, Details: details()},
		fulfilment.MakeDue{Target: now},
		fulfilment.Move{Target: now, Location: "MUC1"},
		fulfilment.Accept{Target: now},
		fulfilment.Reject{Target: now, ReportID: "r9"},
		fulfilment.Pick{Target: now, ReportID: "r8", Short: units(0, 1)},
		fulfilment.PackParcel{Target: now, ParcelID: "p9", Lines: units(1)},
		fulfilment.UnpackParcel{Target: now, ParcelID: "p1"},
		fulfilment.BuyLabel{Target: now, ParcelID: "p1", OperationID: "o9", Carrier: "dhl"},
		fulfilment.VoidLabel{Target: now, ParcelID: "p1", OperationID: "o8", LabelOperationID: "o0"},
		fulfilment.ShipParcel{Target: now, ParcelID: "p1", Gate: open},
		fulfilment.RecordLabelOutcome{Target: now, OperationID: "o0", Outcome: fulfilment.OutcomeFailed},
		fulfilment.RecordShipped{Target: now, ParcelID: "p1", Gate: open},
		fulfilment.RecordTracking{Target: now, FactID: "f9", ParcelID: "p1", Status: fulfilment.TrackingInTransit, OccurredAt: t0 + 59},
		fulfilment.RecordDelivered{Target: now, FactID: "f8", ParcelID: "p1", OccurredAt: t0 + 59},
		fulfilment.RecordDeliveryFailed{Target: now, FactID: "f7", ParcelID: "p1", OccurredAt: t0 + 59},
		fulfilment.RecordReturnedToSender{Target: now, FactID: "f6", ParcelID: "p1", OccurredAt: t0 + 59},
		fulfilment.RequestCancellation{Target: now, CancellationID: "c9"},
		fulfilment.Cancel{Target: now, CancellationID: "c0"},
		fulfilment.DeclineCancellation{Target: now, CancellationID: "c0"},
		fulfilment.PlaceHold{Target: now, HoldID: "h9", Reason: fulfilment.HoldFraud},
		fulfilment.ReleaseHold{Target: now, HoldID: "h0"},
	}
}

// TestEveryCommandInEveryState is the state machine: each row a state, each column a command.
func TestEveryCommandInEveryState(t *testing.T) {
	t.Parallel()
	const (
		done     = "done"
		gone     = "fulfilment-not-found"
		bad      = "invalid-fulfilment-transition"
		left     = "fulfilment-already-shipped"
		missing  = "not-assigned"
		mismatch = "parcel-mismatch"
		noParcel = "unknown-fulfilment-parcel"
		noLabel  = "unknown-label"
		noCancel = "unknown-fulfilment-cancellation"
		noHold   = "unknown-fulfilment-hold"
		flight   = "label-in-flight"
		pending  = "fulfilment-cancellation-pending"
		held     = "fulfilment-hold-active"
		strange  = "anomaly:unknown_parcel"
		unasked  = "anomaly:unknown_operation"
		closed   = "anomaly:parcel_closed"
		hold     = "hold_placed"
		ask      = "cancellation_requested"
		past     = "parcel_shipped anomaly:shipped_past_gate "
		onHold   = "parcel_shipped anomaly:shipped_on_hold anomaly:shipped_past_gate "
		recalled = "parcel_shipped anomaly:shipped_while_cancelling anomaly:shipped_past_gate "
	)
	table := []struct {
		state   string
		status  fulfilment.Status
		allowed string // besides facts
		row     []string
	}{
		// request, make_due, move, accept, reject
		// pick, pack_parcel, unpack_parcel
		// buy_label, void_label, ship_parcel, record_label_outcome
		// record_shipped, record_tracking, record_delivered, record_delivery_failed, record_returned_to_sender
		// request_cancellation, cancel, decline_cancellation, place_hold, release_hold
		{"none", fulfilment.StatusNone, "request", []string{
			"requested", gone, gone, gone, gone,
			gone, gone, gone,
			gone, gone, gone, gone,
			gone, gone, gone, gone, gone,
			gone, gone, gone, gone, gone,
		}},
		{"scheduled", fulfilment.StatusScheduled, "make_due move accept reject request_cancellation place_hold", []string{
			"fulfilment-already-requested", "became_due", "moved", "became_due accepted", "lines_shorted rejected",
			bad, bad, noParcel,
			noParcel, noParcel, noParcel, unasked,
			strange, strange, strange, strange, strange,
			ask, noCancel, noCancel, hold, noHold,
		}},
		{"requested", fulfilment.StatusRequested, "move accept reject request_cancellation place_hold", []string{
			done, done, "moved", "accepted", "lines_shorted rejected",
			bad, bad, noParcel,
			noParcel, noParcel, noParcel, unasked,
			strange, strange, strange, strange, strange,
			ask, noCancel, noCancel, hold, noHold,
		}},
		{"accepted", fulfilment.StatusAccepted, "pick request_cancellation place_hold", []string{
			done, done, bad, done, bad,
			"lines_shorted", mismatch, noParcel,
			noParcel, noParcel, noParcel, unasked,
			strange, strange, strange, strange, strange,
			ask, noCancel, noCancel, hold, noHold,
		}},
		{"picked", fulfilment.StatusPicked, "pick pack_parcel request_cancellation place_hold", []string{
			done, done, bad, done, bad,
			"lines_shorted", "parcel_packed", noParcel,
			noParcel, noParcel, noParcel, unasked,
			strange, strange, strange, strange, strange,
			ask, noCancel, noCancel, hold, noHold,
		}},
		{"packed", fulfilment.StatusPacked, "unpack_parcel buy_label ship_parcel request_cancellation place_hold", []string{
			done, done, bad, done, bad,
			missing, mismatch, "parcel_unpacked",
			"label_requested", noLabel, "parcel_shipped", unasked,
			"parcel_shipped", past + "tracking_updated", past + "parcel_delivered", past + "delivery_failed", past + "returned_to_sender",
			ask, noCancel, noCancel, hold, noHold,
		}},
		{"labelling", fulfilment.StatusPacked, "unpack_parcel buy_label ship_parcel request_cancellation place_hold", []string{
			done, done, bad, done, bad,
			missing, mismatch, "parcel_unpacked",
			flight, flight, flight, "label_failed",
			"parcel_shipped", past + "tracking_updated", past + "parcel_delivered", past + "delivery_failed", past + "returned_to_sender",
			ask, noCancel, noCancel, hold, noHold,
		}},
		{"labelled", fulfilment.StatusPacked, "unpack_parcel buy_label void_label ship_parcel request_cancellation place_hold", []string{
			done, done, bad, done, bad,
			missing, mismatch, "parcel_unpacked",
			"label-exists", "label_void_requested", "parcel_shipped", "anomaly:outcome_conflict",
			"parcel_shipped", past + "tracking_updated", past + "parcel_delivered", past + "delivery_failed", past + "returned_to_sender",
			ask, noCancel, noCancel, hold, noHold,
		}},
		{"held", fulfilment.StatusPacked, "unpack_parcel request_cancellation place_hold release_hold", []string{
			done, done, bad, done, bad,
			missing, mismatch, "parcel_unpacked",
			held, noLabel, held, unasked,
			"parcel_shipped anomaly:shipped_on_hold", onHold + "tracking_updated", onHold + "parcel_delivered", onHold + "delivery_failed", onHold + "returned_to_sender",
			ask, noCancel, noCancel, hold, "hold_released",
		}},
		{"cancelling", fulfilment.StatusPacked, "unpack_parcel cancel decline_cancellation place_hold", []string{
			done, done, bad, done, bad,
			missing, mismatch, "parcel_unpacked",
			pending, noLabel, pending, unasked,
			"parcel_shipped anomaly:shipped_while_cancelling", recalled + "tracking_updated", recalled + "parcel_delivered", recalled + "delivery_failed", recalled + "returned_to_sender",
			pending, "lines_cancelled cancelled", "cancellation_declined", hold, noHold,
		}},
		{"half shipped", fulfilment.StatusPacked, "unpack_parcel buy_label ship_parcel request_cancellation place_hold", []string{
			done, done, bad, done, bad,
			missing, mismatch, left,
			left, noLabel, done, unasked,
			done, "tracking_updated", "parcel_delivered", "delivery_failed", "returned_to_sender",
			ask, noCancel, noCancel, hold, noHold,
		}},
		{"shipped", fulfilment.StatusShipped, "", []string{
			done, done, bad, done, bad,
			left, left, left,
			left, noLabel, done, unasked,
			done, "tracking_updated", "parcel_delivered", "delivery_failed", "returned_to_sender",
			left, noCancel, noCancel, left, noHold,
		}},
		{"delivered", fulfilment.StatusDelivered, "", []string{
			done, done, bad, done, bad,
			left, left, left,
			left, noLabel, done, unasked,
			done, "tracking_updated anomaly:moved_after_end", "tracking_updated", "tracking_updated anomaly:moved_after_end", "returned_to_sender anomaly:end_conflict",
			left, noCancel, noCancel, left, noHold,
		}},
		{"returned", fulfilment.StatusReturned, "", []string{
			done, done, bad, done, bad,
			left, left, left,
			left, noLabel, done, unasked,
			done, "tracking_updated anomaly:moved_after_end", "parcel_delivered anomaly:end_conflict delivered", "tracking_updated anomaly:moved_after_end", "tracking_updated",
			left, noCancel, noCancel, left, noHold,
		}},
		{"rejected", fulfilment.StatusRejected, "", []string{
			done, bad, bad, bad, bad,
			bad, bad, noParcel,
			noParcel, noParcel, noParcel, unasked,
			strange, strange, strange, strange, strange,
			bad, noCancel, noCancel, bad, noHold,
		}},
		{"cancelled", fulfilment.StatusCancelled, "", []string{
			done, bad, bad, bad, bad,
			bad, bad, done,
			"parcel-closed", noLabel, "parcel-closed", unasked,
			closed, closed, closed, closed, closed,
			bad, done, "fulfilment-cancellation-conflict", bad, noHold,
		}},
	}
	seen := map[fulfilment.Status]bool{}
	for _, tt := range table {
		seen[tt.status] = true
		t.Run(tt.state, func(t *testing.T) {
			t.Parallel()
			f := inState(t, tt.state)
			if f.Status() != tt.status {
				t.Fatalf("the status is %s, want %s", f.Status(), tt.status)
			}
			facts := 0
			var allowed []string
			for _, name := range fulfilment.Allowed(f) {
				if strings.HasPrefix(name, "fulfilment.record_") {
					facts++
					continue
				}
				allowed = append(allowed, strings.TrimPrefix(name, "fulfilment."))
			}
			if got := strings.Join(allowed, " "); got != tt.allowed || facts != 6 && tt.state != "none" {
				t.Errorf("allowed are %d facts and %s, want 6 and %s", facts, got, tt.allowed)
			}
			for n, c := range commands() {
				checkCell(t, inState(t, tt.state), c, tt.row[n])
			}
		})
	}
	for _, s := range append(fulfilment.Statuses(), fulfilment.StatusNone) {
		if !seen[s] {
			t.Errorf("the table has no row of status %s", s)
		}
	}
}

// checkCell decides c on f: what comes of it, that f does not change by it, and that c a second time causes nothing.
func checkCell(t *testing.T, f *fulfilment.Fulfilment, c fulfilment.Command, want string) {
	t.Helper()
	before := snapshotOf(t, f)
	events, err := fulfilment.Decide(f, c)
	if got := verdict(events, err); got != want {
		t.Errorf("%s gives %q (%v), want %q", c.CommandType(), got, err, want)
	}
	if !slices.Equal(snapshotOf(t, f), before) {
		t.Errorf("deciding %s changed the fulfilment", c.CommandType())
	}
	if len(events) > 0 && !slices.Contains(fulfilment.Allowed(f), c.CommandType()) {
		t.Errorf("%s gives %q, but allowed are %v", c.CommandType(), want, fulfilment.Allowed(f))
	}
	for _, e := range events {
		fulfilment.Evolve(f, e)
	}
	if again, err := fulfilment.Decide(f, c); len(events) > 0 && (len(again) > 0 || err != nil) {
		t.Errorf("%s a second time gives %q (%v), want nothing", c.CommandType(), verdict(again, err), err)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	if id, ok := fulfilment.ParseStream(fulfilment.Stream(fulfilmentID)); !ok || id != fulfilmentID {
		t.Errorf("got %q, %t", id, ok)
	}
	for _, s := range []string{"", "fulfilment-", "order-1"} {
		if id, ok := fulfilment.ParseStream(s); ok {
			t.Errorf("%q names %q", s, id)
		}
	}
	if got := fulfilment.Status(99).String(); got != "status(99)" {
		t.Errorf("got %q", got)
	}
}
