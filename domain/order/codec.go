package order

import (
	"errors"
	"fmt"

	"waybill/domain"
)

// The stored names of all events. A name is never renamed and never reused; a changed event gets a new schema
// number and an upcast in [Decode].
const (
	TypePlaced         = "order.placed"
	TypeConfirmed      = "order.confirmed"
	TypeRejected       = "order.rejected"
	TypeExpired        = "order.expired"
	TypeHoldPlaced     = "order.hold_placed"
	TypeHoldReleased   = "order.hold_released"
	TypeLinesCancelled = "order.lines_cancelled"
	TypeCancelled      = "order.cancelled"
	TypeNoteAdded      = "order.note_added"
	TypeTagged         = "order.tagged"
	TypeUntagged       = "order.untagged"

	TypePaymentPositionChanged = "order.payment_position_changed"
	TypeAnomalyDetected        = "order.anomaly_detected"
	TypeFulfilmentAssigned     = "order.fulfilment_assigned"
	TypeFulfilmentUnassigned   = "order.fulfilment_unassigned"
	TypeLinesShipped           = "order.lines_shipped"
	TypeLinesDelivered         = "order.lines_delivered"
	TypeCompleted              = "order.completed"
	TypeArchived               = "order.archived"
	TypeAmendmentProposed      = "order.amendment_proposed"
	TypeAmended                = "order.amended"
	TypeAmendmentWithdrawn     = "order.amendment_withdrawn"
	TypeShippingAddressChanged = "order.shipping_address_changed"
	TypeCustomerLinked         = "order.customer_linked"
	TypeCancellationRequested  = "order.cancellation_requested"
	TypeCancellationDeclined   = "order.cancellation_declined"
	TypeRefundGranted          = "order.refund_granted"
	TypeRefundSettled          = "order.refund_settled"
	TypeRefundSettlementFailed = "order.refund_settlement_failed"
	TypeReturnAuthorised       = "order.return_authorised"
	TypeReturnReleased         = "order.return_released"
	TypeLinesReturned          = "order.lines_returned"
)

// EventTypes returns the stored names of all events.
func EventTypes() []string {
	return []string{
		TypePlaced, TypeConfirmed, TypeRejected, TypeExpired, TypeHoldPlaced, TypeHoldReleased, TypeLinesCancelled, TypeCancelled,
		TypeNoteAdded, TypeTagged, TypeUntagged, TypePaymentPositionChanged, TypeAnomalyDetected,
		TypeFulfilmentAssigned, TypeFulfilmentUnassigned, TypeLinesShipped, TypeLinesDelivered, TypeCompleted, TypeArchived,
		TypeAmendmentProposed, TypeAmended, TypeAmendmentWithdrawn, TypeCancellationRequested, TypeCancellationDeclined, TypeShippingAddressChanged, TypeCustomerLinked,
		TypeRefundGranted, TypeRefundSettled, TypeRefundSettlementFailed, TypeReturnAuthorised, TypeReturnReleased, TypeLinesReturned,
	}
}

// The schema numbers that [Encode] writes.
const (
	SchemaPlaced = 2 // 1: whole minor units as unit price, no rounding, no surcharges, no discounts
	schemaFirst  = 1 // all other events have kept their first form
)

// SnapshotSchema numbers the form of [EncodeSnapshot]. It changes whenever [Order], or what apply does, changes.
const SnapshotSchema = 7

// Encode returns the stored form of e. Equal events give equal bytes.
func Encode(e Event) (typ string, schema int16, data []byte, err error) {
	data, err = domain.Marshal(e)
	if err != nil {
		return "", 0, nil, fmt.Errorf("order: %w", err)
	}
	return e.EventType(), e.SchemaVersion(), data, nil
}

// Decode is the inverse of [Encode]. An older schema is brought to the current form; an unknown name or schema,
// and data that is not exactly one event, are errors.
func Decode(typ string, schema int16, data []byte) (Event, error) {
	e, err := decodeEvent(typ, schema, data)
	if err != nil {
		return nil, fmt.Errorf("order: decode %s schema %d: %w", typ, schema, err)
	}
	return e, nil
}

