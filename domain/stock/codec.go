package stock

import (
	"errors"
	"fmt"

	"waybill/domain"
)

// The stored names of all events. A name is never renamed and never reused; a changed event gets a new schema
// number and an upcast in [Decode].
const (
	TypeReceived             = "stock.received"
	TypeAdjusted             = "stock.adjusted"
	TypeCounted              = "stock.counted"
	TypeOversoldDetected     = "stock.oversold_detected"
	TypeReserved             = "stock.reserved"
	TypeReservationExtended  = "stock.reservation_extended"
	TypeReservationConfirmed = "stock.reservation_confirmed"
	TypeReservationReleased  = "stock.reservation_released"
	TypeReservationExpired   = "stock.reservation_expired"
	TypeBackorderPolicySet   = "stock.backorder_policy_set"
	TypeSafetyStockSet       = "stock.safety_stock_set"
)

// schemaFirst is the schema number of events that have kept their first form: so far all of them.
const schemaFirst = 1

// SnapshotSchema numbers the form of [EncodeSnapshot]. It changes whenever [Item], or what apply does, changes.
const SnapshotSchema = 1

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
	if schema != schemaFirst {
		return nil, errors.New("unknown schema")
	}
	switch typ { // constants: the compiler rejects two events under one name
	case TypeReceived:
		return decode[Received](data)
	case TypeAdjusted:
		return decode[Adjusted](data)
	case TypeCounted:
		return decode[Counted](data)
	case TypeOversoldDetected:
		return decode[OversoldDetected](data)
	case TypeReserved:
		return decode[Reserved](data)
	case TypeReservationExtended:
		return decode[ReservationExtended](data)
	case TypeReservationConfirmed:
		return decode[ReservationConfirmed](data)
	case TypeReservationReleased:
		return decode[ReservationReleased](data)
	case TypeReservationExpired:
		return decode[ReservationExpired](data)
	case TypeBackorderPolicySet:
		return decode[BackorderPolicySet](data)
	case TypeSafetyStockSet:
		return decode[SafetyStockSet](data)
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
