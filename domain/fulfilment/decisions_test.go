package fulfilment_test

import (
	"reflect"
	"testing"

	"waybill/domain"
	"waybill/domain/fulfilment"
	"waybill/domain/money"
)

// TestRefusals are the rows that need more than a state: in a state, after commands, when a command, then this refusal.
func TestRefusals(t *testing.T) {
	t.Parallel()
	now := to(60)
	buy := fulfilment.BuyLabel{Target: now, ParcelID: "p2", OperationID: "o1", Carrier: "dhl"}
	ship := fulfilment.ShipParcel{Target: now, ParcelID: "p1", Carrier: "dhl", Tracking: []string{"JD01"}, Gate: open}
	hold := fulfilment.PlaceHold{Target: now, HoldID: "h1", Reason: fulfilment.HoldFraud}
	ask := fulfilment.RequestCancellation{Target: now, CancellationID: "c1", Lines: units(1)}
	other := details()
	other.Service = "express"
	tests := map[string]struct {
		state string
		given []fulfilment.Command
		when  fulfilment.Command
		want  error
	}{
		"another request under the id": {
			"requested", nil,
			fulfilment.Request{Target: now, Details: other},
			fulfilment.AlreadyRequested{FulfilmentID: fulfilmentID, OrderID: orderID},
		},
		"a request without lines": {
			"none", nil,
			fulfilment.Request{Target: now, Details: fulfilment.Details{OrderID: orderID, Location: "BER1"}},
			domain.InvalidField{Field: "lines", Reason: "are missing"},
		},
		"a request with a line twice": {
			"none", nil,
			fulfilment.Request{Target: now, Details: fulfilment.Details{
				OrderID: orderID, Location: "BER1", Lines: []fulfilment.Line{mugs(1), mugs(1)},
			}},
			domain.InvalidField{Field: "lines[1]", Reason: "repeats the id 1"},
		},
		"before its time": {
			"scheduled", nil, fulfilment.MakeDue{Target: to(49)}, fulfilment.NotYetDue{FulfilAt: t0 + 50, Now: t0 + 49},
		},
		"accepted before its time": {
			"scheduled", nil, fulfilment.Accept{Target: to(49)}, fulfilment.NotYetDue{FulfilAt: t0 + 50, Now: t0 + 49},
		},
		"accepted under another reference": {
			"accepted", nil, fulfilment.Accept{Target: now, ExternalRef: "WMS-1"}, fulfilment.AcceptanceConflict{},
		},
		"moved to where it is, with another reservation": {
			"requested", nil,
			fulfilment.Move{Target: now, Location: "BER1", Reservations: []fulfilment.LineReservation{{LineID: "1", ReservationID: "other"}}},
			fulfilment.MoveConflict{Location: "BER1", LineID: "1", ReservationID: orderID + ":1:1"},
		},
		"moved with a strange line": {
			"requested", nil,
			fulfilment.Move{Target: now, Location: "MUC1", Reservations: []fulfilment.LineReservation{{LineID: "7", ReservationID: "x"}}},
			fulfilment.NotAssigned{LineID: "7"},
		},
		"more rejected than assigned": {
			"requested", nil,
			fulfilment.Reject{Target: now, ReportID: "r1", Lines: units(0, 2)},
			fulfilment.NotAssigned{LineID: "2", Requested: 2, Left: 1},
		},
		"another report under the id": {
			"picked", nil,
			fulfilment.Pick{Target: now, ReportID: "r1", Lines: units(1)},
			fulfilment.ReportConflict{ReportID: "r1", Picked: units(2, 1), Short: units(1)},
		},
		"more short than left": {
			"accepted", nil,
			fulfilment.Pick{Target: now, ReportID: "r1", Lines: units(3), Short: units(1)},
			fulfilment.NotAssigned{LineID: "1", Requested: 1, Left: 0},
		},
		"an empty report": {
			"accepted", nil, fulfilment.Pick{Target: now, ReportID: "r1"}, domain.InvalidField{Field: "lines", Reason: "are missing"},
		},
		"more packed than picked": {
			"picked", nil,
			fulfilment.PackParcel{Target: now, ParcelID: "p1", Lines: units(3)},
			fulfilment.ParcelMismatch{ParcelID: "p1", LineID: "1", Requested: 3, ToPack: 2},
		},
		"another parcel under the id": {
			"packed", nil,
			fulfilment.PackParcel{Target: now, ParcelID: "p1", Lines: units(1)},
			fulfilment.ParcelConflict{ParcelID: "p1", State: fulfilment.StatePacked, Lines: units(1, 1)},
		},
		"the same parcel after it was unpacked": {
			"packed",
			[]fulfilment.Command{fulfilment.UnpackParcel{Target: now, ParcelID: "p1"}},
			fulfilment.PackParcel{Target: now, ParcelID: "p1", Lines: units(1, 1)},
			fulfilment.ParcelConflict{ParcelID: "p1", State: fulfilment.StateUnpacked, Lines: units(1, 1)},
		},
		"another label under the operation": {
			"packed",
			[]fulfilment.Command{buy},
			fulfilment.BuyLabel{Target: now, ParcelID: "p1", OperationID: "o1", Carrier: "dhl"},
			fulfilment.OperationConflict{OperationID: "o1", Kind: fulfilment.OperationBuy, ParcelID: "p2"},
		},
		"a label while the outcome of another is unknown": {
			"labelling",
			[]fulfilment.Command{fulfilment.RecordLabelOutcome{Target: now, OperationID: "o0", Outcome: fulfilment.OutcomeUnknown}},
			fulfilment.BuyLabel{Target: now, ParcelID: "p1", OperationID: "o2", Carrier: "dhl"},
			fulfilment.LabelInFlight{ParcelID: "p1", OperationID: "o0", State: fulfilment.OperationUnknown},
		},
		"a second label": {
			"labelled", nil,
			fulfilment.BuyLabel{Target: now, ParcelID: "p1", OperationID: "o2", Carrier: "ups"},
			fulfilment.LabelExists{ParcelID: "p1", OperationID: "o0"},
		},
		"the label of another parcel is voided": {
			"labelled", nil,
			fulfilment.VoidLabel{Target: now, ParcelID: "p2", OperationID: "o2", LabelOperationID: "o0"},
			fulfilment.UnknownLabel{ParcelID: "p2", OperationID: "o0"},
		},
		"the label of a parcel that has left is voided": {
			"labelled",
			[]fulfilment.Command{ship},
			fulfilment.VoidLabel{Target: now, ParcelID: "p1", OperationID: "o2", LabelOperationID: "o0"},
			fulfilment.AlreadyShipped{ParcelID: "p1"},
		},
		"a cost without a currency": {
			"labelling", nil,
			fulfilment.RecordLabelOutcome{Target: now, OperationID: "o0", Outcome: fulfilment.OutcomeSucceeded, Cost: money.New(1, "")},
			domain.InvalidField{Field: "cost", Reason: "is negative, or has no currency"},
		},
		"shipped without a verdict": {
			"packed", nil, fulfilment.ShipParcel{Target: now, ParcelID: "p1"}, fulfilment.GateClosed{ParcelID: "p1"},
		},
		"shipped again in another way": {
			"packed",
			[]fulfilment.Command{ship},
			fulfilment.ShipParcel{Target: now, ParcelID: "p1", Carrier: "ups", Gate: open},
			fulfilment.ParcelConflict{ParcelID: "p1", State: fulfilment.StateShipped, Lines: units(1, 1)},
		},
		"a fact without a time": {
			"shipped", nil,
			fulfilment.RecordDelivered{Target: now, FactID: "f1", ParcelID: "p1"},
			domain.InvalidField{Field: "occurred_at", Reason: "is missing"},
		},
		"another hold under the id": {
			"packed",
			[]fulfilment.Command{hold},
			fulfilment.PlaceHold{Target: now, HoldID: "h1", Reason: fulfilment.HoldAddress},
			fulfilment.HoldConflict{HoldID: "h1", Reason: fulfilment.HoldFraud},
		},
		"a released hold does not come back": {
			"packed",
			[]fulfilment.Command{hold, fulfilment.ReleaseHold{Target: now, HoldID: "h1"}},
			hold,
			fulfilment.HoldConflict{HoldID: "h1", Reason: fulfilment.HoldFraud, ReleasedAt: t0 + 60},
		},
		"a second cancellation": {
			"packed",
			[]fulfilment.Command{ask},
			fulfilment.RequestCancellation{Target: now, CancellationID: "c2"},
			fulfilment.CancellationPending{CancellationID: "c1"},
		},
		"another cancellation under the id": {
			"packed",
			[]fulfilment.Command{ask},
			fulfilment.RequestCancellation{Target: now, CancellationID: "c1"},
			fulfilment.CancellationConflict{CancellationID: "c1", State: fulfilment.CancellationOpen, Lines: units(1)},
		},
		"units in a parcel with others are given back": {
			"packed",
			[]fulfilment.Command{ask},
			fulfilment.Cancel{Target: now, CancellationID: "c1"},
			fulfilment.UnitsPacked{LineID: "1", Requested: 1},
		},
		"more given back than was asked for": {
			"picked",
			[]fulfilment.Command{ask},
			fulfilment.Cancel{Target: now, CancellationID: "c1", Lines: units(2)},
			fulfilment.NotAssigned{LineID: "1", Requested: 2, Left: 1},
		},
		"a line that is not assigned is asked back": {
			"packed", nil,
			fulfilment.RequestCancellation{Target: now, CancellationID: "c1", Lines: units(0, 0, 1)},
			fulfilment.NotAssigned{LineID: "3", Requested: 1},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := inState(t, tt.state)
			do(t, f, tt.given...)
			if events, err := fulfilment.Decide(f, tt.when); !reflect.DeepEqual(err, tt.want) {
				t.Errorf("gives %q, %#v, want %#v", verdict(events, err), err, tt.want)
			}
		})
	}
}

