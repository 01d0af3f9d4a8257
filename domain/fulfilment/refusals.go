package fulfilment

import (
	"fmt"

	"waybill/domain"
)

// NotFound refuses a command to a fulfilment that nobody asked for.
type NotFound struct {
	FulfilmentID ID `json:"fulfilment_id"`
}

// Error implements error.
func (r NotFound) Error() string { return "fulfilment " + string(r.FulfilmentID) + " does not exist" }

// RefusalCode implements [domain.Refusal].
func (NotFound) RefusalCode() string { return "fulfilment-not-found" }

// AlreadyRequested refuses another fulfilment under an id that is taken.
type AlreadyRequested struct {
	FulfilmentID ID     `json:"fulfilment_id"`
	OrderID      string `json:"order_id"` // of the fulfilment that has the id
}

// Error implements error.
func (r AlreadyRequested) Error() string {
	return "fulfilment " + string(r.FulfilmentID) + " is already requested for order " + r.OrderID + " and differs"
}

// RefusalCode implements [domain.Refusal].
func (AlreadyRequested) RefusalCode() string { return "fulfilment-already-requested" }

// InvalidTransition refuses a command that the status of the fulfilment does not allow.
type InvalidTransition struct {
	Command string   `json:"command"`
	Status  Status   `json:"status"`
	Allowed []string `json:"allowed_commands"` // what could be asked for instead
}

// Error implements error.
func (r InvalidTransition) Error() string {
	return r.Command + " is not possible on a " + r.Status.String() + " fulfilment"
}

// RefusalCode implements [domain.Refusal].
func (InvalidTransition) RefusalCode() string { return "invalid-fulfilment-transition" }

// NotYetDue refuses to begin with a scheduled fulfilment before its time.
type NotYetDue struct {
	FulfilAt domain.Time `json:"fulfil_at"`
	Now      domain.Time `json:"now"`
}

// Error implements error.
func (r NotYetDue) Error() string {
	return "the fulfilment is scheduled for " + r.FulfilAt.String() + ", not for " + r.Now.String()
}

// RefusalCode implements [domain.Refusal].
func (NotYetDue) RefusalCode() string { return "fulfilment-not-yet-due" }

// MoveConflict refuses to move to the location where the fulfilment is, with other reservations.
type MoveConflict struct {
	Location      string `json:"location"`
	LineID        string `json:"line_id"`
	ReservationID string `json:"reservation_id"` // of the line, now
}

// Error implements error.
func (r MoveConflict) Error() string {
	return "the fulfilment is at " + r.Location + " already, and line " + r.LineID + " has another reservation there"
}

// RefusalCode implements [domain.Refusal].
func (MoveConflict) RefusalCode() string { return "fulfilment-move-conflict" }

// AcceptanceConflict refuses to accept a second time under another reference.
type AcceptanceConflict struct {
	ExternalRef string `json:"external_ref"` // under which it was accepted
}

// Error implements error.
func (r AcceptanceConflict) Error() string {
	return fmt.Sprintf("the fulfilment is already accepted as %q", r.ExternalRef)
}

// RefusalCode implements [domain.Refusal].
func (AcceptanceConflict) RefusalCode() string { return "acceptance-conflict" }

// NotAssigned refuses units that the fulfilment does not have, or not in the state that the command needs.
type NotAssigned struct {
	LineID    string `json:"line_id"`
	Requested int64  `json:"requested"`
	Left      int64  `json:"left"` // units for which it would be possible
}

