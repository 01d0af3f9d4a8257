package returns_test

import (
	"testing"
	"time"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/returns"
)

// t0 is when the returns of these tests are asked for.
var t0 = domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))

const (
	returnID returns.ID = "0198c0de-0000-7000-8000-00000000000a"
	orderID  string     = "0198c0de-0000-7000-8000-000000000001"
	otherID  string     = "0198c0de-0000-7000-8000-000000000002"
)

// at is what an event of these tests begins with.
func at(t domain.Time) returns.Head { return returns.Head{OrderID: orderID, At: t} }

func eur(minor int64) money.Money { return money.New(minor, "EUR") }

func units(line string, n int64) returns.LineQuantity {
	return returns.LineQuantity{LineID: line, Quantity: n}
}

// request returns a request that uses every field: three units of one line, one of another, to be exchanged.
func request() returns.Request {
	p := domain.NewPersonal
	return returns.Request{
		ID: returnID, OrderID: orderID, Currency: "EUR", Resolution: returns.ResolutionExchange,
		Lines: []returns.Line{
			{ID: "1", SKU: "SHIRT", Quantity: 3, Reason: returns.ReasonDoesNotFit, Note: p("too tight for Ada")},
			{ID: "2", SKU: "BANK CHARGES", Quantity: 1, Reason: returns.ReasonFaulty},
		},
		Evidence: []string{"blob:1", "blob:2"}, Note: p("please hurry"), WindowEnds: t0.Add(time.Hour), Now: t0,
	}
}

// requested returns the event of an accepted [request].
func requested(tb testing.TB) returns.Requested {
	tb.Helper()
	events, err := returns.Decide(new(returns.Return), request())
	if err != nil {
		tb.Fatal(err)
	}
	return events[0].(returns.Requested)
}

// authorisation is what the order hands out for [request].
func authorisation() returns.Authorisation {
	return returns.Authorisation{OrderID: orderID, ReturnID: returnID, Lines: []returns.LineQuantity{units("1", 3), units("2", 1)}}
}

// terms returns an approval that uses every field.
func terms() returns.Approval {
	return returns.Approval{
		RMANumber: "RMA-1001", Authorisation: authorisation(),
		Fees:        []returns.Fee{{ID: "f1", Title: "Way back", Amount: eur(300)}, {ID: "f2", Title: "Handling", Amount: eur(200)}},
		LabelPolicy: returns.LabelDeducted, Trigger: returns.TriggerInspection, Refundable: returns.DefaultRefundable(),
		RefundShipping: eur(450), ExpiresAt: t0.Add(24 * time.Hour),
	}
}

// approved returns the event of an accepted approval with these terms.
func approved(a returns.Approval) returns.Approved {
	return returns.Approved{Approval: a, Head: at(t0)}
}

// graded returns the event of an inspection.
func graded(id string, lines ...returns.Grade) returns.ItemsInspected {
	return returns.ItemsInspected{InspectionID: id, Lines: lines, Head: at(t0)}
}

// received returns the event of a receipt at BER1.
func received(id string, lines ...returns.LineQuantity) returns.ItemsReceived {
	return returns.ItemsReceived{ReceiptID: id, Location: "BER1", Lines: lines, Head: at(t0)}
}

// samples returns one of every event, with every field set.
func samples(tb testing.TB) []returns.Event {
	tb.Helper()
	note := domain.NewPersonal("Ada called about it")
	return []returns.Event{
		requested(tb),
		approved(terms()),
		returns.LabelRequested{OperationID: "op1", Carrier: "dhl", Head: at(t0)},
		returns.LabelOutcomeUnknown{OperationID: "op1", Code: "timeout", Head: at(t0)},
		returns.LabelNotIssued{OperationID: "op1", Code: "address", Retryable: true, Head: at(t0)},
		returns.LabelIssued{OperationID: "op1", Carrier: "dhl", LabelRef: "blob:3", TrackingNumber: "JD01", Head: at(t0)},
		returns.InTransit{Carrier: "dhl", TrackingNumber: "JD01", Head: at(t0)},
		received("r1", units("1", 2), units("2", 1)),
		returns.UnexpectedItemsReceived{ReceiptID: "r1", Location: "BER1", Items: []returns.Unexpected{
			{LineID: "1", SKU: "SHIRT", Quantity: 1}, {SKU: "TOWEL", Quantity: 2, Note: note},
		}, Head: at(t0)},
		graded("i1", returns.Grade{LineID: "1", Quantity: 2, Outcome: returns.OutcomeRestocked, Location: "BER1", Note: note},
			returns.Grade{LineID: "2", Quantity: 1, Outcome: returns.OutcomeProcessingRequired}),
		returns.ItemRegraded{
			RegradeID: "g1", LineID: "2", Quantity: 1, From: returns.OutcomeProcessingRequired, To: returns.OutcomeRestocked,
			Location: "BER1", Note: note, Head: at(t0),
		},
		returns.Restocked{RestockID: "s1", Lines: []returns.RestockLine{{LineID: "1", SKU: "SHIRT", Location: "BER1", Quantity: 2}}, Head: at(t0)},
		returns.RefundGranted{
			RefundID: "f1", Lines: []returns.RefundLine{{LineID: "1", Quantity: 2, Amount: eur(1933)}},
			Shipping: eur(450), Fees: eur(500), Total: eur(1883), Head: at(t0),
		},
		returns.ReplacementLinked{
			Replacement: otherID, Total: eur(1500), ShipFirst: true, SecurityPayment: "p1", Security: eur(1500), Head: at(t0),
		},
		returns.ManualRefundRequired{FlagID: "m1", Reason: "the card is closed", Head: at(t0)},
		returns.AnomalyDetected{Kind: returns.AnomalyReceivedAfterEnd, Ref: "r2", Head: at(t0)},
		returns.Expired{Lines: []returns.LineQuantity{units("1", 1)}, Deadline: t0, Head: at(t0 + 1)},
		returns.RecoveryRequired{
			Lines: []returns.LineQuantity{units("1", 1)}, Replacement: otherID, SecurityPayment: "p1", Security: eur(1500), Head: at(t0 + 1),
		},
		returns.Declined{Reason: returns.DeclineFraud, Note: note, Head: at(t0)},
		returns.Cancelled{Reason: returns.CancelStaff, Note: note, Head: at(t0)},
		returns.Closed{Head: at(t0)},
	}
}

func evolve(events ...returns.Event) *returns.Return {
	r := new(returns.Return)
	for _, e := range events {
		returns.Evolve(r, e)
	}
	return r
}
