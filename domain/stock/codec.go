package stock

import (
	"errors"
	"fmt"

	"waybill/domain"
)

// The stored names of all events. A name is never renamed and never reused; a changed event gets a new schema
// number and an upcast in [Decode].
const (
	TypeReceived               = "stock.received"
	TypeAdjusted               = "stock.adjusted"
	TypeCounted                = "stock.counted"
	TypeMadeUnavailable        = "stock.made_unavailable"
	TypeMadeAvailable          = "stock.made_available"
	TypeTransferredOut         = "stock.transferred_out"
	TypeTransferredIn          = "stock.transferred_in"
	TypeRestocked              = "stock.restocked"
	TypeOversoldDetected       = "stock.oversold_detected"
	TypeAnomalyDetected        = "stock.anomaly_detected"
	TypeBelowThreshold         = "stock.below_threshold"
	TypeDepleted               = "stock.depleted"
	TypeReserved               = "stock.reserved"
	TypeReservationExtended    = "stock.reservation_extended"
	TypeReservationConfirmed   = "stock.reservation_confirmed"
	TypeReservationReleased    = "stock.reservation_released"
	TypeReservationExpired     = "stock.reservation_expired"
	TypeReservationAllocated   = "stock.reservation_allocated"
	TypeReservationDeallocated = "stock.reservation_deallocated"
	TypeAllocationReleased     = "stock.allocation_released"
	TypeIssued                 = "stock.issued"
	TypeBackorderFilled        = "stock.backorder_filled"
	TypeBackorderPolicySet     = "stock.backorder_policy_set"
	TypeSafetyStockSet         = "stock.safety_stock_set"
	TypeThresholdSet           = "stock.threshold_set"
)

// EventTypes returns the stored names of all events.
func EventTypes() []string {
	return append(ReservationEventTypes(),
		TypeReceived, TypeAdjusted, TypeCounted, TypeMadeUnavailable, TypeMadeAvailable, TypeTransferredOut, TypeTransferredIn,
		TypeRestocked, TypeOversoldDetected, TypeAnomalyDetected, TypeBelowThreshold, TypeDepleted, TypeBackorderPolicySet,
		TypeSafetyStockSet, TypeThresholdSet,
	)
}

// ReservationEventTypes returns the stored names of the events that change reservations.
func ReservationEventTypes() []string {
	return []string{
		TypeReserved, TypeReservationExtended, TypeReservationConfirmed, TypeReservationReleased, TypeReservationExpired,
		TypeReservationAllocated, TypeReservationDeallocated, TypeAllocationReleased, TypeIssued, TypeBackorderFilled,
	}
}

// The schema numbers that [Encode] writes.
const (
	schemaOversold = 2 // of stock.oversold_detected: 1 had neither the units that cannot be sold, nor victims
	schemaFirst    = 1 // all other events have kept their first form
)

// SnapshotSchema numbers the form of [EncodeSnapshot]. It changes whenever [Item], or what apply does, changes.
const SnapshotSchema = 4

// Encode returns the stored form of e. Equal events give equal bytes.
func Encode(e Event) (typ string, schema int16, data []byte, err error) {
	data, err = domain.Marshal(e)
	if err != nil {
		return "", 0, nil, fmt.Errorf("stock: %w", err)
	}
	return e.EventType(), e.SchemaVersion(), data, nil
}

// Decode is the inverse of [Encode]. An unknown name or schema, and data that is not exactly one event, are errors.
func Decode(typ string, schema int16, data []byte) (Event, error) {
	e, err := decodeEvent(typ, schema, data)
	if err != nil {
		return nil, fmt.Errorf("stock: decode %s schema %d: %w", typ, schema, err)
	}
	return e, nil
}

