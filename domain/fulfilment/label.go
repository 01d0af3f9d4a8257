package fulfilment

import (
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// OperationKind says what an operation does with a label.
type OperationKind string

// The kinds of operations on labels.
const (
	OperationBuy  OperationKind = "buy"
	OperationVoid OperationKind = "void"
)

// OperationState is what is known about the outcome of an operation.
type OperationState string

// The states of an operation. Unknown is not failed: the label may be there, and is looked for.
const (
	OperationRequested OperationState = "requested"
	OperationUnknown   OperationState = "unknown"
	OperationSucceeded OperationState = "succeeded"
	OperationFailed    OperationState = "failed"
)

// Outcome is what became of an operation.
type Outcome string

// The outcomes of an operation.
const (
	OutcomeSucceeded Outcome = "succeeded"
	OutcomeFailed    Outcome = "failed"
	OutcomeUnknown   Outcome = "unknown"
)

// Operation is something that was asked of a carrier: to sell a label, or to take one back.
type Operation struct {
	ID       string         `msgpack:"operation_id,omitempty"` // the key that makes it happen once at the carrier
	Kind     OperationKind  `msgpack:"kind"`
	State    OperationState `msgpack:"state"`
	ParcelID string         `msgpack:"parcel_id,omitempty"`
	Voids    string         `msgpack:"voids,omitempty"` // the operation whose label a void takes back
	Carrier  string         `msgpack:"carrier,omitempty"`
	Service  string         `msgpack:"service,omitempty"`
	Tracking []string       `msgpack:"tracking,omitempty"`  // of a label that was bought
	LabelRef string         `msgpack:"label_ref,omitempty"` // where the label can be had
	Voided   bool           `msgpack:"voided"`              // the label that it bought was taken back
	At       domain.Time    `msgpack:"at"`                  // when it was asked for
}

// unresolved reports whether nobody knows yet what became of o.
func (o *Operation) unresolved() bool {
	return o.State == OperationRequested || o.State == OperationUnknown
}

// live reports whether o bought a label that is still good.
func (o *Operation) live() bool {
	return o.Kind == OperationBuy && o.State == OperationSucceeded && !o.Voided
}

// BuyLabel asks for a label for a packed parcel. The event that it causes is the intent; whoever carries it out records
// the outcome.
type BuyLabel struct {
	Target
	ParcelID    string
	OperationID string // unique in the fulfilment
	Carrier     string
	Service     string
}

// VoidLabel asks the carrier to take a label back.
type VoidLabel struct {
	Target
	ParcelID         string
	OperationID      string // unique in the fulfilment
	LabelOperationID string // that bought the label
}

// RecordLabelOutcome says what became of an operation. It is a fact: it may come twice, late, and against what was said before.
type RecordLabelOutcome struct {
	Target
	OperationID string
	Outcome     Outcome
	Tracking    []string    // of a label that was bought
	LabelRef    string      // where it can be had
	Cost        money.Money // of a label that was bought; no currency for not known
	Code        string      // the carrier's, why it failed
}

// LabelRequested records the intent to buy a label.
type LabelRequested struct {
	Head
	ParcelID    string `msgpack:"parcel_id,omitempty"`
	OperationID string `msgpack:"operation_id,omitempty"`
	Carrier     string `msgpack:"carrier,omitempty"`
	Service     string `msgpack:"service,omitempty"`
}

// LabelPurchased records that there is a label.
type LabelPurchased struct {
	Head
	ParcelID    string      `msgpack:"parcel_id,omitempty"`
	OperationID string      `msgpack:"operation_id,omitempty"`
	Carrier     string      `msgpack:"carrier,omitempty"`
	Service     string      `msgpack:"service,omitempty"`
	Tracking    []string    `msgpack:"tracking,omitempty"`
	LabelRef    string      `msgpack:"label_ref,omitempty"`
	Cost        money.Money `msgpack:"cost"`
}

// LabelFailed records that no label was bought, for certain.
type LabelFailed struct {
	Head
	ParcelID    string `msgpack:"parcel_id,omitempty"`
	OperationID string `msgpack:"operation_id,omitempty"`
	Code        string `msgpack:"code,omitempty"`
}

// LabelOutcomeUnknown records that nobody knows what became of an operation: it has to be looked up.
type LabelOutcomeUnknown struct {
	Head
	ParcelID    string        `msgpack:"parcel_id,omitempty"`
	OperationID string        `msgpack:"operation_id,omitempty"`
	Kind        OperationKind `msgpack:"kind"`
}

// LabelVoidRequested records the intent to give a label back.
type LabelVoidRequested struct {
	Head
	ParcelID         string `msgpack:"parcel_id,omitempty"`
	OperationID      string `msgpack:"operation_id,omitempty"`
	LabelOperationID string `msgpack:"label_operation_id,omitempty"`
}

// LabelVoided records that a label is no longer good.
type LabelVoided struct {
	Head
	ParcelID         string `msgpack:"parcel_id,omitempty"`
	OperationID      string `msgpack:"operation_id,omitempty"`
	LabelOperationID string `msgpack:"label_operation_id,omitempty"`
}

// LabelVoidFailed records that a label could not be given back, for certain: it is still good.
type LabelVoidFailed struct {
	Head
	ParcelID         string `msgpack:"parcel_id,omitempty"`
	OperationID      string `msgpack:"operation_id,omitempty"`
	LabelOperationID string `msgpack:"label_operation_id,omitempty"`
	Code             string `msgpack:"code,omitempty"`
}

// CommandType implements [Command].
func (BuyLabel) CommandType() string { return CommandBuyLabel }

// CommandType implements [Command].
func (VoidLabel) CommandType() string { return CommandVoidLabel }

// EventType implements [Event].
func (LabelRequested) EventType() string { return TypeLabelRequested }

// EventType implements [Event].
func (LabelPurchased) EventType() string { return TypeLabelPurchased }

// EventType implements [Event].
func (LabelFailed) EventType() string { return TypeLabelFailed }

// EventType implements [Event].
func (LabelOutcomeUnknown) EventType() string { return TypeLabelOutcomeUnknown }

// EventType implements [Event].
func (LabelVoidRequested) EventType() string { return TypeLabelVoidRequested }

// EventType implements [Event].
func (LabelVoided) EventType() string { return TypeLabelVoided }

// EventType implements [Event].
func (LabelVoidFailed) EventType() string { return TypeLabelVoidFailed }

func (c BuyLabel) decide(f *Fulfilment) ([]Event, error) {
	check := &fields{}
	check.id("parcel_id", c.ParcelID)
	check.id("operation_id", c.OperationID)
	check.name("carrier", c.Carrier)
	check.text("service", c.Service, MaxName)
	if check.err != nil {
		return nil, check.err
	}
	if o := f.operation(c.OperationID); o != nil {
		if o.Kind != OperationBuy || o.ParcelID != c.ParcelID || o.Carrier != c.Carrier || o.Service != c.Service {
			return nil, OperationConflict{OperationID: o.ID, Kind: o.Kind, ParcelID: o.ParcelID}
		}
		return nil, nil
	}
	if _, err := f.packed(c.ParcelID); err != nil {
		return nil, err
	}
	if err := f.stopped(c.Now); err != nil {
		return nil, err
	}
	if err := f.resolved(c.ParcelID); err != nil {
		return nil, err
	}
	if o := f.label(c.ParcelID); o != nil {
		return nil, LabelExists{ParcelID: c.ParcelID, OperationID: o.ID}
	}
	if err := f.moreOperations(); err != nil {
		return nil, err
	}
	return []Event{LabelRequested{
		Head: f.head(c.Now), ParcelID: c.ParcelID, OperationID: c.OperationID, Carrier: c.Carrier, Service: c.Service,
	}}, nil
}

func (c VoidLabel) decide(f *Fulfilment) ([]Event, error) {
	check := &fields{}
	check.id("parcel_id", c.ParcelID)
	check.id("operation_id", c.OperationID)
	check.id("label_operation_id", c.LabelOperationID)
	if check.err != nil {
		return nil, check.err
	}
	if o := f.operation(c.OperationID); o != nil {
		if o.Kind != OperationVoid || o.ParcelID != c.ParcelID || o.Voids != c.LabelOperationID {
			return nil, OperationConflict{OperationID: o.ID, Kind: o.Kind, ParcelID: o.ParcelID}
		}
		return nil, nil
	}
	p := f.parcel(c.ParcelID)
	if p == nil {
		return nil, UnknownParcel{ParcelID: c.ParcelID}
	}
	label := f.operation(c.LabelOperationID)
	if label == nil || label.Kind != OperationBuy || label.ParcelID != c.ParcelID || label.State == OperationFailed {
		return nil, UnknownLabel{ParcelID: c.ParcelID, OperationID: c.LabelOperationID}
	}
	if label.Voided {
		return nil, nil
	}
	if err := f.resolved(c.ParcelID); err != nil {
		return nil, err
	}
	if p.left() && f.label(p.ID).ID == label.ID { // a second label may still go back
		return nil, AlreadyShipped{ParcelID: p.ID}
	}
	if err := f.moreOperations(); err != nil {
		return nil, err
	}
	return []Event{LabelVoidRequested{
		Head: f.head(c.Now), ParcelID: c.ParcelID, OperationID: c.OperationID, LabelOperationID: c.LabelOperationID,
	}}, nil
}

func (e LabelRequested) apply(f *Fulfilment) {
	f.Operations = append(f.Operations, Operation{
		ID: e.OperationID, Kind: OperationBuy, State: OperationRequested, ParcelID: e.ParcelID, Carrier: e.Carrier,
		Service: e.Service, At: e.At,
	})
	f.UpdatedAt = e.At
}

func (e LabelPurchased) apply(f *Fulfilment) {
	if o := f.operation(e.OperationID); o != nil {
		o.State, o.Tracking, o.LabelRef = OperationSucceeded, e.Tracking, e.LabelRef
	}
	f.UpdatedAt = e.At
}

func (e LabelFailed) apply(f *Fulfilment) { f.settle(e.OperationID, OperationFailed, e.At) }

func (e LabelOutcomeUnknown) apply(f *Fulfilment) { f.settle(e.OperationID, OperationUnknown, e.At) }

func (e LabelVoidRequested) apply(f *Fulfilment) {
	f.Operations = append(f.Operations, Operation{
		ID: e.OperationID, Kind: OperationVoid, State: OperationRequested, ParcelID: e.ParcelID, Voids: e.LabelOperationID, At: e.At,
	})
	f.UpdatedAt = e.At
}

func (e LabelVoided) apply(f *Fulfilment) {
	f.settle(e.OperationID, OperationSucceeded, e.At)
	if o := f.operation(e.LabelOperationID); o != nil {
		o.Voided = true
	}
}

func (e LabelVoidFailed) apply(f *Fulfilment) { f.settle(e.OperationID, OperationFailed, e.At) }

func (f *Fulfilment) settle(id string, s OperationState, now domain.Time) {
	if o := f.operation(id); o != nil {
		o.State = s
	}
	f.UpdatedAt = now
}

func (f *Fulfilment) operation(id string) *Operation {
	return f.findOperation(func(o *Operation) bool { return o.ID == id })
}

// unresolved returns the operation on a parcel whose outcome nobody knows yet, nil if there is none.
func (f *Fulfilment) unresolved(parcel string) *Operation {
	return f.findOperation(func(o *Operation) bool { return o.ParcelID == parcel && o.unresolved() })
}

// label returns the operation that bought the label of a parcel, nil if it has none. Of several, which only late outcomes
// make, it is the first that is still good.
func (f *Fulfilment) label(parcel string) *Operation {
	return f.findOperation(func(o *Operation) bool { return o.ParcelID == parcel && o.live() })
}

func (f *Fulfilment) findOperation(is func(*Operation) bool) *Operation {
	i := slices.IndexFunc(f.Operations, func(o Operation) bool { return is(&o) })
	if i < 0 {
		return nil
	}
	return &f.Operations[i]
}

func (f *Fulfilment) operations(is func(*Operation) bool) []Operation {
	var found []Operation
	for i := range f.Operations {
		if is(&f.Operations[i]) {
			found = append(found, f.Operations[i])
		}
	}
	return found
}

// resolved refuses another operation on a parcel while nobody knows what became of the last one.
func (f *Fulfilment) resolved(parcel string) error {
	if o := f.unresolved(parcel); o != nil {
		return LabelInFlight{ParcelID: parcel, OperationID: o.ID, State: o.State}
	}
	return nil
}

func (f *Fulfilment) moreOperations() error {
	if n := len(f.Operations); n >= MaxOperations {
		return domain.LimitExceeded{Field: "operations", Limit: MaxOperations, Actual: int64(n) + 1, Unit: "operations"}
	}
	return nil
}

// packed returns the parcel with that id, and refuses one that has left or is no more.
func (f *Fulfilment) packed(id string) (*Parcel, error) {
	p := f.parcel(id)
	switch {
	case p == nil:
		return nil, UnknownParcel{ParcelID: id}
	case p.left():
		return nil, AlreadyShipped{ParcelID: id}
	case p.State != StatePacked:
		return nil, ParcelClosed{ParcelID: id, State: p.State}
	}
	return p, nil
}

// stopped refuses what costs money or cannot be taken back, while a hold or an open cancellation says so.
func (f *Fulfilment) stopped(now domain.Time) error {
	if ids := f.Holding(now); len(ids) > 0 {
		return HoldActive{Of: HoldOfFulfilment, Holds: ids}
	}
	if c := f.pending(); c != nil {
		return CancellationPending{CancellationID: c.ID}
	}
	return nil
}
