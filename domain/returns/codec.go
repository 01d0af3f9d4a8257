package returns

import (
	"errors"
	"fmt"

	"waybill/domain"
)

// The stored names of all events. A name is never renamed and never reused; a changed event gets a new schema
// number and an upcast in [Decode].
const (
	TypeRequested               = "return.requested"
	TypeApproved                = "return.approved"
	TypeDeclined                = "return.declined"
	TypeLabelRequested          = "return.label_requested"
	TypeLabelIssued             = "return.label_issued"
	TypeLabelFailed             = "return.label_failed"
	TypeLabelOutcomeUnknown     = "return.label_outcome_unknown"
	TypeInTransit               = "return.in_transit"
	TypeItemsReceived           = "return.items_received"
	TypeUnexpectedItemsReceived = "return.unexpected_items_received"
	TypeItemsInspected          = "return.items_inspected"
	TypeItemRegraded            = "return.item_regraded"
	TypeRestocked               = "return.restocked"
	TypeRefundGranted           = "return.refund_granted"
	TypeReplacementLinked       = "return.replacement_linked"
	TypeManualRefundRequired    = "return.manual_refund_required"
	TypeRecoveryRequired        = "return.recovery_required"
	TypeClosed                  = "return.closed"
	TypeCancelled               = "return.cancelled"
	TypeExpired                 = "return.expired"
	TypeAnomalyDetected         = "return.anomaly_detected"
)

// schemaFirst is the schema number of events that have kept their first form: so far all of them.
const schemaFirst = 1

// SnapshotSchema numbers the form of [EncodeSnapshot]. It changes whenever [Return], or what apply does, changes.
const SnapshotSchema = 1

// Encode returns the stored form of e. Equal events give equal bytes.
func Encode(e Event) (typ string, schema int16, data []byte, err error) {
	data, err = domain.Marshal(e)
	if err != nil {
		return "", 0, nil, fmt.Errorf("returns: %w", err)
	}
	return e.EventType(), e.SchemaVersion(), data, nil
}

// Decode is the inverse of [Encode]. An unknown name or schema, and data that is not exactly one event, are errors.
func Decode(typ string, schema int16, data []byte) (Event, error) {
	e, err := decodeEvent(typ, schema, data)
	if err != nil {
		return nil, fmt.Errorf("returns: decode %s schema %d: %w", typ, schema, err)
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
	case TypeApproved:
		return decode[Approved](data)
	case TypeDeclined:
		return decode[Declined](data)
	case TypeLabelRequested:
		return decode[LabelRequested](data)
	case TypeLabelIssued:
		return decode[LabelIssued](data)
	case TypeLabelFailed:
		return decode[LabelNotIssued](data)
	case TypeLabelOutcomeUnknown:
		return decode[LabelOutcomeUnknown](data)
	case TypeInTransit:
		return decode[InTransit](data)
	case TypeItemsReceived:
		return decode[ItemsReceived](data)
	case TypeUnexpectedItemsReceived:
		return decode[UnexpectedItemsReceived](data)
	case TypeItemsInspected:
		return decode[ItemsInspected](data)
	case TypeItemRegraded:
		return decode[ItemRegraded](data)
	case TypeRestocked:
		return decode[Restocked](data)
	case TypeRefundGranted:
		return decode[RefundGranted](data)
	case TypeReplacementLinked:
		return decode[ReplacementLinked](data)
	case TypeManualRefundRequired:
		return decode[ManualRefundRequired](data)
	case TypeRecoveryRequired:
		return decode[RecoveryRequired](data)
	case TypeClosed:
		return decode[Closed](data)
	case TypeCancelled:
		return decode[Cancelled](data)
	case TypeExpired:
		return decode[Expired](data)
	case TypeAnomalyDetected:
		return decode[AnomalyDetected](data)
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

// EncodeSnapshot returns the stored form of r, under [SnapshotSchema].
func EncodeSnapshot(r *Return) ([]byte, error) { return domain.Marshal(r) }

// DecodeSnapshot is the inverse of [EncodeSnapshot]. A snapshot is a cache: on any error, fold the events.
func DecodeSnapshot(schema int16, data []byte) (*Return, error) {
	if schema != SnapshotSchema {
		return nil, fmt.Errorf("returns: snapshot has schema %d, not %d", schema, SnapshotSchema)
	}
	r := new(Return)
	if err := domain.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("returns: snapshot: %w", err)
	}
	return r, nil
}
