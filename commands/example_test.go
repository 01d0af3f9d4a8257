package commands_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"waybill/commands"
	"waybill/domain"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// One id, one outcome: sending a command again changes nothing and answers the same, also when it was refused.
func ExampleBus_Execute() {
	ctx := context.Background()
	bus, err := commands.New(commands.Config{Log: eventstore.NewMemory()})
	if err != nil {
		fmt.Println(err)
		return
	}
	received := domain.TimeOf(time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC))
	mug := stock.Key{SKU: "MUG", Location: "BER1"}
	receive := commands.OnStock(uuid.New(), stock.Receive{Key: mug, MovementID: "delivery-7", Quantity: 1, Now: received})
	for range 2 {
		r, err := bus.Execute(ctx, receive)
		fmt.Println(r.Position, r.Events[0].Type, r.Replayed, err)
	}
	for _, id := range []string{"order-a", "order-b"} {
		_, err = bus.Execute(ctx, commands.OnStock(uuid.New(), stock.Reserve{
			Key: mug, OrderID: id, Reservations: []stock.Ask{{ReservationID: id + ":1:1", Quantity: 1}},
			ExpiresAt: received.Add(time.Hour), Now: received,
		}))
		if refused, ok := errors.AsType[*commands.Refused](err); ok {
			fmt.Println(refused.Code, string(refused.Values))
		}
	}
	// Output:
	// 1 stock.received false <nil>
	// 1 stock.received true <nil>
	// insufficient-stock {"sku":"MUG","location":"BER1","requested":1,"available":0}
}
