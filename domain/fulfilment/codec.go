package fulfilment

import (
	"errors"
	"fmt"

	"waybill/domain"
)

// The stored names of all events. A name is never renamed and never reused; a changed event gets a new schema
// number and an upcast in [Decode].
const (
	TypeRequested             = "fulfilment.requested"
	TypeBecameDue             = "fulfilment.became_due"
	TypeMoved                 = "fulfilment.moved"
	TypeAccepted              = "fulfilment.accepted"
	TypeRejected              = "fulfilment.rejected"
	TypePicked                = "fulfilment.picked"
	TypeLinesShorted          = "fulfilment.lines_shorted"
	TypeParcelPacked          = "fulfilment.parcel_packed"
	TypeParcelUnpacked        = "fulfilment.parcel_unpacked"
	TypePacked                = "fulfilment.packed"
	TypeLabelRequested        = "fulfilment.label_requested"
	TypeLabelPurchased        = "fulfilment.label_purchased"
	TypeLabelFailed           = "fulfilment.label_failed"
	TypeLabelOutcomeUnknown   = "fulfilment.label_outcome_unknown"
	TypeLabelVoidRequested    = "fulfilment.label_void_requested"
	TypeLabelVoided           = "fulfilment.label_voided"
	TypeLabelVoidFailed       = "fulfilment.label_void_failed"
	TypeParcelShipped         = "fulfilment.parcel_shipped"
	TypeShipped               = "fulfilment.shipped"
	TypeTrackingUpdated       = "fulfilment.tracking_updated"
	TypeParcelDelivered       = "fulfilment.parcel_delivered"
	TypeDelivered             = "fulfilment.delivered"
	TypeDeliveryFailed        = "fulfilment.delivery_failed"
	TypeReturnedToSender      = "fulfilment.returned_to_sender"
	TypeCancellationRequested = "fulfilment.cancellation_requested"
	TypeLinesCancelled        = "fulfilment.lines_cancelled"
	TypeCancelled             = "fulfilment.cancelled"
	TypeCancellationDeclined  = "fulfilment.cancellation_declined"
	TypeHoldPlaced            = "fulfilment.hold_placed"
	TypeHoldReleased          = "fulfilment.hold_released"
	TypeAnomalyDetected       = "fulfilment.anomaly_detected"
)

// schemaFirst is the schema number of events that have kept their first form: so far all of them.
const schemaFirst = 1

// SnapshotSchema numbers the form of [EncodeSnapshot]. It changes whenever [Fulfilment], or what apply does, changes.
const SnapshotSchema = 1

// Encode returns the stored form of e. Equal events give equal bytes.
func Encode(e Event) (typ string, schema int16, data []byte, err error) {
	data, err = domain.Marshal(e)
	if err != nil {
		return "", 0, nil, fmt.Errorf("fulfilment: %w", err)
	}
	return e.EventType(), e.SchemaVersion(), data, nil
}

// Decode is the inverse of [Encode]. An unknown name or schema, and data that is not exactly one event, are errors.
func Decode(typ string, schema int16, data []byte) (Event, error) {
	e, err := decodeEvent(typ, schema, data)
	if err != nil {
		return nil, fmt.Errorf("fulfilment: decode %s schema %d: %w", typ, schema, err)
	}
	return e, nil
}

func decodeEvent(typ string, schema int16, data []byte) (Event, error) {
	if schema != schemaFirst {
		return nil, errors.New("unknown schema")
	}
	switch typ { // constants: the compiler rejects two events under one name
	case TypeRequested:
		return decode[Requested](data)
	case TypeBecameDue:
		return decode[BecameDue](data)
	case TypeMoved:
		return decode[Moved](data)
	case TypeAccepted:
		return decode[Accepted](data)
	case TypeRejected:
		return decode[Rejected](data)
	case TypePicked:
		return decode[Picked](data)
	case TypeLinesShorted:
		return decode[LinesShorted](data)
	case TypeParcelPacked:
		return decode[ParcelPacked](data)
	case TypeParcelUnpacked:
		return decode[ParcelUnpacked](data)
	case TypePacked:
		return decode[Packed](data)
	case TypeCancellationRequested:
		return decode[CancellationRequested](data)
	case TypeLinesCancelled:
		return decode[LinesCancelled](data)
	case TypeCancelled:
		return decode[Cancelled](data)
	case TypeCancellationDeclined:
		return decode[CancellationDeclined](data)
	case TypeHoldPlaced:
		return decode[HoldPlaced](data)
	case TypeHoldReleased:
		return decode[HoldReleased](data)
	case TypeAnomalyDetected:
		return decode[AnomalyDetected](data)
	}
	return decodeShipping(typ, data)
}

// decodeShipping reads the events of labels and parcels on their way.
func decodeShipping(typ string, data []byte) (Event, error) {
	switch typ {
	case TypeLabelRequested:
		return decode[LabelRequested](data)
	case TypeLabelPurchased:
		return decode[LabelPurchased](data)
	case TypeLabelFailed:
		return decode[LabelFailed](data)
	case TypeLabelOutcomeUnknown:
		return decode[LabelOutcomeUnknown](data)
	case TypeLabelVoidRequested:
		return decode[LabelVoidRequested](data)
	case TypeLabelVoided:
		return decode[LabelVoided](data)
	case TypeLabelVoidFailed:
		return decode[LabelVoidFailed](data)
	case TypeParcelShipped:
		return decode[ParcelShipped](data)
	case TypeShipped:
		return decode[Shipped](data)
	case TypeTrackingUpdated:
		return decode[TrackingUpdated](data)
	case TypeParcelDelivered:
		return decode[ParcelDelivered](data)
	case TypeDelivered:
		return decode[Delivered](data)
	case TypeDeliveryFailed:
		return decode[DeliveryFailed](data)
	case TypeReturnedToSender:
		return decode[ReturnedToSender](data)
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

// EncodeSnapshot returns the stored form of f, under [SnapshotSchema].
func EncodeSnapshot(f *Fulfilment) ([]byte, error) { return domain.Marshal(f) }

// DecodeSnapshot is the inverse of [EncodeSnapshot]. A snapshot is a cache: on any error, fold the events.
func DecodeSnapshot(schema int16, data []byte) (*Fulfilment, error) {
	if schema != SnapshotSchema {
		return nil, fmt.Errorf("fulfilment: snapshot has schema %d, not %d", schema, SnapshotSchema)
	}
	f := new(Fulfilment)
	if err := domain.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("fulfilment: snapshot: %w", err)
	}
	return f, nil
}
