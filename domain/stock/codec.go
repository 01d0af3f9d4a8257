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
		return readReserved(data)
	case TypeReservationExtended:
		return decode[ReservationExtended](data)
	case TypeReservationConfirmed:
		return readConfirmed(data)
	case TypeReservationReleased:
		return readReleased(data)
	case TypeReservationExpired:
		return readExpired(data)
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

// snapshot is the stored form of an [Item]: its sums, and its lists in an order that does not depend on maps.
type snapshot struct {
	OnHand         int64         `msgpack:"on_hand"`
	Safety         int64         `msgpack:"safety"`
	Reserved       int64         `msgpack:"reserved"`
	Backordered    int64         `msgpack:"backordered"`
	BackorderLimit int64         `msgpack:"backorder_limit"`
	Received       int64         `msgpack:"received"`
	Adjusted       int64         `msgpack:"adjusted"`
	Seq            int64         `msgpack:"seq"`
	UpdatedAt      domain.Time   `msgpack:"updated_at"`
	Open           []Reservation `msgpack:"open,omitempty"`      // by Seq
	Closed         []Closed      `msgpack:"closed,omitempty"`    // oldest first
	Movements      []Movement    `msgpack:"movements,omitempty"` // oldest first
}

// EncodeSnapshot returns the stored form of i, under [SnapshotSchema].
func EncodeSnapshot(i *Item) ([]byte, error) {
	s := snapshot{
		OnHand: i.OnHand, Safety: i.Safety, Reserved: i.Reserved, Backordered: i.Backordered,
		BackorderLimit: i.BackorderLimit, Received: i.Received, Adjusted: i.Adjusted, Seq: i.Seq, UpdatedAt: i.UpdatedAt,
		Closed: i.closed.oldestFirst(), Movements: i.movements.oldestFirst(),
	}
	for r := range i.Reservations() {
		s.Open = append(s.Open, r)
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
	i := &Item{
		OnHand: s.OnHand, Safety: s.Safety, Reserved: s.Reserved, Backordered: s.Backordered,
		BackorderLimit: s.BackorderLimit, Received: s.Received, Adjusted: s.Adjusted, Seq: s.Seq, UpdatedAt: s.UpdatedAt,
	}
	if len(s.Open) > 0 {
		i.open = make(map[string]*Reservation, len(s.Open))
	}
	for n := range s.Open {
		r := &s.Open[n]
		i.open[r.ID] = r
		if r.State == StateHeld {
			i.push(r)
		}
	}
	for _, c := range s.Closed {
		i.closed.add(c.ID, c, ClosedMemory, closedID)
	}
	for _, m := range s.Movements {
		i.movements.add(m.ID, m, MovementMemory, movementID)
	}
	return i, nil
}

func closedID(c Closed) string { return c.ID }

func movementID(m Movement) string { return m.ID }
