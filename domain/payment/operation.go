package payment

import (
	"cmp"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// OperationKind says what a gateway was asked for.
type OperationKind string

// The kinds of operations.
const (
	OperationAuthorise OperationKind = "authorise"
	OperationAdjust    OperationKind = "adjust"
	OperationCapture   OperationKind = "capture"
	OperationVoid      OperationKind = "void"
	OperationRefund    OperationKind = "refund"
)

// OperationState is how an operation stands. It is derived, never set.
type OperationState string

// The states of an operation. The first four are open: their amount is reserved.
const (
	StateRequested      OperationState = "requested" // the call has not answered
	StateUnknown        OperationState = "unknown"   // the call was lost: only a look-up can tell
	StatePending        OperationState = "pending"   // the gateway works on it
	StateRequiresAction OperationState = "requires_action"
	StateSucceeded      OperationState = "succeeded"
	StateFailed         OperationState = "failed"
	StateReversed       OperationState = "reversed"  // a refund that was done came back
	StateCancelled      OperationState = "cancelled" // an authorisation that was voided before it came about
)

// Open reports whether the outcome is still to come.
func (s OperationState) Open() bool {
	switch s {
	case StateRequested, StateUnknown, StatePending, StateRequiresAction:
		return true
	case StateSucceeded, StateFailed, StateReversed, StateCancelled:
	}
	return false
}

// Operation is something that a gateway was asked for. Its id is the idempotency key of the call.
type Operation struct {
	ID           string        `msgpack:"operation_id"`
	Kind         OperationKind `msgpack:"kind"`
	Amount       int64         `msgpack:"amount"`                  // of an adjustment: what will be authorised then
	All          bool          `msgpack:"all,omitempty"`           // a void of everything that is left
	Final        bool          `msgpack:"final,omitempty"`         // a capture that lets go of the rest
	FulfilmentID string        `msgpack:"fulfilment_id,omitempty"` // what a capture is for
	RefundID     string        `msgpack:"refund_id,omitempty"`     // the grant of the order that a refund settles
	Override     bool          `msgpack:"override,omitempty"`      // a refund in spite of a dispute
	RequestedAt  domain.Time   `msgpack:"requested_at"`
	UnknownAt    domain.Time   `msgpack:"unknown_at,omitempty"` // since when nobody knows the outcome
	Standing     Standing      `msgpack:"standing"`             // as said of the operation itself; see [Payment.Operation]
}

// request returns what o was asked for with, without what became of it.
func (o Operation) request() Operation {
	o.RequestedAt, o.UnknownAt, o.Standing = 0, 0, Standing{}
	return o
}

// visible returns what of o makes a difference. Of a refund that is how it stands with the objects that it made: what was
// said of itself makes none if they say otherwise.
func (p *Payment) visible(o Operation) Operation {
	if o.Kind != OperationRefund {
		o.Standing = o.Standing.visible(false)
		return o
	}
	state, s := p.stateOf(&o)
	switch o.Standing = s.visible(true); state {
	case StateSucceeded:
		o.Standing = Standing{Done: true}
	case StateReversed:
		o.Standing = Standing{Reversed: true, Code: s.Code, Retryable: s.Retryable}
	case StateRequested, StateUnknown, StatePending, StateRequiresAction, StateFailed, StateCancelled:
	}
	return o
}

// OpenOperation is an operation whose outcome is still to come.
type OpenOperation struct {
	OperationID     string
	Kind            OperationKind
	State           OperationState
	Amount          money.Money
	Since           domain.Time // when it came into that state
	ActionRef       string      // what the customer has to do, if an action is required
	ActionExpiresAt domain.Time // until when, zero if that is not known
}

// Open returns the operations whose outcome is still to come, in the order in which they were requested.
func (p *Payment) Open() []OpenOperation {
	var open []OpenOperation
	for i := range p.Operations {
		o := &p.Operations[i]
		s, standing := p.stateOf(o)
		if !s.Open() {
			continue
		}
		e := OpenOperation{OperationID: o.ID, Kind: o.Kind, State: s, Amount: p.in(o.Amount), Since: o.RequestedAt}
		switch s {
		case StateUnknown:
			e.Since = o.UnknownAt
		case StateRequiresAction:
			e.ActionRef, e.ActionExpiresAt = standing.ActionRef, standing.ActionExpiresAt
			e.Since = standing.ProgressAt
		case StatePending:
			e.Since = standing.ProgressAt
		case StateRequested, StateSucceeded, StateFailed, StateReversed, StateCancelled:
		}
		open = append(open, e)
	}
	return open
}

// Operation returns the operation with that id and how it stands; ok is false if it was never requested.
func (p *Payment) Operation(id string) (o Operation, s OperationState, ok bool) {
	i := p.operationIndex(id)
	if i < 0 {
		return Operation{}, "", false
	}
	o = p.Operations[i]
	s, o.Standing = p.stateOf(&o)
	return o, s, true
}

// ObjectRef returns the gateway's reference for what an operation did, "" if none is known.
func (p *Payment) ObjectRef(operationID string) string {
	for i := range p.Objects {
		if p.Objects[i].OperationID == operationID && operationID != "" {
			return p.Objects[i].Ref
		}
	}
	return ""
}

func (p *Payment) operationIndex(id string) int {
	if id == "" {
		return -1
	}
	return slices.IndexFunc(p.Operations, func(o Operation) bool { return o.ID == id })
}

// stateOf derives how o stands from what was said of it, and of the objects that it made.
func (p *Payment) stateOf(o *Operation) (OperationState, Standing) {
	s := o.Standing
	paid, back := false, false // by the single objects: one that failed says nothing of another
	for i := range p.Objects {
		if b := &p.Objects[i]; b.OperationID == o.ID {
			s.join(b.Standing)
			paid, back = paid || b.counts() && !b.Standing.undone(), back || b.counts() && b.Standing.undone()
		}
	}
	switch {
	case o.Kind == OperationRefund && !paid && (back || s.undone()):
		return StateReversed, s
	case s.Done:
		return StateSucceeded, s
	case s.Failed:
		return StateFailed, s
	case o.Kind == OperationAuthorise && p.released():
		return StateCancelled, s
	case s.Progress == ProgressRequiresAction:
		return StateRequiresAction, s
	case s.Progress == ProgressPending:
		return StatePending, s
	case !o.UnknownAt.IsZero():
		return StateUnknown, s
	}
	return StateRequested, s
}

// state is [Payment.stateOf] without the standing.
func (p *Payment) state(o *Operation) OperationState {
	s, _ := p.stateOf(o)
	return s
}

// inFlight refuses while an operation is open for which stops holds.
func (p *Payment) inFlight(stops func(*Operation, OperationState) bool) error {
	for i := range p.Operations {
		o := &p.Operations[i]
		if s := p.state(o); s.Open() && stops(o, s) {
			return OperationInFlight{OperationID: o.ID, Kind: o.Kind, State: s}
		}
	}
	return nil
}

// repeated reports whether o was requested before; another one under its id is a conflict.
func (p *Payment) repeated(o Operation) (bool, error) {
	i := p.operationIndex(o.ID)
	if i < 0 {
		if len(p.Operations) >= MaxOperations {
			return false, domain.LimitExceeded{Field: "operations", Limit: MaxOperations, Actual: MaxOperations + 1, Unit: "operations"}
		}
		return false, nil
	}
	if known := p.Operations[i].request(); known != o.request() {
		return false, OperationConflict{
			OperationID: o.ID, Kind: known.Kind, Amount: p.in(known.Amount), State: p.state(&p.Operations[i]),
		}
	}
	return true, nil
}

// begin adds an operation.
func (p *Payment) begin(h Head, o Operation) {
	p.UpdatedAt = h.At
	o.RequestedAt = h.At
	if p.operationIndex(o.ID) < 0 {
		p.Operations = append(p.Operations, o)
	}
}

// OperationOutcomeUnknown records that a call to the gateway got lost: it may have had its effect. Its amount stays reserved
// until somebody has looked.
type OperationOutcomeUnknown struct {
	Head
	OperationID string        `msgpack:"operation_id,omitempty"`
	Kind        OperationKind `msgpack:"kind"`
	Amount      money.Money   `msgpack:"amount"`
}

// EventType implements [Event].
func (OperationOutcomeUnknown) EventType() string { return TypeOperationOutcomeUnknown }

func (e OperationOutcomeUnknown) apply(p *Payment) {
	p.UpdatedAt = e.At
	if i := p.operationIndex(e.OperationID); i >= 0 {
		p.Operations[i].UnknownAt = cmp.Or(p.Operations[i].UnknownAt, e.At)
	}
}
