package projections_test

import (
	"fmt"

	"github.com/google/uuid"

	"waybill/projections"
)

func ExampleDifference() {
	fmt.Println(projections.Difference{Table: "order_list", Key: `["0198"]`, Field: "total_minor", Got: "4999", Want: "4990"})
	fmt.Println(projections.Difference{Table: "order_list", Key: `["0199"]`, Want: `{"order_id": "0199"}`})
	// Output:
	// order_list ["0198"]: total_minor is 4999, want 4990
	// order_list ["0199"]: row is missing, want {"order_id": "0199"}
}

func ExampleSchemaName() {
	fmt.Println(projections.SchemaName("order_list", 2))
	// Output: order_list_v2
}

func ExampleEpochError() {
	old, restored := uuid.MustParse("0198c0de-0000-7000-8000-000000000001"), uuid.MustParse("0198c0de-0000-7000-8000-000000000002")
	err := &projections.EpochError{Projection: "order_list", Source: "log", Checkpoint: old, Other: restored}
	fmt.Println(err.Run())
	// Output: waybill projections rebuild order_list
}