// TestOutcomes are what the outcomes of operations on labels come to: in a state, one after the other.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	outcome := func(op string, o fulfilment.Outcome, tracking ...string) fulfilment.Command {
		return fulfilment.RecordLabelOutcome{Target: to(20), OperationID: op, Outcome: o, Tracking: tracking, Cost: money.New(549, "EUR")}
	}
	void := fulfilment.VoidLabel{Target: to(15), ParcelID: "p1", OperationID: "o1", LabelOperationID: "o0"}
	type row struct {
		when fulfilment.Command
		want string
	}
	tests := map[string]struct {
		state string
		rows  []row
		idle  []string // labels to void in the end
	}{
		"unknown, then found": {"labelling", []row{
			{outcome("o0", fulfilment.OutcomeUnknown), "label_outcome_unknown"},
			{outcome("o0", fulfilment.OutcomeUnknown), "done"},
			{outcome("o0", fulfilment.OutcomeSucceeded, "JD01"), "label_purchased"},
			{outcome("o0", fulfilment.OutcomeSucceeded, "JD01"), "done"},
			{outcome("o0", fulfilment.OutcomeUnknown), "done"},
			{outcome("o0", fulfilment.OutcomeSucceeded, "JD02"), "anomaly:outcome_conflict"},
			{outcome("o0", fulfilment.OutcomeSucceeded, "JD02"), "done"},
			{outcome("o0", fulfilment.OutcomeFailed), "anomaly:outcome_conflict"},
		}, nil},
		"failed, bought again, and the first comes late": {"labelling", []row{
			{outcome("o0", fulfilment.OutcomeFailed), "label_failed"},
			{outcome("o0", fulfilment.OutcomeFailed), "done"},
			{fulfilment.BuyLabel{Target: to(21), ParcelID: "p1", OperationID: "o1", Carrier: "dhl"}, "label_requested"},
			{outcome("o1", fulfilment.OutcomeSucceeded, "JD02"), "label_purchased"},
			{outcome("o0", fulfilment.OutcomeSucceeded, "JD01"), "label_purchased anomaly:second_label anomaly:late_success"},
			{fulfilment.VoidLabel{Target: to(22), ParcelID: "p1", OperationID: "o2", LabelOperationID: "o1"}, "label_void_requested"},
			{outcome("o2", fulfilment.OutcomeSucceeded), "label_voided"},
		}, nil},
		"voided": {"labelled", []row{
			{void, "label_void_requested"},
			{void, "done"},
			{outcome("o1", fulfilment.OutcomeUnknown), "label_outcome_unknown"},
			{fulfilment.ShipParcel{Target: to(21), ParcelID: "p1", Gate: open}, "label-in-flight"},
			{outcome("o1", fulfilment.OutcomeSucceeded), "label_voided"},
			{fulfilment.VoidLabel{Target: to(22), ParcelID: "p1", OperationID: "o2", LabelOperationID: "o0"}, "done"},
			{fulfilment.BuyLabel{Target: to(23), ParcelID: "p1", OperationID: "o3", Carrier: "ups"}, "label_requested"},
		}, nil},
		"not voided": {"labelled", []row{
			{void, "label_void_requested"},
			{outcome("o1", fulfilment.OutcomeFailed), "label_void_failed"},
			{fulfilment.BuyLabel{Target: to(23), ParcelID: "p1", OperationID: "o3", Carrier: "ups"}, "label-exists"},
		}, nil},
		"voided while it leaves": {"labelled", []row{
			{void, "label_void_requested"},
			{fulfilment.RecordShipped{Target: to(21), ParcelID: "p1", Gate: open}, "parcel_shipped"},
			{outcome("o1", fulfilment.OutcomeSucceeded), "label_voided anomaly:voided_after_shipping"},
		}, nil},
		"a label of a parcel that is unpacked": {"labelled", []row{
			{fulfilment.UnpackParcel{Target: to(20), ParcelID: "p1"}, "parcel_unpacked"},
			{fulfilment.BuyLabel{Target: to(21), ParcelID: "p1", OperationID: "o1", Carrier: "dhl"}, "parcel-closed"},
		}, []string{"o0"}},
		"a label that comes after the cancellation": {"labelling", []row{
			{fulfilment.RequestCancellation{Target: to(20), CancellationID: "c1"}, "cancellation_requested"},
			{fulfilment.Cancel{Target: to(21), CancellationID: "c1"}, "lines_cancelled cancelled"},
			{outcome("o0", fulfilment.OutcomeSucceeded, "JD01"), "label_purchased"},
		}, []string{"o0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := inState(t, tt.state)
			for _, r := range tt.rows {
				must(t, f, r.when, r.want)
			}
			var idle []string
			for _, o := range f.IdleLabels() {
				idle = append(idle, o.ID)
			}
			if !reflect.DeepEqual(idle, tt.idle) {
				t.Errorf("the labels of %v are to be voided, want %v", idle, tt.idle)
			}
		})
	}
}

