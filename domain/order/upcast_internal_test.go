package order

import (
	"flag"
	"os"
	"reflect"
	"slices"
	"testing"

	"waybill/domain"
	"waybill/domain/money"
)

// TestPlacedSchema1 holds the first form of order.placed to its stored bytes, and its upcast to what it meant.
func TestPlacedSchema1(t *testing.T) {
	t.Parallel()
	contact := Contact{
		Name: domain.NewPersonal("Grace Hopper"), Email: domain.NewPersonal("grace@example.org"), Delivery: Address{Country: "US"},
	}
	old := placedV1{
		OrderID: "0198c0de-0000-7000-8000-000000000000", Number: "WEB-7", Channel: "web", SourceRef: "536366", CustomerID: "13047",
		Contact: contact, Currency: "GBP", ShippingCost: 350, Tax: 317, Grand: 1905, Tags: []string{"gift"}, At: 1_767_323_045_678_901,
		Lines: []lineV1{
			{ID: "1", SKU: "22633", Title: "HAND WARMER UNION JACK", Quantity: 6, UnitPriceMinor: 185},
			{ID: "2", SKU: "M", Title: "Manual", Quantity: 1, UnitPriceMinor: 445},
		},
	}
	const file = "testdata/golden/order.placed.v1.msgpack"
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if _, err := os.Stat(file); os.IsNotExist(err) {
			data, err := domain.Marshal(old)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := domain.Marshal(old); err != nil || !slices.Equal(data, stored) {
		t.Fatalf("schema 1 is read as another form than was stored (%v):\n%x\n%x", err, data, stored)
	}
	got, err := Decode(TypePlaced, 1, stored)
	if err != nil {
		t.Fatal(err)
	}
	gbp := func(minor int64) money.Money { return money.New(minor, "GBP") }
	want := Placed{OrderID: old.OrderID, At: old.At, Details: Details{
		Number: "WEB-7", Channel: "web", SourceRef: "536366", CustomerID: "13047", Contact: contact, Currency: "GBP",
		Lines: []Line{
			{
				ID: "1", SKU: "22633", Title: "HAND WARMER UNION JACK", Quantity: 6, UnitPrice: "1.85", PriceIncludesTax: true,
				Total: gbp(1110), Net: gbp(1110), RequiresShipping: true,
			},
			{
				ID: "2", SKU: "M", Title: "Manual", Quantity: 1, UnitPrice: "4.45", PriceIncludesTax: true,
				Total: gbp(445), Net: gbp(445), RequiresShipping: true,
			},
		},
		Shipping: []ShippingLine{{
			ID: "1", Amount: gbp(350), PriceIncludesTax: true, Taxes: []Tax{{Code: "included", Amount: gbp(317)}}, Total: gbp(350),
		}},
		Totals: Totals{
			Goods: gbp(1555), Discount: gbp(0), Shipping: gbp(350), Surcharge: gbp(0), Tax: gbp(317), Grand: gbp(1905),
		},
		Rounding: Rounding{Level: RoundLine, Mode: money.HalfEven}, PaymentTerms: PaymentTerms{Kind: PaymentOffline},
		ReservePolicy: ReserveOnOrder, Tags: []string{"gift"}, PlacedAt: old.At,
	}}
	if !reflect.DeepEqual(got, Event(want)) {
		t.Errorf("upcast to\n%+v, want\n%+v", got, want)
	}
	d := want.Details
	if err := checkTotals(&d, true); err != nil {
		t.Errorf("the upcast order does not add up: %v", err)
	}
}
