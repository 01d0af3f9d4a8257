package wire_test

import (
	"fmt"

	"waybill/api/wire"
)

func ExampleTable() {
	table, err := wire.NewTable()
	if err != nil {
		panic(err)
	}
	spec, _ := table.Find("order.tag")
	fmt.Println(spec.Path, spec.Subject(), spec.Scope)

	body, problem := wire.ParseJSON([]byte(`{"tags": ["gift"], "colour": "red"}`))
	fmt.Println(problem == nil)
	_, _, problem = spec.Decode(&body)
	for _, e := range problem.Errors {
		fmt.Println(e.Location, e.Message)
	}
	// Output:
	// /v1/orders/{order_id}/tag waybill.cmd.order.tag orders:write
	// true
	// body.colour is not a field of this command
	// body.order_id is missing
}
