package fulfilment

import (
	"slices"

	"waybill/domain"
)

// AnomalyKind says what does not fit.
type AnomalyKind string

// The kinds of anomalies. The first six keep a fact that could not be counted; the others follow the event of a fact that
// was counted, and that contradicts what was known.
const (
	AnomalyUnknownParcel    AnomalyKind = "unknown_parcel"    // a fact about a parcel that is not there
	AnomalyParcelClosed     AnomalyKind = "parcel_closed"     // a parcel moves whose units are to be packed again, or have gone back
	AnomalyUnknownOperation AnomalyKind = "unknown_operation" // an outcome of an operation that nobody asked for
	AnomalyOutcomeConflict  AnomalyKind = "outcome_conflict"  // a second outcome of an operation that has had its effect
	AnomalyFactConflict     AnomalyKind = "fact_conflict"     // another fact under an id that is taken
	AnomalyShippedOtherwise AnomalyKind = "shipped_otherwise" // a parcel that has left is said to have left in another way

	AnomalyShippedPastGate        AnomalyKind = "shipped_past_gate"        // a parcel has left, and the gate was closed or not asked
	AnomalyShippedOnHold          AnomalyKind = "shipped_on_hold"          // a parcel has left in spite of a hold
	AnomalyShippedWhileCancelling AnomalyKind = "shipped_while_cancelling" // a parcel has left while a cancellation was open
	AnomalySecondLabel            AnomalyKind = "second_label"             // a parcel has two labels: one is to be voided
	AnomalyLateSuccess            AnomalyKind = "late_success"             // an operation that was said to have failed has succeeded
	AnomalyVoidedAfterShipping    AnomalyKind = "voided_after_shipping"    // the label of a parcel that has left is no longer good
	AnomalyMovedAfterEnd          AnomalyKind = "moved_after_end"          // a parcel moves after it was delivered or came back
	AnomalyEndConflict            AnomalyKind = "end_conflict"             // a parcel was delivered and also came back
)

// Anomaly is an anomaly that was told, kept so that the same one is not told again.
type Anomaly struct {
	Kind        AnomalyKind `msgpack:"kind"`
	ParcelID    string      `msgpack:"parcel_id,omitempty"`
	OperationID string      `msgpack:"operation_id,omitempty"`
	FactID      string      `msgpack:"fact_id,omitempty"`
	Detail      string      `msgpack:"detail,omitempty"`
}

// AnomalyDetected records that a fact does not fit. Somebody has to look at it.
type AnomalyDetected struct {
	Head
	Kind        AnomalyKind `msgpack:"kind"`
	ParcelID    string      `msgpack:"parcel_id,omitempty"`
	OperationID string      `msgpack:"operation_id,omitempty"`
	FactID      string      `msgpack:"fact_id,omitempty"`
	Detail      string      `msgpack:"detail,omitempty"` // what was said, not personal
}

// EventType implements [Event].
func (AnomalyDetected) EventType() string { return TypeAnomalyDetected }

func (e AnomalyDetected) anomaly() Anomaly {
	return Anomaly{Kind: e.Kind, ParcelID: e.ParcelID, OperationID: e.OperationID, FactID: e.FactID, Detail: e.Detail}
}

// once returns e, unless the same was told before: a fact that is kept as an anomaly alone may come twice, too.
func (f *Fulfilment) once(e AnomalyDetected) []Event {
	if slices.Contains(f.Anomalies, e.anomaly()) {
		return nil
	}
	return []Event{e}
}

func (e AnomalyDetected) apply(f *Fulfilment) {
	f.Anomalies = remember(f.Anomalies, e.anomaly(), AnomalyMemory)
	f.UpdatedAt = e.At
}

// remember adds v to the last few, and forgets the oldest beyond limit.
func remember[T any](last []T, v T, limit int) []T {
	last = append(last, v)
	if n := len(last) - limit; n > 0 {
		last = slices.Delete(last, 0, n)
	}
	return last
}

// settleFact remembers a fact of the carrier under its id.
func (f *Fulfilment) settleFact(fact Fact, now domain.Time) {
	f.Facts = remember(f.Facts, fact, FactMemory)
	f.UpdatedAt = now
}
