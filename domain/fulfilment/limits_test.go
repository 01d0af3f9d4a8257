package fulfilment_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"waybill/domain"
	"waybill/domain/fulfilment"
	"waybill/domain/money"
)

// TestMalformed sends commands that no state accepts, facts among them: each names the field that is wrong.
func TestMalformed(t *testing.T) {
	t.Parallel()
	now := to(60)
	long := strings.Repeat("x", fulfilment.MaxText+1)
	crowd := make([]string, fulfilment.MaxTracking+1)
	for n := range crowd {
		crowd[n] = strconv.Itoa(n)
	}
	request := func(l fulfilment.Line) fulfilment.Command {
		return fulfilment.Request{Target: now, Details: fulfilment.Details{OrderID: orderID, Location: "BER1", Lines: []fulfilment.Line{l}}}
	}
	pack := func(size fulfilment.Size, lines ...fulfilment.LineQuantity) fulfilment.Command {
		return fulfilment.PackParcel{Target: now, ParcelID: "p9", Lines: lines, Size: size}
	}
	tests := map[string]fulfilment.Command{
		"fulfilment_id":          fulfilment.Request{Details: details()},
		"lines[0].quantity":      request(mugs(0)),
		"lines[0].sku":           request(fulfilment.Line{LineID: "1", SKU: "A@B", Quantity: 1}),
		"location":               fulfilment.Move{Target: now},
		"external_ref":           fulfilment.Accept{Target: now, ExternalRef: long},
		"report_id":              fulfilment.Reject{Target: now},
		"reason":                 fulfilment.Pick{Target: now, ReportID: "r", Lines: units(1), Reason: "lost"},
		"lines":                  pack(fulfilment.Size{}),
		"size.grams":             pack(fulfilment.Size{Grams: -1}, units(1)...),
		"size.height_mm":         pack(fulfilment.Size{Height: fulfilment.MaxMeasure + 1}, units(1)...),
		"lines[1]":               pack(fulfilment.Size{}, append(units(1), units(1)...)...),
		"carrier":                fulfilment.BuyLabel{Target: now, ParcelID: "p1", OperationID: "o9"},
		"label_operation_id":     fulfilment.VoidLabel{Target: now, ParcelID: "p1", OperationID: "o9"},
		"outcome":                fulfilment.RecordLabelOutcome{Target: now, OperationID: "o9", Outcome: "perhaps"},
		"cost.currency":          fulfilment.RecordLabelOutcome{Target: now, OperationID: "o9", Outcome: "failed", Cost: money.New(1, "XYZ1")},
		"tracking":               fulfilment.RecordShipped{Target: now, ParcelID: "p1", Tracking: crowd},
		"tracking[0]":            fulfilment.RecordShipped{Target: now, ParcelID: "p1", Tracking: []string{""}},
		"gate.reason":            fulfilment.ShipParcel{Target: now, ParcelID: "p1", Gate: fulfilment.Gate{Reason: "mood"}},
		"status":                 fulfilment.RecordTracking{Target: now, FactID: "f", ParcelID: "p1", Status: "lost", OccurredAt: t0},
		"fact_id":                fulfilment.RecordDelivered{Target: now, ParcelID: "p1", OccurredAt: t0},
		"detail":                 fulfilment.RecordDeliveryFailed{Target: now, FactID: "f", ParcelID: "p1", OccurredAt: t0, Detail: domain.NewPersonal(long)},
		"reference":              fulfilment.RecordReturnedToSender{Target: now, FactID: "f", ParcelID: "p1", OccurredAt: t0, Reason: long},
		"note":                   fulfilment.RequestCancellation{Target: now, CancellationID: "c", Note: domain.NewPersonal(long)},
		"cancellation_id":        fulfilment.Cancel{Target: now},
		"reason of a decline":    fulfilment.DeclineCancellation{Target: now, CancellationID: "c", Reason: "mood"},
		"until":                  fulfilment.PlaceHold{Target: now, HoldID: "h9", Reason: fulfilment.HoldFraud, Until: now.Now},
		"hold_id":                fulfilment.PlaceHold{Target: now, Reason: fulfilment.HoldFraud},
		"note of a release":      fulfilment.ReleaseHold{Target: now, HoldID: "h0", Note: domain.NewPersonal(long)},
		"lines[0].quantity huge": request(mugs(fulfilment.MaxQuantity + 1)),
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := "packed"
			if _, first := c.(fulfilment.Request); first {
				state = "none"
			}
			field, _, _ := strings.Cut(name, " ")
			events, err := fulfilment.Decide(inState(t, state), c)
			if invalid, ok := errors.AsType[domain.InvalidField](err); ok && invalid.Field == field {
				return
			}
			if limit, ok := errors.AsType[domain.LimitExceeded](err); ok && limit.Field == field {
				return
			}
			t.Errorf("gives %q (%v)", verdict(events, err), err)
		})
	}
}