// Error implements error.
func (r NotAssigned) Error() string {
	return fmt.Sprintf("line %s has %d such units here, %d were asked for", r.LineID, r.Left, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (NotAssigned) RefusalCode() string { return "not-assigned" }

// ReportConflict refuses a report under an id that stands for another one.
type ReportConflict struct {
	ReportID string         `json:"report_id"`
	Picked   []LineQuantity `json:"picked"` // what the report says that has the id
	Short    []LineQuantity `json:"short"`
}

// Error implements error.
func (r ReportConflict) Error() string {
	return "report " + r.ReportID + " is already there and differs"
}

// RefusalCode implements [domain.Refusal].
func (ReportConflict) RefusalCode() string { return "report-conflict" }

// ParcelMismatch refuses a parcel with more units than are picked and in no other parcel.
type ParcelMismatch struct {
	ParcelID  string `json:"parcel_id"`
	LineID    string `json:"line_id"`
	Requested int64  `json:"requested"`
	ToPack    int64  `json:"to_pack"`
}

// Error implements error.
func (r ParcelMismatch) Error() string {
	return fmt.Sprintf("line %s has %d units to pack, parcel %s would have %d", r.LineID, r.ToPack, r.ParcelID, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (ParcelMismatch) RefusalCode() string { return "parcel-mismatch" }

// ParcelConflict refuses to pack or to ship a parcel in another way than it was.
type ParcelConflict struct {
	ParcelID string         `json:"parcel_id"`
	State    ParcelState    `json:"state"`
	Lines    []LineQuantity `json:"lines"` // what is, or was, in it
}

// Error implements error.
func (r ParcelConflict) Error() string {
	return "parcel " + r.ParcelID + " is already " + string(r.State) + " and differs"
}

// RefusalCode implements [domain.Refusal].
func (ParcelConflict) RefusalCode() string { return "fulfilment-parcel-conflict" }

// UnknownParcel refuses to go on with a parcel that was never packed.
type UnknownParcel struct {
	ParcelID string `json:"parcel_id"`
}

// Error implements error.
func (r UnknownParcel) Error() string { return "the fulfilment has no parcel " + r.ParcelID }

// RefusalCode implements [domain.Refusal].
func (UnknownParcel) RefusalCode() string { return "unknown-fulfilment-parcel" }

// ParcelClosed refuses to go on with a parcel that is no more.
type ParcelClosed struct {
	ParcelID string      `json:"parcel_id"`
	State    ParcelState `json:"state"`
}

// Error implements error.
func (r ParcelClosed) Error() string { return "parcel " + r.ParcelID + " was " + string(r.State) }

// RefusalCode implements [domain.Refusal].
func (ParcelClosed) RefusalCode() string { return "parcel-closed" }

// AlreadyShipped refuses to change what has left: those units need a return. It names a parcel, a line, or neither when
// everything has left.
type AlreadyShipped struct {
	ParcelID  string `json:"parcel_id,omitempty"`
	LineID    string `json:"line_id,omitempty"`
	Requested int64  `json:"requested"`
	Unshipped int64  `json:"unshipped"` // units of the line that have not left
}

// Error implements error.
func (r AlreadyShipped) Error() string {
	switch {
	case r.ParcelID != "":
		return "parcel " + r.ParcelID + " has left; what is in it needs a return"
	case r.LineID != "":
		return fmt.Sprintf("line %s has %d units that have not left, %d were asked for; the others need a return",
			r.LineID, r.Unshipped, r.Requested)
	}
	return "everything has left; it needs a return"
}

// RefusalCode implements [domain.Refusal].
func (AlreadyShipped) RefusalCode() string { return "fulfilment-already-shipped" }

// GateClosed refuses to ship because the order does not let the goods go.
type GateClosed struct {
	ParcelID   string      `json:"parcel_id"`
	Reason     GateReason  `json:"reason"` // empty for a verdict that is too old, or none
	Detail     string      `json:"detail"`
	ValidUntil domain.Time `json:"valid_until"` // when the gate has closed by itself, else null
}

// Error implements error.
func (r GateClosed) Error() string {
	switch {
	case r.Reason != "":
		return "parcel " + r.ParcelID + " may not leave: " + string(r.Reason)
	case !r.ValidUntil.IsZero():
		return "parcel " + r.ParcelID + " might leave until " + r.ValidUntil.String()
	}
	return "parcel " + r.ParcelID + " may not leave: nobody said that it may"
}

// RefusalCode implements [domain.Refusal].
func (GateClosed) RefusalCode() string { return "ship-gate-closed" }

// HoldActive refuses to label or to ship while holds stand against it.
type HoldActive struct {
	Of    HoldOwner `json:"of"` // whose holds they are
	Holds []string  `json:"hold_ids"`
}

// Error implements error.
func (r HoldActive) Error() string {
	return fmt.Sprintf("shipping is blocked by holds %q of the %s", r.Holds, r.Of)
}

// RefusalCode implements [domain.Refusal].
func (HoldActive) RefusalCode() string { return "fulfilment-hold-active" }

// UnknownHold refuses to release a hold that was never placed.
type UnknownHold struct {
	HoldID string `json:"hold_id"`
}

// Error implements error.
func (r UnknownHold) Error() string { return "the fulfilment has no hold " + r.HoldID }

// RefusalCode implements [domain.Refusal].
func (UnknownHold) RefusalCode() string { return "unknown-fulfilment-hold" }

// HoldConflict refuses a hold under an id that stands for another one, or for one that was released.
type HoldConflict struct {
	HoldID     string      `json:"hold_id"`
	Reason     HoldReason  `json:"reason"`      // of the hold that has the id
	ReleasedAt domain.Time `json:"released_at"` // null while it is active
}

// Error implements error.
func (r HoldConflict) Error() string {
	if r.ReleasedAt.IsZero() {
		return "hold " + r.HoldID + " is already placed and differs"
	}
	return "hold " + r.HoldID + " was released at " + r.ReleasedAt.String()
}

// RefusalCode implements [domain.Refusal].
func (HoldConflict) RefusalCode() string { return "fulfilment-hold-conflict" }

// OperationConflict refuses an operation under an id that stands for another one.
type OperationConflict struct {
	OperationID string        `json:"operation_id"`
	Kind        OperationKind `json:"kind"`      // of the operation that has the id
	ParcelID    string        `json:"parcel_id"` // of the operation that has the id
}

// Error implements error.
func (r OperationConflict) Error() string {
	return "operation " + r.OperationID + " stands for another " + string(r.Kind) + " on parcel " + r.ParcelID
}

// RefusalCode implements [domain.Refusal].
func (OperationConflict) RefusalCode() string { return "label-operation-conflict" }

// LabelInFlight refuses to go on with a parcel while nobody knows what became of an operation on its label.
type LabelInFlight struct {
	ParcelID    string         `json:"parcel_id"`
	OperationID string         `json:"operation_id"`
	State       OperationState `json:"state"`
}

// Error implements error.
func (r LabelInFlight) Error() string {
	return "the outcome of operation " + r.OperationID + " on the label of parcel " + r.ParcelID + " is missing: " + string(r.State)
}

// RefusalCode implements [domain.Refusal].
func (LabelInFlight) RefusalCode() string { return "label-in-flight" }

// LabelExists refuses a second label for a parcel: void the first one.
type LabelExists struct {
	ParcelID    string `json:"parcel_id"`
	OperationID string `json:"operation_id"` // that bought the label
}

// Error implements error.
func (r LabelExists) Error() string {
	return "parcel " + r.ParcelID + " has a label, bought by operation " + r.OperationID
}

// RefusalCode implements [domain.Refusal].
func (LabelExists) RefusalCode() string { return "label-exists" }

// UnknownLabel refuses to void a label that was never bought for the parcel.
type UnknownLabel struct {
	ParcelID    string `json:"parcel_id"`
	OperationID string `json:"operation_id"`
}

// Error implements error.
func (r UnknownLabel) Error() string {
	return "operation " + r.OperationID + " bought no label for parcel " + r.ParcelID
}

// RefusalCode implements [domain.Refusal].
func (UnknownLabel) RefusalCode() string { return "unknown-label" }

// CancellationPending refuses to go on while a cancellation waits for an answer.
type CancellationPending struct {
	CancellationID string `json:"cancellation_id"`
}

// Error implements error.
func (r CancellationPending) Error() string {
	return "cancellation " + r.CancellationID + " waits for an answer"
}

// RefusalCode implements [domain.Refusal].
func (CancellationPending) RefusalCode() string { return "fulfilment-cancellation-pending" }

// CancellationConflict refuses to ask for, or to answer, a cancellation in another way than it was.
type CancellationConflict struct {
	CancellationID string            `json:"cancellation_id"`
	State          CancellationState `json:"state"`
	Lines          []LineQuantity    `json:"lines"` // what was asked for, or given back
}

// Error implements error.
func (r CancellationConflict) Error() string {
	return "cancellation " + r.CancellationID + " is already " + string(r.State) + " and differs"
}

// RefusalCode implements [domain.Refusal].
func (CancellationConflict) RefusalCode() string { return "fulfilment-cancellation-conflict" }

// UnknownCancellation refuses to answer a cancellation that nobody asked for.
type UnknownCancellation struct {
	CancellationID string `json:"cancellation_id"`
}

// Error implements error.
func (r UnknownCancellation) Error() string {
	return "nobody asked for cancellation " + r.CancellationID
}

// RefusalCode implements [domain.Refusal].
func (UnknownCancellation) RefusalCode() string { return "unknown-fulfilment-cancellation" }

// UnitsPacked refuses to give back units that are in a parcel with others: unpack it first.
type UnitsPacked struct {
	LineID    string `json:"line_id"`
	Requested int64  `json:"requested"`
	Unpacked  int64  `json:"unpacked"` // units in no parcel
}

// Error implements error.
func (r UnitsPacked) Error() string {
	return fmt.Sprintf("line %s has %d units in no parcel, %d were asked for; unpack a parcel first", r.LineID, r.Unpacked, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (UnitsPacked) RefusalCode() string { return "units-packed" }
