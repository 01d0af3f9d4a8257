package order_test

import (
	"reflect"
	"testing"

	"waybill/domain/order"
)

func TestFulfilmentDecisions(t *testing.T) {
	t.Parallel()
	now := t0 + 5
	p := placed(t, details())
	base := []order.Event{p, order.Confirmed{At: t0}}
	with := func(more ...order.Event) []order.Event { return append(base[:2:2], more...) }
	assigned := order.FulfilmentAssigned{FulfilmentID: "f1", Location: "BER1", Lines: one(2), At: t0}
	back := order.FulfilmentUnassigned{FulfilmentID: "f1", UnassignmentID: "u1", Lines: one(1), Reason: order.UnassignShort, At: now}
	shipped := order.LinesShipped{FulfilmentID: "f1", ParcelID: "b1", Lines: one(1), At: now}
	arrived := order.LinesDelivered{FulfilmentID: "f1", ParcelID: "b1", Lines: one(1), At: now}
	stray := order.AnomalyDetected{Anomaly: order.AnomalyShippedUnassigned, FulfilmentID: "f1", ParcelID: "b1", Lines: one(1), Amount: eur(0), At: now}
	hold := order.HoldPlaced{HoldID: "h1", Kind: order.HoldFraud, Blocks: []order.Verb{order.VerbShip}, At: t0}
	assign := func(id string, n int64) order.Command {
		return order.AssignFulfilment{ID: orderID, FulfilmentID: id, Location: "BER1", Lines: one(n), Now: now}
	}
	unassign := func(id string, lines []order.LineQuantity) order.Command {
		return order.UnassignFulfilment{ID: orderID, FulfilmentID: "f1", UnassignmentID: id, Lines: lines, Reason: order.UnassignShort, Now: now}
	}
	ship := func(id string, n int64) order.Command {
		return order.RecordShipped{ID: orderID, FulfilmentID: "f1", ParcelID: id, Lines: one(n), Now: now}
	}
	deliver := func(id string, lines []order.LineQuantity) order.Command {
		return order.RecordDelivered{ID: orderID, FulfilmentID: "f1", ParcelID: id, Lines: lines, Now: now}
	}
	tests := map[string]struct {
		given []order.Event
		when  order.Command
		then  []order.Event
		err   error
	}{
		"the same again":                     {with(assigned), assign("f1", 2), nil, nil},
		"the same again after it came back":  {with(assigned, back), assign("f1", 2), nil, nil},
		"other units under the id":           {with(assigned), assign("f1", 1), nil, order.FulfilmentConflict{FulfilmentID: "f1", Location: "BER1", Lines: one(2)}},
		"more than is open":                  {with(assigned), assign("f2", 2), nil, order.QuantityExceedsOpen{LineID: "1", Requested: 2, Open: 1}},
		"a hold on shipping":                 {with(hold), assign("f1", 1), nil, order.HoldActive{Verb: order.VerbShip, Holds: []string{"h1"}}},
		"units come back":                    {with(assigned), unassign("u1", one(1)), []order.Event{back}, nil},
		"units come back twice":              {with(assigned, back), unassign("u1", one(1)), nil, nil},
		"other units come back under the id": {with(assigned, back), unassign("u1", one(2)), nil, order.FulfilmentConflict{FulfilmentID: "f1", Location: "BER1", Lines: one(1)}},
		"all the rest comes back":            {with(assigned, shipped), unassign("u1", nil), []order.Event{back}, nil},
		"nothing is left to come back":       {with(assigned, shipped, back), unassign("u2", nil), nil, nil},
		"more than is left comes back":       {with(assigned, shipped), unassign("u2", one(2)), nil, order.QuantityExceedsAssigned{FulfilmentID: "f1", LineID: "1", Requested: 2, Assigned: 1}},
		"a parcel leaves":                    {with(assigned), ship("b1", 1), []order.Event{shipped}, nil},
		"a parcel leaves twice":              {with(assigned, shipped), ship("b1", 1), nil, nil},
		"a parcel leaves with other units":   {with(assigned, shipped), ship("b1", 2), nil, order.ParcelConflict{FulfilmentID: "f1", ParcelID: "b1", Lines: one(1)}},
		"a parcel leaves that nobody had":    {with(), ship("b1", 1), []order.Event{stray}, nil},
		"a parcel leaves that had come back": {with(assigned, back), ship("b1", 2), []order.Event{shipped, stray}, nil},
		"and leaves again":                   {with(assigned, back, shipped, stray), ship("b1", 2), nil, nil},
		"a parcel leaves through a hold": {
			with(assigned, hold), ship("b1", 1),
			[]order.Event{shipped, order.AnomalyDetected{Anomaly: order.AnomalyShippedOnHold, FulfilmentID: "f1", ParcelID: "b1", Lines: one(1), Amount: eur(0), At: now}},
			nil,
		},
		"a parcel arrives":                       {with(assigned, shipped), deliver("b1", nil), []order.Event{arrived}, nil},
		"a parcel arrives twice":                 {with(assigned, shipped, arrived), deliver("b1", one(1)), nil, nil},
		"a parcel arrives that never left":       {with(assigned), deliver("b1", one(1)), []order.Event{shipped, arrived}, nil},
		"and then it leaves":                     {with(assigned, shipped, arrived), ship("b1", 1), nil, nil},
		"a parcel arrives of which nothing said": {with(assigned), deliver("b1", nil), nil, order.UnknownParcel{FulfilmentID: "f1", ParcelID: "b1"}},
		"a parcel arrives with other units":      {with(assigned, shipped), deliver("b1", one(2)), nil, order.ParcelConflict{FulfilmentID: "f1", ParcelID: "b1", Lines: one(1)}},
		"a parcel arrives that nobody had":       {with(stray), deliver("b1", nil), nil, nil},
		"a line that is not shipped": {
			with(),
			order.AssignFulfilment{ID: orderID, FulfilmentID: "f1", Location: "BER1", Lines: []order.LineQuantity{{LineID: "3", Quantity: 1}}, Now: now},
			nil,
			invalid("lines[0].line_id", "is 3, which is not shipped"),
		},
		"no lines": {with(), order.AssignFulfilment{ID: orderID, FulfilmentID: "f1", Location: "BER1", Now: now}, nil, invalid("lines", "are missing")},
		"open units keep it from being complete": {
			with(assigned, shipped),
			order.Complete{ID: orderID, Now: now},
			nil,
			order.NotSettled{Open: 1, Assigned: 1, Undelivered: 1, Balance: eur(3485)},
		},
		"a hold keeps it from being complete": {
			with(order.FulfilmentAssigned{FulfilmentID: "f1", Location: "BER1", Lines: one(3)}, order.LinesShipped{FulfilmentID: "f1", ParcelID: "b1", Lines: one(3)},
				order.LinesDelivered{FulfilmentID: "f1", ParcelID: "b1", Lines: one(3)}, order.PaymentPositionChanged(position("p1", 1, order.PaymentStateCaptured, 3485, 3485, 0)), hold),
			order.Complete{ID: orderID, Now: now},
			nil,
			order.NotSettled{Balance: eur(0), Holds: []string{"h1"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, err := order.Decide(evolve(tt.given...), tt.when)
			if !reflect.DeepEqual(err, tt.err) {
				t.Fatalf("refused with %#v, want %#v", err, tt.err)
			}
			if !reflect.DeepEqual(events, tt.then) {
				t.Errorf("decided\n%+v, want\n%+v", events, tt.then)
			}
		})
	}
}

func TestFulfilmentStatus(t *testing.T) {
	t.Parallel()
	o := inLifecycle(t, order.LifecycleConfirmed)
	want := func(s order.FulfilmentStatus) {
		t.Helper()
		if got := o.FulfilmentStatus(t0); got != s {
			t.Fatalf("%s, want %s", got, s)
		}
	}
	want(order.FulfilmentUnfulfilled)
	do(t, o, order.AssignFulfilment{ID: orderID, FulfilmentID: "f1", Location: "BER1", Lines: one(2), Now: t0})
	want(order.FulfilmentInProgress)
	do(t, o, order.PlaceHold{ID: orderID, HoldID: "h1", Kind: order.HoldManual, Now: t0})
	want(order.FulfilmentOnHold)
	do(t, o, order.ReleaseHold{ID: orderID, HoldID: "h1", Now: t0})
	do(t, o, order.RecordShipped{ID: orderID, FulfilmentID: "f1", ParcelID: "b1", Lines: one(1), Now: t0})
	want(order.FulfilmentPartiallyShipped)
	do(t, o, order.RecordDelivered{ID: orderID, FulfilmentID: "f1", ParcelID: "b1", Now: t0})
	want(order.FulfilmentPartiallyDelivered)
	do(t, o, order.RecordShipped{ID: orderID, FulfilmentID: "f1", ParcelID: "b2", Lines: one(1), Now: t0})
	want(order.FulfilmentPartiallyDelivered)
	do(t, o, order.Cancel{ID: orderID, CancellationID: "c1", Lines: one(1), Now: t0})
	do(t, o, order.RecordDelivered{ID: orderID, FulfilmentID: "f1", ParcelID: "b2", Now: t0})
	want(order.FulfilmentDelivered)
	do(t, o, order.PlaceHold{ID: orderID, HoldID: "h2", Kind: order.HoldDispute, Now: t0})
	want(order.FulfilmentDelivered) // there is nothing left to stop

	o = inLifecycle(t, order.LifecycleConfirmed)
	ship(t, o, "f1", 3)
	want(order.FulfilmentShipped)
	o = inLifecycle(t, order.LifecycleConfirmed)
	do(t, o, order.Cancel{ID: orderID, CancellationID: "c1", Lines: one(3), Now: t0})
	want(order.FulfilmentCancelled) // there was something to ship
	o = inLifecycle(t, order.LifecycleExpired)
	want(order.FulfilmentCancelled)
}
