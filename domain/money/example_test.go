package money_test

import (
	"fmt"

	"waybill/domain/money"
)

// A discount of 1.00 on three equal lines: the parts add up to the whole.
func ExampleAllocate() {
	parts, err := money.Allocate(money.New(100, "EUR"), []int64{1, 1, 1})
	fmt.Println(parts, err)
	// Output: [0.34 EUR 0.33 EUR 0.33 EUR] <nil>
}

// A price below the minor unit is multiplied exactly and rounded once.
func ExamplePrice_Times() {
	total, err := money.Price("0.00125").Times(1_000, "EUR", money.HalfEven)
	fmt.Println(total, err)
	// Output: 1.25 EUR <nil>
}

// Three units of a line of 10.00 are given back one after the other.
func ExampleBetween() {
	for k := range int64(3) {
		part, err := money.Between(money.New(1000, "EUR"), k, k+1, 3)
		fmt.Println(part, err)
	}
	// Output:
	// 3.33 EUR <nil>
	// 3.34 EUR <nil>
	// 3.33 EUR <nil>
}
