package returns

import (
	"slices"

	"waybill/domain"
)

// LabelState is where the operation that makes a label stands.
type LabelState string

// The states of a label. Unknown counts as requested until somebody has looked.
const (
	LabelRequestedState LabelState = "requested"
	LabelUnknownState   LabelState = "unknown"
	LabelIssuedState    LabelState = "issued"
	LabelFailedState    LabelState = "failed"
)

// Label is a return label, or the attempt to get one.
type Label struct {
	OperationID    string      `msgpack:"operation_id,omitempty"`
	State          LabelState  `msgpack:"state"`
	Carrier        string      `msgpack:"carrier,omitempty"`
	LabelRef       string      `msgpack:"label_ref,omitempty"`       // where the label can be fetched, once issued
	TrackingNumber string      `msgpack:"tracking_number,omitempty"` // once issued
	Code           string      `msgpack:"code,omitempty"`            // why it failed
	RequestedAt    domain.Time `msgpack:"requested_at"`
}

// LabelOutcome says how the operation that makes a label ended.
type LabelOutcome string

// The outcomes of the operation.
const (
	LabelSucceeded LabelOutcome = "succeeded"
	LabelFailed    LabelOutcome = "failed"  // for good: nothing was made
	LabelUnknown   LabelOutcome = "unknown" // a label may have been made; look
)

// RequestLabel writes down that a label is about to be asked for: before anybody is called.
type RequestLabel struct {
	ID          ID
	OperationID string // unique in the return; the carrier's idempotency key
	Carrier     string // of the label; empty to let the adapter choose
	Now         domain.Time
}

// RecordLabelOutcome says how asking for a label ended. It is a fact: recorded in every state.
type RecordLabelOutcome struct {
	ID             ID
	OperationID    string
	Outcome        LabelOutcome
	Carrier        string // of an issued label
	LabelRef       string // of an issued label: where it can be fetched
	TrackingNumber string // of an issued label
	Code           string // why it failed
	Retryable      bool   // whether another operation may do better
	Now            domain.Time
}

// LabelRequested records that a label is about to be asked for.
type LabelRequested struct {
	Head
	OperationID string `msgpack:"operation_id,omitempty"`
	Carrier     string `msgpack:"carrier,omitempty"`
}

// LabelIssued records that there is a label.
type LabelIssued struct {
	Head
	OperationID    string `msgpack:"operation_id,omitempty"`
	Carrier        string `msgpack:"carrier,omitempty"`
	LabelRef       string `msgpack:"label_ref,omitempty"`
	TrackingNumber string `msgpack:"tracking_number,omitempty"`
}

// LabelNotIssued records that no label was made.
type LabelNotIssued struct {
	Head
	OperationID string `msgpack:"operation_id,omitempty"`
	Code        string `msgpack:"code,omitempty"`
	Retryable   bool   `msgpack:"retryable"`
}

// LabelOutcomeUnknown records that nobody knows whether a label was made.
type LabelOutcomeUnknown struct {
	Head
	OperationID string `msgpack:"operation_id,omitempty"`
	Code        string `msgpack:"code,omitempty"` // what happened instead of an answer
}

// ReturnID implements [Command].
func (c RequestLabel) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (RequestLabel) CommandType() string { return CommandRequestLabel }

// ReturnID implements [Command].
func (c RecordLabelOutcome) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (RecordLabelOutcome) CommandType() string { return CommandRecordLabelOutcome }

// EventType implements [Event].
func (LabelRequested) EventType() string { return TypeLabelRequested }

// EventType implements [Event].
func (LabelIssued) EventType() string { return TypeLabelIssued }

// EventType implements [Event].
func (LabelNotIssued) EventType() string { return TypeLabelFailed }

// EventType implements [Event].
func (LabelOutcomeUnknown) EventType() string { return TypeLabelOutcomeUnknown }

// label returns the label of an operation, nil if there is none.
func (r *Return) label(operationID string) *Label {
	i := slices.IndexFunc(r.Labels, func(l Label) bool { return l.OperationID == operationID })
	if i < 0 {
		return nil
	}
	return &r.Labels[i]
}

// inFlight returns the operation whose outcome is not known yet, "" if there is none.
func (r *Return) inFlight() string {
	for _, l := range r.Labels {
		if l.State == LabelRequestedState || l.State == LabelUnknownState {
			return l.OperationID
		}
	}
	return ""
}

// labelDue reports whether something may still be sent that the seller gives a label for.
func (r *Return) labelDue() bool {
	return r.Status().open() && r.Approval.LabelPolicy != LabelNone && r.total((*LineState).Outstanding) > 0
}

func (r *Return) mayRequestLabel() bool { return r.labelDue() && r.inFlight() == "" }

