package returns

import (
	"slices"

	"waybill/domain"
)

// AnomalyKind says what a fact contradicts.
type AnomalyKind string

// The kinds of anomalies.
const (
	AnomalySentBeforeApproval     AnomalyKind = "sent_before_approval"
	AnomalySentAfterEnd           AnomalyKind = "sent_after_end"
	AnomalyReceivedBeforeApproval AnomalyKind = "received_before_approval"
	AnomalyReceivedAfterEnd       AnomalyKind = "received_after_end"
	AnomalyReceivedAfterOutcome   AnomalyKind = "received_after_outcome" // it was held not to come: grade it again
	AnomalyUnknownLabel           AnomalyKind = "unknown_label"          // nobody asked for it here
	AnomalyLabelContradicted      AnomalyKind = "label_contradicted"     // another outcome was recorded for good
	AnomalyLabelAfterEnd          AnomalyKind = "label_after_end"
)

// Anomaly is a fact that contradicts what the return knew.
type Anomaly struct {
	Kind AnomalyKind `msgpack:"kind"`
	Ref  string      `msgpack:"ref,omitempty"` // which fact: a receipt, a parcel, an operation
	At   domain.Time `msgpack:"at"`
}

// AnomalyDetected records that a fact contradicts what the return knew. Somebody has to look.
type AnomalyDetected struct {
	Head
	Kind AnomalyKind `msgpack:"kind"`
	Ref  string      `msgpack:"ref,omitempty"` // which fact: a receipt, a parcel, an operation
}

// EventType implements [Event].
func (AnomalyDetected) EventType() string { return TypeAnomalyDetected }

func (e AnomalyDetected) apply(r *Return) {
	r.Anomalies = append(r.Anomalies, Anomaly{Kind: e.Kind, Ref: e.Ref, At: e.At})
	r.UpdatedAt = e.At
}

// anomalous returns events, and what is odd about them, unless that was told before.
func (r *Return) anomalous(events []Event, kind AnomalyKind, ref string, now domain.Time) ([]Event, error) {
	if slices.ContainsFunc(r.Anomalies, func(a Anomaly) bool { return a.Kind == kind && a.Ref == ref }) {
		return events, nil
	}
	f := new(fields)
	if f.room("anomalies", len(r.Anomalies), MaxAnomalies); f.err != nil {
		return nil, f.err
	}
	return append(events, AnomalyDetected{Head: r.head(now), Kind: kind, Ref: ref}), nil
}
