package order

import (
	"waybill/domain"
)

// RejectReason says why the seller does not accept an order.
type RejectReason string

// The reasons to reject an order.
const (
	RejectOutOfStock    RejectReason = "out_of_stock"
	RejectPaymentFailed RejectReason = "payment_failed"
	RejectFraud         RejectReason = "fraud"
	RejectInvalid       RejectReason = "invalid"
)

// Shortage is what was missing when an order was rejected as out of stock.
type Shortage struct {
	SKU       string `json:"sku"       msgpack:"sku"`
	Location  string `json:"location"  msgpack:"location"`
	Requested int64  `json:"requested" msgpack:"requested"` // units of the whole order
	Available int64  `json:"available" msgpack:"available"` // units there were
}

// Rejection is why an order was rejected.
type Rejection struct {
	Reason    RejectReason `msgpack:"reason"`
	Detail    string       `msgpack:"detail"` // one sentence for people, not personal
	Shortages []Shortage   `msgpack:"shortages"`
}

// Confirm accepts a pending order. A hold on [VerbConfirm] refuses it.
type Confirm struct {
	ID  ID
	Now domain.Time
}

// Reject says that a pending order cannot be accepted.
type Reject struct {
	ID        ID
	Rejection Rejection
	Now       domain.Time
}

// Expire closes a pending order whose deadline has passed.
type Expire struct {
	ID       ID
	Deadline domain.Time
	Now      domain.Time
}

// Confirmed records that the seller has accepted the order.
type Confirmed struct {
	At domain.Time `msgpack:"at"`
}

// Rejected records that the seller could not accept the order.
type Rejected struct {
	Rejection Rejection   `msgpack:"rejection"`
	At        domain.Time `msgpack:"at"`
}

// Expired records that the time of the order ran out before it was confirmed.
type Expired struct {
	Deadline domain.Time `msgpack:"deadline"`
	At       domain.Time `msgpack:"at"`
}

// OrderID implements [Command].
func (c Confirm) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Confirm) CommandType() string { return CommandConfirm }

// OrderID implements [Command].
func (c Reject) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Reject) CommandType() string { return CommandReject }

// OrderID implements [Command].
func (c Expire) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Expire) CommandType() string { return CommandExpire }

// EventType implements [Event].
func (Confirmed) EventType() string { return TypeConfirmed }

// SchemaVersion implements [Event].
func (Confirmed) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (Rejected) EventType() string { return TypeRejected }

// SchemaVersion implements [Event].
func (Rejected) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (Expired) EventType() string { return TypeExpired }

// SchemaVersion implements [Event].
func (Expired) SchemaVersion() int16 { return schemaFirst }
