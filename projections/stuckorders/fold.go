package stuckorders

import (
	"fmt"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// state is what is known of an order that may come to wait; it is stored with the row.
type state struct {
	Number      string              `msgpack:"number"`
	Channel     string              `msgpack:"channel"`
	CustomerID  string              `msgpack:"customer_id"`
	Lifecycle   order.Lifecycle     `msgpack:"lifecycle"`
	EnteredAt   domain.Time         `msgpack:"entered_at"` // when it came into this lifecycle, by the log
	PlacedAt    domain.Time         `msgpack:"placed_at"`
	Currency    money.Currency      `msgpack:"currency"`
	Grand       int64               `msgpack:"grand"`
	Credited    int64               `msgpack:"credited"`
	Units       int64               `msgpack:"units"` // ordered less cancelled
	Reserve     order.ReservePolicy `msgpack:"reserve"`
	PaymentKind order.PaymentKind   `msgpack:"payment_kind"`
	PayBy       domain.Time         `msgpack:"pay_by"`
	Holds       []holdState         `msgpack:"holds,omitempty"`        // those that are not released
	Claims      []claim             `msgpack:"reservations,omitempty"` // those that are open
	Expired     bool                `msgpack:"expired"`                // a reservation of it has expired
}

// holdState is a hold that is not released.
type holdState struct {
	ID     string         `msgpack:"id"`
	Kind   order.HoldKind `msgpack:"kind"`
	Blocks []order.Verb   `msgpack:"blocks,omitempty"`
	By     string         `msgpack:"by"`
	Since  domain.Time    `msgpack:"since"` // by the log
	Until  domain.Time    `msgpack:"until"`
}

// claim is an open reservation.
type claim struct {
	ID          string      `msgpack:"id"`
	SKU         string      `msgpack:"sku"`
	Location    string      `msgpack:"location"`
	State       stock.State `msgpack:"state"`
	FromStock   int64       `msgpack:"from_stock"`
	Backordered int64       `msgpack:"backordered"`
	ExpiresAt   domain.Time `msgpack:"expires_at"`
}

func decodeState(b []byte) (state, error) {
	var s state
	if err := domain.Unmarshal(b, &s); err != nil {
		return state{}, fmt.Errorf("stored state: %w", err)
	}
	return s, nil
}
