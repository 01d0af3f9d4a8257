package order

import (
	"fmt"

	"waybill/domain"
	"waybill/domain/money"
)

// NotFound refuses a command to an order that nobody placed.
type NotFound struct {
	OrderID ID `json:"order_id"`
}

// Error implements error.
func (r NotFound) Error() string { return "order " + string(r.OrderID) + " does not exist" }

// RefusalCode implements [domain.Refusal].
func (NotFound) RefusalCode() string { return "order-not-found" }

// AlreadyPlaced refuses to place an order under an id that is taken.
type AlreadyPlaced struct {
	OrderID ID     `json:"order_id"`
	Number  string `json:"order_number"` // of the order that has the id
}

// Error implements error.
func (r AlreadyPlaced) Error() string {
	return "order " + string(r.OrderID) + " is already placed as " + r.Number
}

// RefusalCode implements [domain.Refusal].
func (AlreadyPlaced) RefusalCode() string { return "order-already-placed" }

// InvalidTransition refuses a command that the lifecycle of the order does not allow.
type InvalidTransition struct {
	Command   string    `json:"command"`
	Lifecycle Lifecycle `json:"lifecycle"`
	Allowed   []string  `json:"allowed_commands"` // what could be asked for instead
}

// Error implements error.
func (r InvalidTransition) Error() string {
	return r.Command + " is not possible on a " + r.Lifecycle.String() + " order"
}

// RefusalCode implements [domain.Refusal].
func (InvalidTransition) RefusalCode() string { return "invalid-transition" }

// TotalsMismatch refuses an order whose stated amounts do not add up. The engine never re-prices.
type TotalsMismatch struct {
	Total    string      `json:"total"` // which amount: "grand", "goods", "lines[3].total", …
	Stated   money.Money `json:"stated"`
	Computed money.Money `json:"computed"`
}

// Error implements error.
func (r TotalsMismatch) Error() string {
	return fmt.Sprintf("%s is stated as %s, its parts add up to %s", r.Total, r.Stated, r.Computed)
}

// RefusalCode implements [domain.Refusal].
func (TotalsMismatch) RefusalCode() string { return "totals-mismatch" }

// CurrencyMismatch refuses an order with an amount that is not in the currency of the order.
type CurrencyMismatch struct {
	Field    string         `json:"field"`
	Expected money.Currency `json:"expected"`
	Actual   money.Currency `json:"actual"`
}

// Error implements error.
func (r CurrencyMismatch) Error() string {
	return fmt.Sprintf("%s is in %q, the order is in %q", r.Field, string(r.Actual), string(r.Expected))
}

// RefusalCode implements [domain.Refusal].
func (CurrencyMismatch) RefusalCode() string { return "currency-mismatch" }

// HoldActive refuses a verb that a hold blocks.
type HoldActive struct {
	Verb  Verb     `json:"verb"`
	Holds []string `json:"hold_ids"` // the holds that block it
}

// Error implements error.
func (r HoldActive) Error() string { return fmt.Sprintf("%s is blocked by holds %q", r.Verb, r.Holds) }

// RefusalCode implements [domain.Refusal].
func (HoldActive) RefusalCode() string { return "hold-active" }

// UnknownHold refuses to release a hold that was never placed.
type UnknownHold struct {
	HoldID string `json:"hold_id"`
}

// Error implements error.
func (r UnknownHold) Error() string { return "the order has no hold " + r.HoldID }

// RefusalCode implements [domain.Refusal].
func (UnknownHold) RefusalCode() string { return "unknown-hold" }

