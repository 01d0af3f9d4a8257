// Package stuckorders is the read model of orders that wait: pending, cancelling or on hold, each with what it waits for,
// as data, and the next step.
//
// The fold has no clock. It stores since when an order waits; how old that is, and whether a hold or a reservation has
// run out, is computed when the list is read, for the time that the caller gives.
package stuckorders

import (
	"time"

	"waybill/domain/money"
	"waybill/projections/keyset"
)

// The codes of the reasons for which an order waits.
const (
	// ReasonHold: a hold is active. Values: hold_id, kind, blocks, by, since, until.
	ReasonHold = "hold"
	// ReasonReservation: no stock is reserved yet. Values: units.
	ReasonReservation = "waiting_for_reservation"
	// ReasonBackordered: the reservation counts on stock that has not come yet. Values: units, items.
	ReasonBackordered = "backordered"
	// ReasonReservationRunsOut: the reservation was not confirmed in time. Values: expires_at, items.
	ReasonReservationRunsOut = "reservation_ran_out"
	// ReasonConfirmation: stock is reserved, and the order is not confirmed yet. Values: expires_at, items.
	ReasonConfirmation = "waiting_for_confirmation"
	// ReasonPayment: the order waits for money. Values: pay_by, amount.
	ReasonPayment = "waiting_for_payment"
	// ReasonCancelling: a cancellation waits for others to let go.
	ReasonCancelling = "cancelling"
)

// Order is an order that waits.
type Order struct {
	OrderID    string      `json:"order_id"`
	Number     string      `json:"number"`
	Channel    string      `json:"channel"`
	CustomerID string      `json:"customer_id,omitempty"`
	Lifecycle  string      `json:"lifecycle"`
	Due        money.Money `json:"due"`
	Since      time.Time   `json:"since"`       // since when it waits
	AgeSeconds int64       `json:"age_seconds"` // at the time that was asked for
	Reasons    []Reason    `json:"reasons"`     // the most pressing first; at least one
	NextStep   NextStep    `json:"next_step"`   // for the first reason
	PlacedAt   time.Time   `json:"placed_at"`
	Version    int64       `json:"version"`
	Position   int64       `json:"position"`
	seq        int64
}

// Reason is one thing that an order waits for.
type Reason struct {
	Code      string       `json:"code"` // see the constants
	Text      string       `json:"text"` // one sentence for people
	HoldID    string       `json:"hold_id,omitempty"`
	Kind      string       `json:"kind,omitempty"`
	Blocks    []string     `json:"blocks,omitempty"`
	By        string       `json:"by,omitempty"` // who placed the hold
	Since     time.Time    `json:"since,omitzero"`
	Until     time.Time    `json:"until,omitzero"` // when the hold runs out by itself
	ExpiresAt time.Time    `json:"expires_at,omitzero"`
	PayBy     time.Time    `json:"pay_by,omitzero"`
	Amount    *money.Money `json:"amount,omitempty"`
	Units     int64        `json:"units,omitempty"`
	Items     []Item       `json:"items,omitempty"`
}

// Item is a SKU at a location, with the units that matter to the reason.
type Item struct {
	SKU      string `json:"sku"`
	Location string `json:"location"`
	Units    int64  `json:"units"`
}

// NextStep is what would move the order on.
type NextStep struct {
	Command string `json:"command,omitempty"` // such as "order.release_hold"; empty if there is nothing to send
	Text    string `json:"text"`
}

// Filter says which orders a list has, those that wait longest first.
type Filter struct {
	OlderThan time.Duration `json:"older_than,omitempty"` // waiting for at least as long; 0: all that wait
	Lifecycle []string      `json:"lifecycle,omitempty"`
	Channels  []string      `json:"channel,omitempty"`
	OnHold    *bool         `json:"on_hold,omitempty"`
	Limit     int           `json:"-"` // 0: [keyset.DefaultLimit]
	Cursor    string        `json:"-"`
}

// Page is one page of orders that wait.
type Page = keyset.Page[Order]
