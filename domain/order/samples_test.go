package order_test

import (
	"testing"
	"time"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
)

// t0 is when the orders of these tests are placed.
var t0 = domain.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))

const orderID order.ID = "0198c0de-0000-7000-8000-000000000001"

func eur(minor int64) money.Money { return money.New(minor, "EUR") }

// details returns an order that uses every field: two lines of one SKU, one for nothing, a price below the minor unit,
// discounts, taxes of both kinds, delivery, a fee and a discount on the whole.
func details() order.Details {
	p := domain.NewPersonal
	home := order.Address{
		Name: p("Ada Lovelace"), Lines: []domain.Personal{p("12 St James's Square"), p("2nd floor")}, City: p("London"),
		Region: p("Greater London"), Postcode: p("SW1Y 4JH"), PostcodePrefix: "SW1Y", Country: "GB",
	}
	return order.Details{
		Number: "WEB-1001", Channel: "web", SourceRef: "536365", CustomerID: "17850", Currency: "EUR",
		Contact: order.Contact{Name: p("Ada Lovelace"), Email: p("ada@example.org"), Phone: p("+44 20 7946 0000"), Billing: home, Delivery: home},
		Lines: []order.Line{
			{
				ID: "1", SKU: "85123A", Title: "WHITE HANGING HEART", Quantity: 3, UnitPrice: "10.00", PriceIncludesTax: true,
				Discounts: []order.Discount{{ID: "d1", Code: "SUMMER", Amount: eur(100)}},
				Taxes:     []order.Tax{{Code: "VAT", Rate: "0.2", Amount: eur(483)}},
				Total:     eur(2900), RequiresShipping: true, AllowBackorder: true, Location: "BER1",
			},
			{ID: "2", SKU: "85123A", Title: "WHITE HANGING HEART", Quantity: 1, UnitPrice: "0", Total: eur(0)},
			{
				ID: "3", SKU: "BANK CHARGES", Title: "Wire", Quantity: 1_000, UnitPrice: "0.00125",
				Taxes: []order.Tax{{Code: "VAT", Rate: "0.2", Amount: eur(25)}}, Total: eur(150),
			},
		},
		Shipping: []order.ShippingLine{{
			ID: "s1", Title: "Parcel", Amount: eur(500), Discounts: []order.Discount{{ID: "d2", Amount: eur(50)}},
			Taxes: []order.Tax{{Code: "VAT", Rate: "0.2", Amount: eur(90)}}, Total: eur(540),
		}},
		Surcharges: []order.Surcharge{
			{ID: "f1", Title: "Gift wrap", Amount: eur(200), Total: eur(200)},
			{ID: "f2", Title: "Loyal customer", Amount: eur(-305), PriceIncludesTax: true, Taxes: []order.Tax{{Code: "VAT", Amount: eur(-51)}}, Total: eur(-305)},
		},
		Totals: order.Totals{
			Goods: eur(3125), Discount: eur(150), Shipping: eur(500), Surcharge: eur(-105), Tax: eur(547), Grand: eur(3485),
		},
		Rounding:      order.Rounding{Level: order.RoundLine, Mode: money.HalfEven},
		PaymentTerms:  order.PaymentTerms{Kind: order.PaymentAuthorise, PayBy: t0.Add(time.Hour)},
		ReservePolicy: order.ReserveOnOrder, ShipBy: t0.Add(48 * time.Hour), Tags: []string{"b2b", "gift"},
		Attributes: map[string]string{"utm": "spring", "basket": "42"}, PlacedAt: t0.Add(-time.Minute),
	}
}

// placed returns the event of an accepted [order.Place] of these details.
func placed(tb testing.TB, d order.Details) order.Placed {
	tb.Helper()
	events, err := order.Decide(new(order.Order), order.Place{ID: orderID, Details: d, Now: t0})
	if err != nil {
		tb.Fatal(err)
	}
	return events[0].(order.Placed)
}

