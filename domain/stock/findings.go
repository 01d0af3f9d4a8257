package stock

import "waybill/domain"

// OversoldDetected records that a fact took units that were promised. Somebody has to decide who waits.
type OversoldDetected struct {
	OnHand      int64       `msgpack:"on_hand"`
	Unavailable int64       `msgpack:"unavailable"`
	Safety      int64       `msgpack:"safety"`
	Reserved    int64       `msgpack:"reserved"`
	Short       int64       `msgpack:"short"` // promised units that are not there
	Victims     []Victim    `msgpack:"victims,omitempty"`
	At          domain.Time `msgpack:"at"`
}

// Victim is a reservation that is proposed to give up units. What the victims do not cover is allocated, or belongs to more
// than [MaxVictims] reservations.
type Victim struct {
	ReservationID string `msgpack:"reservation_id,omitempty"`
	OrderID       string `msgpack:"order_id,omitempty"`
	Quantity      int64  `msgpack:"quantity"`
}

// AnomalyDetected records that a fact contradicts what was known. Somebody has to look at it.
type AnomalyDetected struct {
	Kind          AnomalyKind `msgpack:"kind,omitempty"`
	OrderID       string      `msgpack:"order_id,omitempty"`
	FulfilmentID  string      `msgpack:"fulfilment_id,omitempty"`
	ReservationID string      `msgpack:"reservation_id,omitempty"`
	Quantity      int64       `msgpack:"quantity"` // units that it is about
	At            domain.Time `msgpack:"at"`
}

// AnomalyKind says what a fact contradicts.
type AnomalyKind string

// AnomalyIssuedUnallocated is about units that left without being allocated to the fulfilment that they left with.
const AnomalyIssuedUnallocated AnomalyKind = "issued_unallocated"

// BelowThreshold records that fewer units are available than the threshold.
type BelowThreshold struct {
	Available int64       `msgpack:"available"`
	Threshold int64       `msgpack:"threshold"`
	At        domain.Time `msgpack:"at"`
}

// Depleted records that the last available unit is gone.
type Depleted struct {
	At domain.Time `msgpack:"at"`
}

// EventType implements [Event].
func (OversoldDetected) EventType() string { return TypeOversoldDetected }

// SchemaVersion implements [Event].
func (OversoldDetected) SchemaVersion() int16 { return schemaOversold }

// Order implements [Event].
func (OversoldDetected) Order() string { return "" }

func (OversoldDetected) count(*Sums) {}

func (e OversoldDetected) apply(i *Item) { i.UpdatedAt = e.At }

// EventType implements [Event].
func (AnomalyDetected) EventType() string { return TypeAnomalyDetected }

// SchemaVersion implements [Event].
func (AnomalyDetected) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (e AnomalyDetected) Order() string { return e.OrderID }

func (AnomalyDetected) count(*Sums) {}

func (e AnomalyDetected) apply(i *Item) { i.UpdatedAt = e.At }

// EventType implements [Event].
func (BelowThreshold) EventType() string { return TypeBelowThreshold }

// SchemaVersion implements [Event].
func (BelowThreshold) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (BelowThreshold) Order() string { return "" }

func (BelowThreshold) count(*Sums) {}

func (e BelowThreshold) apply(i *Item) { i.UpdatedAt = e.At }

// EventType implements [Event].
func (Depleted) EventType() string { return TypeDepleted }

// SchemaVersion implements [Event].
func (Depleted) SchemaVersion() int16 { return schemaFirst }

// Order implements [Event].
func (Depleted) Order() string { return "" }

func (Depleted) count(*Sums) {}

func (e Depleted) apply(i *Item) { i.UpdatedAt = e.At }