func decodeEvent(typ string, schema int16, data []byte) (Event, error) {
	if typ == TypePlaced {
		switch schema {
		case 1:
			old, err := decode[placedV1](data)
			if err != nil {
				return nil, err
			}
			return old.upcast()
		case SchemaPlaced:
			return readPlaced(data)
		}
		return nil, errors.New("unknown schema")
	}
	if schema != schemaFirst {
		return nil, errors.New("unknown schema")
	}
	switch typ { // constants: the compiler rejects two events under one name
	case TypeConfirmed:
		return event[Confirmed](data)
	case TypeRejected:
		return event[Rejected](data)
	case TypeExpired:
		return event[Expired](data)
	case TypeHoldPlaced:
		return event[HoldPlaced](data)
	case TypeHoldReleased:
		return event[HoldReleased](data)
	case TypeLinesCancelled:
		return event[LinesCancelled](data)
	case TypeCancelled:
		return event[Cancelled](data)
	case TypeNoteAdded:
		return event[NoteAdded](data)
	case TypeTagged:
		return event[Tagged](data)
	case TypeUntagged:
		return event[Untagged](data)
	case TypePaymentPositionChanged:
		return event[PaymentPositionChanged](data)
	case TypeAnomalyDetected:
		return event[AnomalyDetected](data)
	case TypeFulfilmentAssigned:
		return event[FulfilmentAssigned](data)
	case TypeFulfilmentUnassigned:
		return event[FulfilmentUnassigned](data)
	case TypeLinesShipped:
		return event[LinesShipped](data)
	case TypeLinesDelivered:
		return event[LinesDelivered](data)
	case TypeCompleted:
		return event[Completed](data)
	case TypeCancellationRequested:
		return event[CancellationRequested](data)
	case TypeCancellationDeclined:
		return event[CancellationDeclined](data)
	case TypeShippingAddressChanged:
		return event[ShippingAddressChanged](data)
	case TypeCustomerLinked:
		return event[CustomerLinked](data)
	case TypeAmendmentProposed:
		return event[AmendmentProposed](data)
	case TypeAmended:
		return event[Amended](data)
	case TypeAmendmentWithdrawn:
		return event[AmendmentWithdrawn](data)
	case TypeArchived:
		return event[Archived](data)
	case TypeRefundGranted:
		return event[RefundGranted](data)
	case TypeRefundSettled:
		return event[RefundSettled](data)
	case TypeRefundSettlementFailed:
		return event[RefundSettlementFailed](data)
	case TypeReturnAuthorised:
		return event[ReturnAuthorised](data)
	case TypeReturnReleased:
		return event[ReturnReleased](data)
	case TypeLinesReturned:
		return event[LinesReturned](data)
	}
	return nil, errors.New("unknown event type")
}

// event decodes one event in its current form.
func event[E Event](data []byte) (Event, error) {
	e, err := decode[E](data)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// decode reads one value of the stored form T.
func decode[T any](data []byte) (T, error) {
	var v T
	err := domain.Unmarshal(data, &v)
	return v, err
}

// EncodeSnapshot returns the stored form of o, under [SnapshotSchema].
func EncodeSnapshot(o *Order) ([]byte, error) { return domain.Marshal(o) }

// DecodeSnapshot is the inverse of [EncodeSnapshot]. A snapshot is a cache: on any error, fold the events.
func DecodeSnapshot(schema int16, data []byte) (*Order, error) {
	if schema != SnapshotSchema {
		return nil, fmt.Errorf("order: snapshot has schema %d, not %d", schema, SnapshotSchema)
	}
	o := new(Order)
	if err := domain.Unmarshal(data, o); err != nil {
		return nil, fmt.Errorf("order: snapshot: %w", err)
	}
	return o, nil
}
