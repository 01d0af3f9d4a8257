package stock

import "waybill/domain"

// Ask is one reservation that is asked for.
type Ask struct {
	ReservationID  string // see [ReservationID]
	Quantity       int64  // 1 to MaxQuantity
	AllowBackorder bool   // units that are not there may wait for a receipt, if the item's policy has room
}

// Reserve asks for units for one order: all reservations or none. The caller puts all that an order needs of this
// item into one command, so that two lines of one SKU are never counted against the same unit.
type Reserve struct {
	Key
	OrderID      string
	Reservations []Ask
	ExpiresAt    domain.Time // after Now
	Now          domain.Time
}

// Granted is one reservation that was made: from_stock + backordered is what was asked for.
type Granted struct {
	ReservationID string `msgpack:"reservation_id"`
	FromStock     int64  `msgpack:"from_stock"`
	Backordered   int64  `msgpack:"backordered"`
}

// Reserved records reservations of one order, held until ExpiresAt.
type Reserved struct {
	OrderID      string      `msgpack:"order_id"`
	Reservations []Granted   `msgpack:"reservations"`
	ExpiresAt    domain.Time `msgpack:"expires_at"`
	At           domain.Time `msgpack:"at"`
}

// CommandType implements [Command].
func (Reserve) CommandType() string { return CommandReserve }

// EventType implements [Event].
func (Reserved) EventType() string { return TypeReserved }

// SchemaVersion implements [Event].
func (Reserved) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e Reserved) Order() string { return e.OrderID }