// samples returns one of every event, with every field set.
func samples(tb testing.TB) []order.Event {
	tb.Helper()
	note := domain.NewPersonal("called about it")
	return []order.Event{
		placed(tb, details()),
		order.Confirmed{At: t0},
		order.Rejected{Rejection: order.Rejection{
			Reason: order.RejectOutOfStock, Detail: "one line is sold out",
			Shortages: []order.Shortage{{SKU: "85123A", Location: "BER1", Requested: 3, Available: 1}},
		}, At: t0},
		order.Expired{Deadline: t0, At: t0 + 1},
		order.HoldPlaced{
			HoldID: "h1", Kind: order.HoldFraud, Blocks: []order.Verb{order.VerbCapture, order.VerbShip}, Until: t0 + 9, Note: note, At: t0,
		},
		order.HoldReleased{HoldID: "h1", Note: note, At: t0},
		order.LinesCancelled{
			CancellationID: "c1", Reason: order.CancelCustomer, Note: note,
			Lines: []order.CancelledLine{{LineID: "1", Quantity: 2, Credit: eur(1743)}}, Credit: eur(1743), At: t0,
		},
		order.Cancelled{CancellationID: "c1", Reason: order.CancelCustomer, Credit: eur(740), At: t0},
		order.NoteAdded{NoteID: "n1", Text: note, Public: true, At: t0},
		order.Tagged{Tags: []string{"b2b", "vip"}, At: t0},
		order.Untagged{Tags: []string{"b2b"}, At: t0},
		order.PaymentPositionChanged{
			PaymentID: "p1", Version: 3, Status: order.PaymentStatePartiallyCaptured, Authorised: eur(3485), Captured: eur(2000),
			Refunded: eur(300), Disputed: eur(200), Pending: eur(1000), RefundPending: eur(100), At: t0,
		},
		order.AnomalyDetected{
			Anomaly: order.AnomalyLatePayment, PaymentID: "p1", FulfilmentID: "f1", ParcelID: "b1",
			Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, Amount: eur(3485), At: t0,
		},
		order.FulfilmentAssigned{FulfilmentID: "f1", Location: "BER1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, At: t0},
		order.FulfilmentUnassigned{
			FulfilmentID: "f1", UnassignmentID: "u1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, Reason: order.UnassignShort, At: t0,
		},
		order.LinesShipped{FulfilmentID: "f1", ParcelID: "b1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, At: t0},
		order.LinesDelivered{FulfilmentID: "f1", ParcelID: "b1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, Assumed: true, At: t0},
		order.Completed{At: t0},
		order.Archived{At: t0},
		order.AmendmentProposed{
			AmendmentID: "a1", BaseVersion: 2, Totals: details().Totals, Reason: "one more", BalanceDelta: eur(500), At: t0, Ops: []order.AmendOp{
				{Kind: order.AmendChangeQuantity, Line: &details().Lines[0]},
				{Kind: order.AmendRemoveLine, LineID: "2"},
				{Kind: order.AmendChangeShipping, Shipping: details().Shipping},
				{Kind: order.AmendAddSurcharge, Surcharge: &details().Surcharges[1]},
			},
		},
		order.Amended{
			AmendmentID: "a1", Lines: placed(tb, details()).Details.Lines, Shipping: details().Shipping, Surcharges: details().Surcharges,
			Before: details().Totals, After: details().Totals, BalanceDelta: eur(500), At: t0,
		},
		order.AmendmentWithdrawn{AmendmentID: "a1", At: t0},
		order.ShippingAddressChanged{Address: details().Contact.Delivery, At: t0},
		order.CustomerLinked{CustomerID: "17850", At: t0},
		order.CancellationRequested{
			CancellationID: "c9", Whole: true, Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, Reason: order.CancelStaff, Note: note, At: t0,
		},
		order.CancellationDeclined{
			CancellationID: "c9", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, Reason: order.DeclinePacked, Final: true, At: t0,
		},
		order.RefundGranted{
			RefundID: "r1", Basis: order.RefundReturn, Ref: "t1", Shipping: eur(50), Adjustment: eur(-20), Amount: eur(900), Reason: "too small", At: t0,
			Lines: []order.RefundLine{{LineID: "1", Quantity: 1, From: 2, Amount: eur(870)}},
		},
		order.RefundSettled{RefundID: "r1", Legs: []order.RefundLeg{{PaymentID: "p1", OperationID: "op1", Amount: eur(900)}}, At: t0},
		order.RefundSettlementFailed{RefundID: "r1", PaymentID: "p1", OperationID: "op1", Code: "insufficient_funds", At: t0},
		order.ReturnAuthorised{ReturnID: "t1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 2}}, At: t0},
		order.ReturnReleased{ReturnID: "t1", ReleaseID: "x1", Lines: []order.LineQuantity{{LineID: "1", Quantity: 1}}, At: t0},
		order.LinesReturned{ReturnID: "t1", OutcomeID: "g1", Lines: []order.OutcomeLine{{LineID: "1", Quantity: 1, Outcome: order.OutcomeRestocked}}, At: t0},
	}
}

func evolve(events ...order.Event) *order.Order {
	o := new(order.Order)
	for _, e := range events {
		order.Evolve(o, e)
	}
	return o
}

func invalid(field, reason string) error { return domain.InvalidField{Field: field, Reason: reason} }
