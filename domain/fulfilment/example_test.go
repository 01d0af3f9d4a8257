package fulfilment_test

import (
	"fmt"

	"waybill/domain/fulfilment"
)

// A location finds two of three mugs, packs them, and they leave once the order lets them go.
func Example() {
	to := fulfilment.Target{ID: "f-1", Now: 1}
	quantity := func(n int64) []fulfilment.LineQuantity {
		return []fulfilment.LineQuantity{{LineID: "1", Quantity: n}}
	}
	f := new(fulfilment.Fulfilment)
	for _, c := range []fulfilment.Command{
		fulfilment.Request{Target: to, Details: fulfilment.Details{
			OrderID: "o-1", Location: "BER1", Lines: []fulfilment.Line{{LineID: "1", SKU: "MUG", Quantity: 3}},
		}},
		fulfilment.Accept{Target: to},
		fulfilment.Pick{Target: to, ReportID: "r-1", Lines: quantity(2), Short: quantity(1)},
		fulfilment.PackParcel{Target: to, ParcelID: "p-1", Lines: quantity(2)},
		fulfilment.ShipParcel{Target: to, ParcelID: "p-1", Gate: fulfilment.Gate{Reason: fulfilment.GatePayment}},
		fulfilment.ShipParcel{Target: to, ParcelID: "p-1", Gate: fulfilment.Gate{Open: true}},
	} {
		events, err := fulfilment.Decide(f, c)
		if err != nil {
			fmt.Println("refused:", err)
		}
		for _, e := range events {
			fulfilment.Evolve(f, e)
			fmt.Println(e.EventType(), f.Status(), fulfilment.GivenBack(e))
		}
	}
	// Output:
	// fulfilment.requested requested []
	// fulfilment.accepted accepted []
	// fulfilment.picked accepted []
	// fulfilment.lines_shorted picked [{1 MUG 1 }]
	// fulfilment.parcel_packed packed []
	// fulfilment.packed packed []
	// refused: parcel p-1 may not leave: payment
	// fulfilment.parcel_shipped shipped []
	// fulfilment.shipped shipped []
}