func decodeEvent(typ string, schema int16, data []byte) (Event, error) {
	if schema != schemaFirst && (typ != TypeOversoldDetected || schema != schemaOversold) {
		return nil, errors.New("unknown schema")
	}
	switch typ { // constants: the compiler rejects two events under one name
	case TypeReceived:
		return decode[Received](data)
	case TypeAdjusted:
		return decode[Adjusted](data)
	case TypeCounted:
		return decode[Counted](data)
	case TypeMadeUnavailable:
		return decode[MadeUnavailable](data)
	case TypeMadeAvailable:
		return decode[MadeAvailable](data)
	case TypeTransferredOut:
		return decode[TransferredOut](data)
	case TypeTransferredIn:
		return decode[TransferredIn](data)
	case TypeRestocked:
		return decode[Restocked](data)
	case TypeOversoldDetected: // what schema 1 did not have is zero
		return decode[OversoldDetected](data)
	case TypeAnomalyDetected:
		return decode[AnomalyDetected](data)
	case TypeBelowThreshold:
		return decode[BelowThreshold](data)
	case TypeDepleted:
		return decode[Depleted](data)
	case TypeReserved:
		return readReserved(data)
	case TypeReservationExtended:
		return decode[ReservationExtended](data)
	case TypeReservationConfirmed:
		return readConfirmed(data)
	case TypeReservationReleased:
		return readReleased(data)
	case TypeReservationExpired:
		return readExpired(data)
	case TypeReservationAllocated:
		return decode[ReservationAllocated](data)
	case TypeReservationDeallocated:
		return decode[ReservationDeallocated](data)
	case TypeAllocationReleased:
		return decode[AllocationReleased](data)
	case TypeIssued:
		return decode[Issued](data)
	case TypeBackorderFilled:
		return decode[BackorderFilled](data)
	case TypeBackorderPolicySet:
		return decode[BackorderPolicySet](data)
	case TypeSafetyStockSet:
		return decode[SafetyStockSet](data)
	case TypeThresholdSet:
		return decode[ThresholdSet](data)
	}
	return nil, errors.New("unknown event type")
}

func decode[E Event](data []byte) (Event, error) {
	var e E
	if err := domain.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	return e, nil
}

// snapshot is the stored form of an [Item]: its sums, and its lists in an order that does not depend on maps.
type snapshot struct {
	Sums      Sums            `msgpack:"sums"`
	Seq       int64           `msgpack:"seq"`
	UpdatedAt domain.Time     `msgpack:"updated_at"`
	Open      []Reservation   `msgpack:"open,omitempty"`      // by Seq
	Closed    []Closed        `msgpack:"closed,omitempty"`    // oldest first
	Movements []Movement      `msgpack:"movements,omitempty"` // oldest first
	Issues    []Movement      `msgpack:"issues,omitempty"`    // oldest first
	Restocked []restockedUnit `msgpack:"restocked,omitempty"` // oldest first
}

// EncodeSnapshot returns the stored form of i, under [SnapshotSchema].
func EncodeSnapshot(i *Item) ([]byte, error) {
	s := snapshot{
		Sums: i.Sums, Seq: i.Seq, UpdatedAt: i.UpdatedAt, Closed: i.closed.oldestFirst(),
		Movements: i.movements.oldestFirst(), Issues: i.issues.oldestFirst(), Restocked: i.restocked.oldestFirst(),
	}
	for r := i.oldest; r != nil; r = r.newer {
		s.Open = append(s.Open, *r)
	}
	return domain.Marshal(&s)
}

// DecodeSnapshot is the inverse of [EncodeSnapshot]. A snapshot is a cache: on any error, fold the events.
func DecodeSnapshot(schema int16, data []byte) (*Item, error) {
	if schema != SnapshotSchema {
		return nil, fmt.Errorf("stock: snapshot has schema %d, not %d", schema, SnapshotSchema)
	}
	var s snapshot
	if err := domain.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("stock: snapshot: %w", err)
	}
	i := &Item{Sums: s.Sums, Seq: s.Seq, UpdatedAt: s.UpdatedAt}
	if len(s.Open) > 0 {
		i.open = make(map[string]*Reservation, len(s.Open))
	}
	for n := range s.Open {
		r := &s.Open[n]
		if _, twice := i.open[r.ID]; twice || i.newest != nil && i.newest.Seq >= r.Seq {
			return nil, fmt.Errorf("stock: snapshot: reservation %s is out of order", r.ID)
		}
		i.enlist(r)
	}
	for _, c := range s.Closed {
		i.closed.add(c.ID, c, ClosedMemory, closedID)
	}
	for _, m := range s.Movements {
		i.movements.add(m.ID, m, MovementMemory, movementID)
	}
	for _, m := range s.Issues {
		i.rememberIssue(m)
	}
	for _, u := range s.Restocked {
		i.restocked.add(u.ID, u, RestockMemory, restockedID)
	}
	return i, nil
}

func closedID(c Closed) string { return c.ID }

func movementID(m Movement) string { return m.ID }

func restockedID(u restockedUnit) string { return u.ID }