func (c RequestLabel) decide(r *Return) ([]Event, error) {
	f := new(fields)
	f.id("operation_id", c.OperationID)
	f.text("carrier", c.Carrier, MaxName)
	if f.err != nil {
		return nil, f.err
	}
	if l := r.label(c.OperationID); l != nil {
		if c.Carrier != "" && l.Carrier != "" && c.Carrier != l.Carrier {
			return nil, Conflict{What: WhatLabel, ID: c.OperationID}
		}
		return nil, nil
	}
	if !r.labelDue() {
		return nil, transition(r, c)
	}
	if id := r.inFlight(); id != "" {
		return nil, LabelInFlight{OperationID: id}
	}
	if f.room("labels", len(r.Labels), MaxParcels); f.err != nil {
		return nil, f.err
	}
	return []Event{LabelRequested{Head: r.head(c.Now), OperationID: c.OperationID, Carrier: c.Carrier}}, nil
}

func (e LabelRequested) apply(r *Return) {
	r.Labels = append(r.Labels, Label{OperationID: e.OperationID, State: LabelRequestedState, Carrier: e.Carrier, RequestedAt: e.At})
	r.UpdatedAt = e.At
}

func (c RecordLabelOutcome) decide(r *Return) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	l := r.label(c.OperationID)
	if l == nil {
		return r.anomalous(nil, AnomalyUnknownLabel, c.OperationID+" "+string(c.Outcome), c.Now)
	}
	switch c.Outcome {
	case LabelSucceeded:
		return c.issued(r, l)
	case LabelFailed:
		switch l.State {
		case LabelRequestedState, LabelUnknownState:
			return []Event{LabelNotIssued{Head: r.head(c.Now), OperationID: c.OperationID, Code: c.Code, Retryable: c.Retryable}}, nil
		case LabelIssuedState:
			return r.anomalous(nil, AnomalyLabelContradicted, c.OperationID+" failed", c.Now)
		case LabelFailedState:
		}
	case LabelUnknown:
		if l.State == LabelRequestedState {
			return []Event{LabelOutcomeUnknown{Head: r.head(c.Now), OperationID: c.OperationID, Code: c.Code}}, nil
		}
	}
	return nil, nil // known, or known better
}

// issued records a label that was made, and says so if it should not have been.
func (c RecordLabelOutcome) issued(r *Return, l *Label) ([]Event, error) {
	issued := LabelIssued{
		Head: r.head(c.Now), OperationID: c.OperationID, Carrier: c.Carrier, LabelRef: c.LabelRef, TrackingNumber: c.TrackingNumber,
	}
	switch {
	case l.State == LabelIssuedState:
		if l.LabelRef == c.LabelRef && l.TrackingNumber == c.TrackingNumber {
			return nil, nil
		}
		return r.anomalous(nil, AnomalyLabelContradicted, c.OperationID+" succeeded "+c.LabelRef, c.Now)
	case l.State == LabelFailedState:
		return r.anomalous([]Event{issued}, AnomalyLabelContradicted, c.OperationID+" succeeded "+c.LabelRef, c.Now)
	case r.Status().Final():
		return r.anomalous([]Event{issued}, AnomalyLabelAfterEnd, c.OperationID, c.Now)
	}
	return []Event{issued}, nil
}

func (c RecordLabelOutcome) check() error {
	f := new(fields)
	f.id("operation_id", c.OperationID)
	oneOf(f, "outcome", c.Outcome, LabelSucceeded, LabelFailed, LabelUnknown)
	f.text("carrier", c.Carrier, MaxName)
	f.text("label_ref", c.LabelRef, MaxTitle)
	if c.Outcome == LabelSucceeded && c.LabelRef == "" {
		f.invalid("label_ref", "is missing")
	}
	f.text("tracking_number", c.TrackingNumber, MaxName)
	f.text("code", c.Code, MaxName)
	return f.err
}

func (e LabelIssued) apply(r *Return) {
	if l := r.label(e.OperationID); l != nil {
		l.State, l.LabelRef, l.TrackingNumber, l.Code = LabelIssuedState, e.LabelRef, e.TrackingNumber, ""
		if e.Carrier != "" {
			l.Carrier = e.Carrier
		}
	}
	r.UpdatedAt = e.At
}

func (e LabelNotIssued) apply(r *Return) {
	if l := r.label(e.OperationID); l != nil {
		l.State, l.Code = LabelFailedState, e.Code
	}
	r.UpdatedAt = e.At
}

func (e LabelOutcomeUnknown) apply(r *Return) {
	if l := r.label(e.OperationID); l != nil {
		l.State, l.Code = LabelUnknownState, e.Code
	}
	r.UpdatedAt = e.At
}
