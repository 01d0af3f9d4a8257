package returns_test

import (
	"fmt"

	"waybill/domain/money"
	"waybill/domain/returns"
)

// Two shirts are sent back. One goes into stock again, the other is kept back for a closer look; what is due is refunded and
// restocked, once.
func Example() {
	gbp := func(minor int64) money.Money { return money.New(minor, "GBP") }
	two := []returns.LineQuantity{{LineID: "1", Quantity: 2}}
	commands := []returns.Command{
		returns.Request{ID: "r-1", OrderID: "o-1", Currency: "GBP", Lines: []returns.Line{{ID: "1", SKU: "SHIRT", Quantity: 2}}, Now: 1},
		returns.Approve{ID: "r-1", Now: 2, Approval: returns.Approval{
			RMANumber: "RMA-1", Authorisation: returns.Authorisation{OrderID: "o-1", ReturnID: "r-1", Lines: two},
			Fees: []returns.Fee{{ID: "way-back", Amount: gbp(300)}},
		}},
		returns.Receive{ID: "r-1", ReceiptID: "in-1", Location: "BER1", Lines: two, Now: 3},
		returns.Inspect{ID: "r-1", InspectionID: "look-1", Now: 4, Lines: []returns.Grade{
			{LineID: "1", Quantity: 1, Outcome: returns.OutcomeRestocked}, {LineID: "1", Quantity: 1, Outcome: returns.OutcomeProcessingRequired},
		}},
		returns.Regrade{ID: "r-1", RegradeID: "look-2", LineID: "1", Quantity: 1, From: returns.OutcomeProcessingRequired, To: returns.OutcomeWrongItem, Now: 5},
		returns.RecordRestocked{ID: "r-1", RestockID: "back-1", Lines: []returns.RestockLine{{LineID: "1", Location: "BER1", Quantity: 1}}, Now: 6},
		returns.RecordRefundGranted{
			ID: "r-1", RefundID: "f-1", Lines: []returns.RefundLine{{LineID: "1", Quantity: 1, Amount: gbp(1000)}}, Fees: gbp(300), Total: gbp(700), Now: 7,
		},
		returns.RecordRefundGranted{
			ID: "r-1", RefundID: "f-2", Lines: []returns.RefundLine{{LineID: "1", Quantity: 1, Amount: gbp(1000)}}, Total: gbp(1000), Now: 8,
		},
		returns.Close{ID: "r-1", Now: 9},
	}
	r := new(returns.Return)
	for _, c := range commands {
		events, err := returns.Decide(r, c)
		if err != nil {
			fmt.Println("refused:", err)
		}
		for _, e := range events {
			returns.Evolve(r, e)
			fmt.Println(e.EventType(), r.Status(), r.Granted)
		}
	}
	// Output:
	// return.requested requested 0.00 GBP
	// return.approved approved 0.00 GBP
	// return.items_received received 0.00 GBP
	// return.items_inspected received 0.00 GBP
	// return.item_regraded inspected 0.00 GBP
	// return.restocked inspected 0.00 GBP
	// return.refund_granted inspected 7.00 GBP
	// refused: 0 units of line 1 are due for a refund and 1 have one, 1 were asked for
	// return.closed closed 7.00 GBP
}