// TestStories are sequences that end in a status.
func TestStories(t *testing.T) {
	t.Parallel()
	type row struct {
		when fulfilment.Command
		want string
	}
	said := func(id, parcel string, s fulfilment.TrackingStatus, at domain.Time) fulfilment.Command {
		return fulfilment.RecordTracking{Target: to(40), FactID: id, ParcelID: parcel, Status: s, OccurredAt: t0 + at}
	}
	tests := map[string]struct {
		state string
		rows  []row
		want  fulfilment.Status
	}{
		"nothing is there": {"accepted", []row{
			{fulfilment.Pick{Target: to(9), ReportID: "r1", Short: units(3)}, "lines_shorted"},
			{fulfilment.Pick{Target: to(9), ReportID: "r2", Short: units(0, 1)}, "lines_shorted rejected"},
		}, fulfilment.StatusRejected},
		"rejected while it is asked back": {"requested", []row{
			{fulfilment.RequestCancellation{Target: to(9), CancellationID: "c1"}, "cancellation_requested"},
			{fulfilment.Reject{Target: to(10), ReportID: "r1"}, "lines_shorted cancellation_declined rejected"},
		}, fulfilment.StatusRejected},
		"moved, and the reservations with it": {"requested", []row{
			{fulfilment.Move{Target: to(9), Location: "MUC1", Reservations: []fulfilment.LineReservation{{LineID: "1", ReservationID: "new"}}}, "moved"},
			{fulfilment.Move{Target: to(9), Location: "MUC1", Reservations: []fulfilment.LineReservation{{LineID: "1", ReservationID: "new"}}}, "done"},
			{fulfilment.Accept{Target: to(10)}, "accepted"},
			{fulfilment.Move{Target: to(11), Location: "BER1"}, "invalid-fulfilment-transition"},
		}, fulfilment.StatusAccepted},
		"broken at the packing table": {"picked", []row{
			{fulfilment.Pick{Target: to(9), ReportID: "r2", Short: units(1), Reason: fulfilment.ShortDamaged}, "lines_shorted"},
			{fulfilment.PackParcel{Target: to(10), ParcelID: "p1", Lines: units(1, 1)}, "parcel_packed packed"},
		}, fulfilment.StatusPacked},
		"packed again": {"packed", []row{
			{fulfilment.UnpackParcel{Target: to(9), ParcelID: "p1"}, "parcel_unpacked"},
			{fulfilment.PackParcel{Target: to(10), ParcelID: "p3", Lines: units(1, 1)}, "parcel_packed packed"},
		}, fulfilment.StatusPacked},
		"half is given back, half declined": {"picked", []row{
			{fulfilment.RequestCancellation{Target: to(9), CancellationID: "c1", Lines: units(2)}, "cancellation_requested"},
			{fulfilment.Cancel{Target: to(10), CancellationID: "c1", Lines: units(1)}, "lines_cancelled cancellation_declined"},
			{fulfilment.Cancel{Target: to(10), CancellationID: "c1", Lines: units(2)}, "fulfilment-cancellation-conflict"},
			{fulfilment.PackParcel{Target: to(11), ParcelID: "p1", Lines: units(1, 1)}, "parcel_packed packed"},
		}, fulfilment.StatusPacked},
		"it leaves while it is asked back": {"cancelling", []row{
			{fulfilment.RecordShipped{Target: to(9), ParcelID: "p1", Gate: open}, "parcel_shipped anomaly:shipped_while_cancelling"},
			{fulfilment.RecordShipped{Target: to(9), ParcelID: "p2", Gate: open}, "parcel_shipped anomaly:shipped_while_cancelling cancellation_declined shipped"},
			{fulfilment.RecordShipped{Target: to(9), ParcelID: "p2", Carrier: "ups"}, "anomaly:shipped_otherwise"},
			{fulfilment.RecordShipped{Target: to(9), ParcelID: "p2", Carrier: "ups"}, "done"},
		}, fulfilment.StatusShipped},
		"a part of it leaves while it is asked back": {"cancelling", []row{
			{fulfilment.RecordShipped{Target: to(9), ParcelID: "p1", Gate: open}, "parcel_shipped anomaly:shipped_while_cancelling"},
			{fulfilment.Cancel{Target: to(10), CancellationID: "c0", Lines: units(2)}, "fulfilment-already-shipped"},
			{fulfilment.Cancel{Target: to(10), CancellationID: "c0"}, "lines_cancelled cancellation_declined shipped"},
		}, fulfilment.StatusShipped},
		"the rest is cancelled when one has arrived": {"half shipped", []row{
			{arrived("p1"), "parcel_delivered"},
			{fulfilment.RequestCancellation{Target: to(19), CancellationID: "c1"}, "cancellation_requested"},
			{fulfilment.Cancel{Target: to(20), CancellationID: "c1"}, "lines_cancelled shipped delivered"},
		}, fulfilment.StatusDelivered},
		"one arrives and one comes back": {"shipped", []row{
			{arrived("p1"), "parcel_delivered"},
			{cameBack("p2"), "returned_to_sender delivered"},
		}, fulfilment.StatusDelivered},
		"a failed attempt, then delivered": {"shipped", []row{
			{fulfilment.RecordDeliveryFailed{Target: to(9), FactID: "f1", ParcelID: "p1", OccurredAt: t0 + 8, Reason: "nobody_home"}, "delivery_failed"},
			{said("f2", "p1", fulfilment.TrackingDelivered, 9), "parcel_delivered"},
			{said("f3", "p1", fulfilment.TrackingDelivered, 10), "tracking_updated"},
			{said("f3", "p1", fulfilment.TrackingDelivered, 11), "anomaly:fact_conflict"},
			{said("f3", "p1", fulfilment.TrackingDelivered, 11), "done"},
			{arrived("p2"), "parcel_delivered delivered"},
		}, fulfilment.StatusDelivered},
		"delivered, and then it came back": {"delivered", []row{
			{said("f1", "p1", fulfilment.TrackingReturnedToSender, 8), "tracking_updated anomaly:end_conflict"},
			{said("f2", "p1", fulfilment.TrackingReturnedToSender, 12), "returned_to_sender anomaly:end_conflict"},
			{said("f3", "p2", fulfilment.TrackingReturnedToSender, 12), "returned_to_sender anomaly:end_conflict"},
		}, fulfilment.StatusReturned},
		"the carrier knows of it before it leaves": {"packed", []row{
			{said("f1", "p1", fulfilment.TrackingPreTransit, 8), "tracking_updated"},
		}, fulfilment.StatusPacked},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := inState(t, tt.state)
			for _, r := range tt.rows {
				must(t, f, r.when, r.want)
			}
			if f.Status() != tt.want {
				t.Errorf("the fulfilment is %s, want %s", f.Status(), tt.want)
			}
		})
	}
}