// HoldConflict refuses a hold under an id that stands for another one, or for one that was released.
type HoldConflict struct {
	HoldID     string      `json:"hold_id"`
	Kind       HoldKind    `json:"kind"`        // of the hold that has the id
	Blocks     []Verb      `json:"blocks"`      // of the hold that has the id
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
func (HoldConflict) RefusalCode() string { return "hold-conflict" }

// UnknownLine refuses a line that the order does not have.
type UnknownLine struct {
	LineID string `json:"line_id"`
}

// Error implements error.
func (r UnknownLine) Error() string { return "the order has no line " + r.LineID }

// RefusalCode implements [domain.Refusal].
func (UnknownLine) RefusalCode() string { return "unknown-line" }

// QuantityExceedsOpen refuses to take more units of a line than are open.
type QuantityExceedsOpen struct {
	LineID    string `json:"line_id"`
	Requested int64  `json:"requested"`
	Open      int64  `json:"open"`
}

// Error implements error.
func (r QuantityExceedsOpen) Error() string {
	return fmt.Sprintf("line %s has %d open units, %d were asked for", r.LineID, r.Open, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (QuantityExceedsOpen) RefusalCode() string { return "quantity-exceeds-open" }

// AlreadyShipped refuses to cancel units that have left: those need a return.
type AlreadyShipped struct {
	LineID    string `json:"line_id"`
	Requested int64  `json:"requested"`
	Open      int64  `json:"open"`
	Shipped   int64  `json:"shipped"`
}

// Error implements error.
func (r AlreadyShipped) Error() string {
	return fmt.Sprintf("line %s has %d units shipped and %d open, %d were asked for; shipped units need a return",
		r.LineID, r.Shipped, r.Open, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (AlreadyShipped) RefusalCode() string { return "already-shipped" }

// CancellationConflict refuses a cancellation under an id that was used for another one.
type CancellationConflict struct {
	CancellationID string         `json:"cancellation_id"`
	Lines          []LineQuantity `json:"lines"` // what was cancelled under the id
}

// Error implements error.
func (r CancellationConflict) Error() string {
	return "cancellation " + r.CancellationID + " was already carried out and differs"
}

// RefusalCode implements [domain.Refusal].
func (CancellationConflict) RefusalCode() string { return "cancellation-conflict" }

// NoteConflict refuses a note under an id that stands for another text.
type NoteConflict struct {
	NoteID string `json:"note_id"`
}

// Error implements error.
func (r NoteConflict) Error() string { return "note " + r.NoteID + " is already there and differs" }

// RefusalCode implements [domain.Refusal].
func (NoteConflict) RefusalCode() string { return "note-conflict" }

// RejectionConflict refuses a second rejection for another reason.
type RejectionConflict struct {
	Reason    RejectReason `json:"reason"` // for which the order was rejected
	Requested RejectReason `json:"requested"`
}

// Error implements error.
func (r RejectionConflict) Error() string {
	return fmt.Sprintf("the order was rejected as %s, not as %s", r.Reason, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (RejectionConflict) RefusalCode() string { return "rejection-conflict" }

// NotYetDue refuses to expire an order before its deadline.
type NotYetDue struct {
	Deadline domain.Time `json:"deadline"`
	Now      domain.Time `json:"now"`
}

// Error implements error.
func (r NotYetDue) Error() string {
	return "the deadline " + r.Deadline.String() + " has not passed at " + r.Now.String()
}

// RefusalCode implements [domain.Refusal].
func (NotYetDue) RefusalCode() string { return "not-yet-due" }

// PaymentPositionConflict refuses another position of a payment under a version that is known already.
type PaymentPositionConflict struct {
	PaymentID string `json:"payment_id"`
	Version   int64  `json:"payment_version"`
}

// Error implements error.
func (r PaymentPositionConflict) Error() string {
	return fmt.Sprintf("version %d of payment %s is known already and differs", r.Version, r.PaymentID)
}

// RefusalCode implements [domain.Refusal].
func (PaymentPositionConflict) RefusalCode() string { return "payment-position-conflict" }

// UnknownCancellation refuses to end a cancellation that nobody asked for.
type UnknownCancellation struct {
	CancellationID string `json:"cancellation_id"`
}

// Error implements error.
func (r UnknownCancellation) Error() string {
	return "nobody asked for cancellation " + r.CancellationID
}

// RefusalCode implements [domain.Refusal].
func (UnknownCancellation) RefusalCode() string { return "unknown-cancellation" }

// CancellationClosed refuses to end a cancellation that has ended otherwise.
type CancellationClosed struct {
	CancellationID string      `json:"cancellation_id"`
	ClosedAt       domain.Time `json:"closed_at"`
}

// Error implements error.
func (r CancellationClosed) Error() string {
	return "cancellation " + r.CancellationID + " ended at " + r.ClosedAt.String()
}

// RefusalCode implements [domain.Refusal].
func (CancellationClosed) RefusalCode() string { return "cancellation-closed" }

// NothingOpen refuses a change that no unit is left for.
type NothingOpen struct {
	Command string `json:"command"`
}

// Error implements error.
func (r NothingOpen) Error() string { return r.Command + ": all units are handed out, or gone" }

// RefusalCode implements [domain.Refusal].
func (NothingOpen) RefusalCode() string { return "nothing-open" }

// CustomerConflict refuses to give an order to another customer than it has.
type CustomerConflict struct {
	CustomerID string `json:"customer_id"` // whose order it is
	Requested  string `json:"requested"`
}

// Error implements error.
func (r CustomerConflict) Error() string {
	return "the order belongs to customer " + r.CustomerID + ", not to " + r.Requested
}

// RefusalCode implements [domain.Refusal].
func (CustomerConflict) RefusalCode() string { return "customer-conflict" }
