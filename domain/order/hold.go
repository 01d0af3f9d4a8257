package order

import (
	"waybill/domain"
)

// HoldKind says what a hold is about.
type HoldKind string

// The kinds of holds.
const (
	HoldFraud   HoldKind = "fraud"
	HoldPayment HoldKind = "payment"
	HoldAddress HoldKind = "address"
	HoldDispute HoldKind = "dispute"
	HoldManual  HoldKind = "manual"
)

// Verb is something that a hold can block.
type Verb string

// The verbs that holds block.
const (
	VerbConfirm Verb = "confirm"
	VerbCancel  Verb = "cancel"
	VerbAmend   Verb = "amend"
	VerbCapture Verb = "capture"
	VerbShip    Verb = "ship"
)

// Hold stops verbs until it is released or runs out.
type Hold struct {
	ID         string          `msgpack:"hold_id"`
	Kind       HoldKind        `msgpack:"kind"`
	Blocks     []Verb          `msgpack:"blocks"`      // sorted
	Until      domain.Time     `msgpack:"until"`       // when it runs out by itself, zero for never
	Note       domain.Personal `msgpack:"note"`        // why
	PlacedAt   domain.Time     `msgpack:"placed_at"`   // when it was placed
	ReleasedAt domain.Time     `msgpack:"released_at"` // zero while it is active
}

// Active reports whether h blocks at now.
func (h *Hold) Active(now domain.Time) bool {
	return h.ReleasedAt.IsZero() && (h.Until.IsZero() || now < h.Until)
}

// PlaceHold stops verbs from happening to an order. No Blocks means ship and capture.
type PlaceHold struct {
	ID     ID
	HoldID string // unique in the order
	Kind   HoldKind
	Blocks []Verb
	Until  domain.Time // when it runs out by itself, zero for never
	Note   domain.Personal
	Now    domain.Time
}

// ReleaseHold lets go of a hold.
type ReleaseHold struct {
	ID     ID
	HoldID string
	Note   domain.Personal
	Now    domain.Time
}

// HoldPlaced records a new hold.
type HoldPlaced struct {
	HoldID string          `msgpack:"hold_id"`
	Kind   HoldKind        `msgpack:"kind"`
	Blocks []Verb          `msgpack:"blocks"` // sorted
	Until  domain.Time     `msgpack:"until"`  // zero for never
	Note   domain.Personal `msgpack:"note"`
	At     domain.Time     `msgpack:"at"`
}

// HoldReleased records that a hold was let go.
type HoldReleased struct {
	HoldID string          `msgpack:"hold_id"`
	Note   domain.Personal `msgpack:"note"`
	At     domain.Time     `msgpack:"at"`
}

// OrderID implements [Command].
func (c PlaceHold) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (PlaceHold) CommandType() string { return CommandPlaceHold }

// OrderID implements [Command].
func (c ReleaseHold) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (ReleaseHold) CommandType() string { return CommandReleaseHold }

// EventType implements [Event].
func (HoldPlaced) EventType() string { return TypeHoldPlaced }

// SchemaVersion implements [Event].
func (HoldPlaced) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (HoldReleased) EventType() string { return TypeHoldReleased }

// SchemaVersion implements [Event].
func (HoldReleased) SchemaVersion() int16 { return schemaFirst }
