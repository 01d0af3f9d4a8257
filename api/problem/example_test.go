package problem_test

import (
	"fmt"

	"waybill/api/problem"
)

func ExampleNew() {
	p := problem.New(problem.OrderNotFound, "there is no order %s", "42")
	fmt.Printf("%s", p.JSON())
	// Output:
	// {"type":"/problems/order-not-found","code":"order-not-found","title":"No such order","status":404,"detail":"there is no order 42","retryable":false}
}
