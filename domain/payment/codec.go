package payment

import (
	"errors"
	"fmt"

	"waybill/domain"
)

// The stored names of all events. A name is never renamed and never reused; a changed event gets a new schema
// number and an upcast in [Decode].
const (
	TypeInitiated               = "payment.initiated"
	TypeAuthorisationRequested  = "payment.authorisation_requested"
	TypeAuthorised              = "payment.authorised"
	TypeActionRequired          = "payment.action_required"
	TypeAuthorisationFailed     = "payment.authorisation_failed"
	TypeAdjustmentRequested     = "payment.adjustment_requested"
	TypeAuthorisationAdjusted   = "payment.authorisation_adjusted"
	TypeAdjustmentFailed        = "payment.adjustment_failed"
	TypeAuthorisationExpired    = "payment.authorisation_expired"
	TypeCaptureRequested        = "payment.capture_requested"
	TypeCaptured                = "payment.captured"
	TypeCaptureFailed           = "payment.capture_failed"
	TypeVoidRequested           = "payment.void_requested"
	TypeVoided                  = "payment.voided"
	TypeVoidFailed              = "payment.void_failed"
	TypeRefundRequested         = "payment.refund_requested"
	TypeRefunded                = "payment.refunded"
	TypeRefundFailed            = "payment.refund_failed"
	TypeRefundReversed          = "payment.refund_reversed"
	TypeOperationPending        = "payment.operation_pending"
	TypeOperationOutcomeUnknown = "payment.operation_outcome_unknown"
	TypeOperationMatched        = "payment.operation_matched"
	TypeDisputeOpened           = "payment.dispute_opened"
	TypeDisputeFundsWithdrawn   = "payment.dispute_funds_withdrawn"
	TypeDisputeFundsReinstated  = "payment.dispute_funds_reinstated"
	TypeDisputeClosed           = "payment.dispute_closed"
	TypeFactIgnored             = "payment.fact_ignored"
	TypeAnomalyDetected         = "payment.anomaly_detected"
	TypeReconciled              = "payment.reconciled"
)

// EventTypes returns the stored names of all events.
func EventTypes() []string {
	return []string{
		TypeInitiated, TypeAuthorisationRequested, TypeAuthorised, TypeActionRequired, TypeAuthorisationFailed,
		TypeAdjustmentRequested, TypeAuthorisationAdjusted, TypeAdjustmentFailed, TypeAuthorisationExpired,
		TypeCaptureRequested, TypeCaptured, TypeCaptureFailed, TypeVoidRequested, TypeVoided, TypeVoidFailed,
		TypeRefundRequested, TypeRefunded, TypeRefundFailed, TypeRefundReversed, TypeOperationPending,
		TypeOperationOutcomeUnknown, TypeOperationMatched, TypeDisputeOpened, TypeDisputeFundsWithdrawn,
		TypeDisputeFundsReinstated, TypeDisputeClosed, TypeFactIgnored, TypeAnomalyDetected, TypeReconciled,
	}
}

// schemaFirst is the schema number of events that have kept their first form: so far all of them.
const schemaFirst = 1

// SnapshotSchema numbers the form of [EncodeSnapshot]. It changes whenever [Payment], or what apply does, changes.
const SnapshotSchema = 2

// Encode returns the stored form of e. Equal events give equal bytes.
func Encode(e Event) (typ string, schema int16, data []byte, err error) {
	data, err = domain.Marshal(e)
	if err != nil {
		return "", 0, nil, fmt.Errorf("payment: %w", err)
	}
	return e.EventType(), e.SchemaVersion(), data, nil
}

// Decode is the inverse of [Encode]. An unknown name or schema, and data that is not exactly one event, are errors.
func Decode(typ string, schema int16, data []byte) (Event, error) {
	e, err := decodeEvent(typ, schema, data)
	if err != nil {
		return nil, fmt.Errorf("payment: decode %s schema %d: %w", typ, schema, err)
	}
	return e, nil
}

func decodeEvent(typ string, schema int16, data []byte) (Event, error) {
	if schema != schemaFirst {
		return nil, errors.New("unknown schema")
	}
	switch typ { // constants: the compiler rejects two events under one name
	case TypeInitiated:
		return event[Initiated](data)
	case TypeAuthorisationRequested:
		return event[AuthorisationRequested](data)
	case TypeAdjustmentRequested:
		return event[AdjustmentRequested](data)
	case TypeCaptureRequested:
		return event[CaptureRequested](data)
	case TypeVoidRequested:
		return event[VoidRequested](data)
	case TypeRefundRequested:
		return event[RefundRequested](data)
	case TypeOperationOutcomeUnknown:
		return event[OperationOutcomeUnknown](data)
	case TypeReconciled:
		return event[Reconciled](data)
	}
	return decodeReport(typ, data)
}

// decodeReport decodes the events that facts become.
func decodeReport(typ string, data []byte) (Event, error) {
	switch typ {
	case TypeAuthorised:
		return event[Authorised](data)
	case TypeActionRequired:
		return event[ActionRequired](data)
	case TypeAuthorisationFailed:
		return event[AuthorisationFailed](data)
	case TypeAuthorisationAdjusted:
		return event[AuthorisationAdjusted](data)
	case TypeAdjustmentFailed:
		return event[AdjustmentFailed](data)
	case TypeAuthorisationExpired:
		return event[AuthorisationExpired](data)
	case TypeCaptured:
		return event[Captured](data)
	case TypeCaptureFailed:
		return event[CaptureFailed](data)
	case TypeVoided:
		return event[Voided](data)
	case TypeVoidFailed:
		return event[VoidFailed](data)
	case TypeRefunded:
		return event[Refunded](data)
	case TypeRefundFailed:
		return event[RefundFailed](data)
	case TypeRefundReversed:
		return event[RefundReversed](data)
	case TypeOperationPending:
		return event[OperationPending](data)
	case TypeOperationMatched:
		return event[OperationMatched](data)
	case TypeDisputeOpened:
		return event[DisputeOpened](data)
	case TypeDisputeFundsWithdrawn:
		return event[DisputeFundsWithdrawn](data)
	case TypeDisputeFundsReinstated:
		return event[DisputeFundsReinstated](data)
	case TypeDisputeClosed:
		return event[DisputeClosed](data)
	case TypeFactIgnored:
		return event[FactIgnored](data)
	case TypeAnomalyDetected:
		return event[AnomalyDetected](data)
	}
	return nil, errors.New("unknown event type")
}

// event decodes one event.
func event[E Event](data []byte) (Event, error) {
	var e E
	if err := domain.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	return e, nil
}

// EncodeSnapshot returns the stored form of p, under [SnapshotSchema].
func EncodeSnapshot(p *Payment) ([]byte, error) { return domain.Marshal(p) }

// DecodeSnapshot is the inverse of [EncodeSnapshot]. A snapshot is a cache: on any error, fold the events.
func DecodeSnapshot(schema int16, data []byte) (*Payment, error) {
	if schema != SnapshotSchema {
		return nil, fmt.Errorf("payment: snapshot has schema %d, not %d", schema, SnapshotSchema)
	}
	p := new(Payment)
	if err := domain.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("payment: snapshot: %w", err)
	}
	return p, nil
}
