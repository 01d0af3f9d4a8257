package payment_test

import (
	"fmt"

	"waybill/domain/money"
	"waybill/domain/payment"
)

// Money is authorised and captured. The call to capture is lost, so its amount stays reserved; the gateway tells twice that it
// has happened; and it happened once.
func Example() {
	gbp := func(minor int64) money.Money { return money.New(minor, "GBP") }
	to := payment.Target{ID: "p-1", Now: 5}
	capture := payment.Fact{Kind: payment.FactCaptured, GatewayEventID: "evt_1", ObjectRef: "ch_1", OperationID: "op-2", Amount: gbp(1000), OccurredAt: 4}
	again := capture
	again.GatewayEventID = "evt_2"
	p := new(payment.Payment)
	for _, c := range []payment.Command{
		payment.Initiate{Target: to, Terms: payment.Terms{OrderID: "o-1", Gateway: "sandbox", Amount: gbp(1000)}},
		payment.Authorise{Target: to, OperationID: "op-1"},
		payment.RecordOutcome{Target: to, OperationID: "op-1", Outcome: payment.OutcomeSucceeded, GatewayRef: "pi_1"},
		payment.Capture{Target: to, OperationID: "op-2", Amount: gbp(1000)},
		payment.RecordOutcome{Target: to, OperationID: "op-2", Outcome: payment.OutcomeUnknown},
		payment.Void{Target: to, OperationID: "op-3"},
		payment.RecordFact{Target: to, Fact: capture},
		payment.RecordFact{Target: to, Fact: again},
	} {
		events, err := payment.Decide(p, c)
		if err != nil {
			fmt.Println("refused:", err)
		}
		for _, e := range events {
			payment.Evolve(p, e)
			l := p.Ledger()
			fmt.Println(e.EventType(), p.Status(), l.Captured, l.CapturePending)
		}
	}
	// Output:
	// payment.initiated initiated 0.00 GBP 0.00 GBP
	// payment.authorisation_requested processing 0.00 GBP 0.00 GBP
	// payment.authorised authorised 0.00 GBP 0.00 GBP
	// payment.capture_requested authorised 0.00 GBP 10.00 GBP
	// payment.operation_outcome_unknown authorised 0.00 GBP 10.00 GBP
	// refused: operation op-2, to capture, is unknown: its outcome has to be known first
	// payment.captured captured 10.00 GBP 0.00 GBP
	// payment.fact_ignored captured 10.00 GBP 0.00 GBP
}
