package eventstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"waybill/eventstore"
)

// A commit adds events to streams that stand where it expects them, or nothing at all.
func ExampleMemory() {
	ctx := context.Background()
	log := eventstore.NewMemory()

	placed := eventstore.Commit{CommandID: uuid.New(), Streams: []eventstore.StreamEvents{{
		ID: "order-1", Expected: 0, Events: []eventstore.NewEvent{{Type: "order.placed", Schema: 1}},
	}}}
	receipt, err := log.Append(ctx, placed)
	fmt.Println("placed at position", receipt.First, err)

	_, err = log.Append(ctx, placed) // the same command again
	if duplicate, ok := errors.AsType[*eventstore.DuplicateCommandError](err); ok {
		fmt.Println("already placed at position", duplicate.Outcome.Receipt.First)
	}

	placed.CommandID = uuid.New() // another command that thinks the order is new
	_, err = log.Append(ctx, placed)
	fmt.Println(err)

	for e, err := range log.ReadStream(ctx, "order-1", 1) {
		fmt.Println(e.Stream, e.Version, e.Type, err)
	}
	// Output:
	// placed at position 1 <nil>
	// already placed at position 1
	// stream order-1 is at version 1, expected 0
	// order-1 1 order.placed <nil>
}
