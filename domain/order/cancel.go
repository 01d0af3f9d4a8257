package order

import (
	"waybill/domain"
	"waybill/domain/money"
)

// CancelReason says why something was cancelled.
type CancelReason string

// The reasons to cancel.
const (
	CancelCustomer  CancelReason = "customer"
	CancelFraud     CancelReason = "fraud"
	CancelInventory CancelReason = "inventory"
	CancelDeclined  CancelReason = "declined"
	CancelStaff     CancelReason = "staff"
	CancelOther     CancelReason = "other"
)

// LineQuantity is a number of units of one line.
type LineQuantity struct {
	LineID   string `json:"line_id"  msgpack:"line_id"`
	Quantity int64  `json:"quantity" msgpack:"quantity"`
}

// CancelledLine is a number of units of one line that were cancelled, and what that gives back.
type CancelledLine struct {
	LineID   string      `msgpack:"line_id"`
	Quantity int64       `msgpack:"quantity"`
	Credit   money.Money `msgpack:"credit"` // by cumulative rounding of the line's Net
}

// CancellationSummary remembers a cancellation, so that repeating it is recognised.
type CancellationSummary struct {
	ID     string         `msgpack:"cancellation_id"`
	Whole  bool           `msgpack:"whole"` // it closed the order
	Lines  []LineQuantity `msgpack:"lines"` // in the order of the order's lines
	Reason CancelReason   `msgpack:"reason"`
	At     domain.Time    `msgpack:"at"`
}

// Cancel gives up the whole order, or units of some lines, before they are shipped.
type Cancel struct {
	ID             ID
	CancellationID string         // unique in the order
	Lines          []LineQuantity // empty for all that is open; else each line once
	Reason         CancelReason   // other if empty
	Note           domain.Personal
	Now            domain.Time
}

// LinesCancelled records units that were given up.
type LinesCancelled struct {
	CancellationID string          `msgpack:"cancellation_id"`
	Reason         CancelReason    `msgpack:"reason"`
	Note           domain.Personal `msgpack:"note"`
	Lines          []CancelledLine `msgpack:"lines"`
	Credit         money.Money     `msgpack:"credit"` // of all lines together
	At             domain.Time     `msgpack:"at"`
}

// Cancelled records that the order is cancelled as a whole.
type Cancelled struct {
	CancellationID string       `msgpack:"cancellation_id"`
	Reason         CancelReason `msgpack:"reason"`
	Credit         money.Money  `msgpack:"credit"` // the rest: delivery and fees, which belong to no line
	At             domain.Time  `msgpack:"at"`
}

// OrderID implements [Command].
func (c Cancel) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Cancel) CommandType() string { return CommandCancel }

// EventType implements [Event].
func (LinesCancelled) EventType() string { return TypeLinesCancelled }

// SchemaVersion implements [Event].
func (LinesCancelled) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (Cancelled) EventType() string { return TypeCancelled }

// SchemaVersion implements [Event].
func (Cancelled) SchemaVersion() int16 { return schemaFirst }
