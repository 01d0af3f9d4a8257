package stock

import "waybill/domain"

// Extend holds reservations of one order for longer. It never shortens.
type Extend struct {
	Key
	OrderID        string
	ReservationIDs []string
	ExpiresAt      domain.Time // after Now
	Now            domain.Time
}

// Confirm makes held reservations of one order firm: they no longer expire.
type Confirm struct {
	Key
	OrderID        string
	ReservationIDs []string
	Now            domain.Time
}

// Part names a reservation and how many of its units are meant.
type Part struct {
	ReservationID string
	Quantity      int64 // 0 for all that are open
}

// Release gives units of reservations of one order back. Units that wait for a receipt go first.
type Release struct {
	Key
	OrderID string
	Parts   []Part
	Reason  string
	Now     domain.Time
}

// Expire ends held reservations whose time is over: the named ones, or the earliest [ExpiryBatch] if none is named. A named
// one that is confirmed, closed or unknown is no matter, so a timer may fire late or twice.
type Expire struct {
	Key
	ReservationIDs []string
	Now            domain.Time
}

// ReservationExtended records that reservations are held for longer.
type ReservationExtended struct {
	OrderID        string      `msgpack:"order_id"`
	ReservationIDs []string    `msgpack:"reservation_ids"`
	ExpiresAt      domain.Time `msgpack:"expires_at"`
	At             domain.Time `msgpack:"at"`
}

// ReservationConfirmed records that reservations are firm.
type ReservationConfirmed struct {
	OrderID        string      `msgpack:"order_id"`
	ReservationIDs []string    `msgpack:"reservation_ids"`
	At             domain.Time `msgpack:"at"`
}

// Released is what one reservation gave back.
type Released struct {
	ReservationID string `msgpack:"reservation_id"`
	FromStock     int64  `msgpack:"from_stock"`
	Backordered   int64  `msgpack:"backordered"`
	Closed        bool   `msgpack:"closed"` // nothing of the reservation is left
}

// ReservationReleased records units that were given back.
type ReservationReleased struct {
	OrderID  string      `msgpack:"order_id"`
	Released []Released  `msgpack:"released"`
	Reason   string      `msgpack:"reason"`
	At       domain.Time `msgpack:"at"`
}

// ReservationExpired records that a held reservation ran out of time.
type ReservationExpired struct {
	OrderID       string      `msgpack:"order_id"`
	ReservationID string      `msgpack:"reservation_id"`
	FromStock     int64       `msgpack:"from_stock"`
	Backordered   int64       `msgpack:"backordered"`
	ExpiresAt     domain.Time `msgpack:"expires_at"` // when its time was over
	At            domain.Time `msgpack:"at"`         // when it was noticed
}

// CommandType implements [Command].
func (Extend) CommandType() string { return CommandExtend }

// CommandType implements [Command].
func (Confirm) CommandType() string { return CommandConfirm }

// CommandType implements [Command].
func (Release) CommandType() string { return CommandRelease }

// CommandType implements [Command].
func (Expire) CommandType() string { return CommandExpire }

// EventType implements [Event].
func (ReservationExtended) EventType() string { return TypeReservationExtended }

// SchemaVersion implements [Event].
func (ReservationExtended) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e ReservationExtended) Order() string { return e.OrderID }

// EventType implements [Event].
func (ReservationConfirmed) EventType() string { return TypeReservationConfirmed }

// SchemaVersion implements [Event].
func (ReservationConfirmed) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e ReservationConfirmed) Order() string { return e.OrderID }

// EventType implements [Event].
func (ReservationReleased) EventType() string { return TypeReservationReleased }

// SchemaVersion implements [Event].
func (ReservationReleased) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e ReservationReleased) Order() string { return e.OrderID }

// EventType implements [Event].
func (ReservationExpired) EventType() string { return TypeReservationExpired }

// SchemaVersion implements [Event].
func (ReservationExpired) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e ReservationExpired) Order() string { return e.OrderID }