// TestLimits does what makes a list grow until no more is taken.
func TestLimits(t *testing.T) {
	t.Parallel()
	outcome := func(op string) fulfilment.Command {
		return fulfilment.RecordLabelOutcome{Target: to(9), OperationID: op, Outcome: fulfilment.OutcomeFailed}
	}
	tests := map[string]struct {
		limit int
		round func(id string) []fulfilment.Command
	}{
		"holds": {fulfilment.MaxHolds, func(id string) []fulfilment.Command {
			return []fulfilment.Command{fulfilment.PlaceHold{Target: to(9), HoldID: id, Reason: fulfilment.HoldManual}}
		}},
		"cancellations": {fulfilment.MaxCancellations, func(id string) []fulfilment.Command {
			return []fulfilment.Command{
				fulfilment.RequestCancellation{Target: to(9), CancellationID: id},
				fulfilment.DeclineCancellation{Target: to(9), CancellationID: id},
			}
		}},
		"operations": {fulfilment.MaxOperations, func(id string) []fulfilment.Command {
			return []fulfilment.Command{
				fulfilment.BuyLabel{Target: to(9), ParcelID: "p", OperationID: id, Carrier: "dhl"}, outcome(id),
			}
		}},
		"parcels": {fulfilment.MaxParcels - 1, func(id string) []fulfilment.Command {
			return []fulfilment.Command{
				fulfilment.PackParcel{Target: to(9), ParcelID: id, Lines: units(1)}, fulfilment.UnpackParcel{Target: to(9), ParcelID: id},
			}
		}},
		"reports": {fulfilment.MaxReports - 1, func(id string) []fulfilment.Command {
			return []fulfilment.Command{fulfilment.Pick{Target: to(9), ReportID: id, Lines: units(1)}}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := large(t)
			for n := range tt.limit {
				do(t, f, tt.round(fmt.Sprint("id", n))...)
			}
			_, err := fulfilment.Decide(f, tt.round("more")[0])
			if limit, ok := errors.AsType[domain.LimitExceeded](err); !ok || limit.Field != name || limit.Actual != limit.Limit+1 {
				t.Errorf("one more gives %v", err)
			}
		})
	}
}

// large returns a fulfilment of many mugs with one parcel and one report.
func large(t *testing.T) *fulfilment.Fulfilment {
	t.Helper()
	f := new(fulfilment.Fulfilment)
	d := details()
	d.Lines = []fulfilment.Line{mugs(10_000)}
	do(t, f, fulfilment.Request{Target: to(0), Details: d}, fulfilment.Accept{Target: to(1)},
		fulfilment.Pick{Target: to(2), ReportID: "r", Lines: units(10)},
		fulfilment.PackParcel{Target: to(3), ParcelID: "p", Lines: units(1)})
	return f
}

// TestFactsAreTakenWithoutLimit sends more facts and anomalies than are remembered: all are recorded, the state stays small.
func TestFactsAreTakenWithoutLimit(t *testing.T) {
	t.Parallel()
	f := inState(t, "shipped")
	scan := func(n int, parcel string) fulfilment.Command {
		return fulfilment.RecordTracking{
			Target: to(60), FactID: fmt.Sprint("f", n), ParcelID: parcel, Status: fulfilment.TrackingInTransit, OccurredAt: t0 + domain.Time(n) + 1,
		}
	}
	for n := range fulfilment.FactMemory + 7 {
		must(t, f, scan(n, "p1"), "tracking_updated")
	}
	must(t, f, scan(fulfilment.FactMemory+6, "p1"), "done")
	for n := range fulfilment.AnomalyMemory + 7 {
		must(t, f, scan(1_000_000+n, "p9"), "anomaly:unknown_parcel")
	}
	must(t, f, scan(1_000_000+fulfilment.AnomalyMemory+6, "p9"), "done")
	if len(f.Facts) != fulfilment.FactMemory || len(f.Anomalies) != fulfilment.AnomalyMemory {
		t.Errorf("%d facts and %d anomalies are remembered", len(f.Facts), len(f.Anomalies))
	}
}

func TestStatusesHaveNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range append(fulfilment.Statuses(), fulfilment.StatusNone) {
		text, err := s.MarshalJSON()
		if err != nil || strings.Contains(s.String(), "(") || seen[s.String()] || string(text) != `"`+s.String()+`"` {
			t.Errorf("status %d is called %s, %s in JSON (%v)", s, s, text, err)
		}
		seen[s.String()] = true
	}
}
