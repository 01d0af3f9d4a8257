package returns

import (
	"fmt"

	"waybill/domain"
	"waybill/domain/money"
)

// NotFound refuses a command to a return that nobody asked for.
type NotFound struct {
	ReturnID ID `json:"return_id"`
}

// Error implements error.
func (r NotFound) Error() string { return "return " + string(r.ReturnID) + " does not exist" }

// RefusalCode implements [domain.Refusal].
func (NotFound) RefusalCode() string { return "return-not-found" }

// InvalidTransition refuses a command that the status of the return does not allow.
type InvalidTransition struct {
	Command string   `json:"command"`
	Status  Status   `json:"status"`
	Allowed []string `json:"allowed_commands"` // what could be asked for instead
}

// Error implements error.
func (r InvalidTransition) Error() string {
	return r.Command + " is not possible on a return that is " + r.Status.String()
}

// RefusalCode implements [domain.Refusal].
func (InvalidTransition) RefusalCode() string { return "invalid-return-transition" }

// What names something that is known by an id.
type What string

// What can be known by an id.
const (
	WhatRequest      What = "request"
	WhatApproval     What = "approval"
	WhatDecline      What = "decline"
	WhatCancellation What = "cancellation"
	WhatLabel        What = "label"
	WhatReceipt      What = "receipt"
	WhatInspection   What = "inspection"
	WhatRegrade      What = "regrade"
	WhatRestock      What = "restock"
	WhatRefund       What = "refund"
	WhatReplacement  What = "replacement"
	WhatFlag         What = "flag"
)

// Conflict refuses something under an id, or in a place, that stands for something else.
type Conflict struct {
	What What   `json:"what"`
	ID   string `json:"id"` // of what is there: its id, number or reason
}

// Error implements error.
func (r Conflict) Error() string {
	return "the " + string(r.What) + " " + r.ID + " is already recorded and differs"
}

// RefusalCode implements [domain.Refusal].
func (Conflict) RefusalCode() string { return "return-conflict" }

// WindowClosed refuses a return that is asked for too late.
type WindowClosed struct {
	WindowEnds domain.Time `json:"window_ends"`
	Now        domain.Time `json:"now"`
}

// Error implements error.
func (r WindowClosed) Error() string {
	return "the goods could be returned until " + r.WindowEnds.String() + ", it is " + r.Now.String()
}

// RefusalCode implements [domain.Refusal].
func (WindowClosed) RefusalCode() string { return "return-window-closed" }

// NotAuthorised refuses an approval without the order's authorisation for exactly its units.
type NotAuthorised struct {
	OrderID    string         `json:"order_id"`
	Requested  []LineQuantity `json:"requested"`
	Authorised []LineQuantity `json:"authorised"` // what the approval came with
}

// Error implements error.
func (r NotAuthorised) Error() string {
	return "order " + r.OrderID + " has not authorised exactly the units of the return"
}

// RefusalCode implements [domain.Refusal].
func (NotAuthorised) RefusalCode() string { return "return-not-authorised" }

// CurrencyMismatch refuses an amount that is not in the currency of the return.
type CurrencyMismatch struct {
	Field    string         `json:"field"`
	Expected money.Currency `json:"expected"`
	Actual   money.Currency `json:"actual"`
}

// Error implements error.
func (r CurrencyMismatch) Error() string {
	return fmt.Sprintf("%s is in %q, the return is in %q", r.Field, string(r.Actual), string(r.Expected))
}

// RefusalCode implements [domain.Refusal].
func (CurrencyMismatch) RefusalCode() string { return "return-currency-mismatch" }

// UnknownLine refuses a line that the return does not have.
type UnknownLine struct {
	LineID string `json:"line_id"`
}

// Error implements error.
func (r UnknownLine) Error() string { return "the return has no line " + r.LineID }

// RefusalCode implements [domain.Refusal].
func (UnknownLine) RefusalCode() string { return "unknown-return-line" }

// LabelInFlight refuses to ask for a label while nobody knows whether another was made.
type LabelInFlight struct {
	OperationID string `json:"operation_id"`
}

// Error implements error.
func (r LabelInFlight) Error() string {
	return "the outcome of the label operation " + r.OperationID + " is not known yet"
}

// RefusalCode implements [domain.Refusal].
func (LabelInFlight) RefusalCode() string { return "return-label-in-flight" }

// AlreadyReceived refuses to give up a return of which units have come in or have an outcome.
type AlreadyReceived struct {
	Units int64 `json:"units"`
}

// Error implements error.
func (r AlreadyReceived) Error() string {
	return fmt.Sprintf("%d units have come in or have an outcome already", r.Units)
}

// RefusalCode implements [domain.Refusal].
func (AlreadyReceived) RefusalCode() string { return "return-already-received" }

// OutcomeExceedsReceived refuses an outcome that only units which came in can have, for more than did.
type OutcomeExceedsReceived struct {
	LineID    string  `json:"line_id"`
	Outcome   Outcome `json:"outcome"`
	Requested int64   `json:"requested"` // units of the line, of all such outcomes
	Received  int64   `json:"received"`
	Possible  int64   `json:"possible"` // units that came in and have no outcome
}

// Error implements error.
func (r OutcomeExceedsReceived) Error() string {
	return fmt.Sprintf("line %s has %d units received and %d of them without outcome, %d were to be %s",
		r.LineID, r.Received, r.Possible, r.Requested, r.Outcome)
}

// RefusalCode implements [domain.Refusal].
func (OutcomeExceedsReceived) RefusalCode() string { return "outcome-exceeds-received" }

// QuantityExceedsReturn refuses outcomes for more units than the return has left, or than can be elsewhere.
type QuantityExceedsReturn struct {
	LineID    string  `json:"line_id"`
	Outcome   Outcome `json:"outcome"`
	Requested int64   `json:"requested"`
	Possible  int64   `json:"possible"`
}

// Error implements error.
func (r QuantityExceedsReturn) Error() string {
	return fmt.Sprintf("%d units of line %s can be %s, %d were asked for", r.Possible, r.LineID, r.Outcome, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (QuantityExceedsReturn) RefusalCode() string { return "quantity-exceeds-return" }

// OutcomeExceedsGraded refuses to grade more units again than have the outcome.
type OutcomeExceedsGraded struct {
	LineID    string  `json:"line_id"`
	Outcome   Outcome `json:"outcome"`
	Requested int64   `json:"requested"`
	Graded    int64   `json:"graded"`
}

// Error implements error.
func (r OutcomeExceedsGraded) Error() string {
	return fmt.Sprintf("%d units of line %s are %s, %d were to be graded again", r.Graded, r.LineID, r.Outcome, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (OutcomeExceedsGraded) RefusalCode() string { return "outcome-exceeds-graded" }

// AlreadyRestocked refuses to grade units again that stock has taken: correct the stock instead.
type AlreadyRestocked struct {
	LineID    string `json:"line_id"`
	Location  string `json:"location"`
	Requested int64  `json:"requested"`
	Possible  int64  `json:"possible"` // units at the location that stock has not taken yet
}

// Error implements error.
func (r AlreadyRestocked) Error() string {
	return fmt.Sprintf("%d units of line %s at %s are not in stock again yet, %d were to be graded again",
		r.Possible, r.LineID, r.Location, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (AlreadyRestocked) RefusalCode() string { return "return-already-restocked" }

// RestockExceedsDue refuses to put more units back into stock than are due for it.
type RestockExceedsDue struct {
	LineID    string `json:"line_id"`
	Location  string `json:"location"`
	Requested int64  `json:"requested"`
	Due       int64  `json:"due"`
}

// Error implements error.
func (r RestockExceedsDue) Error() string {
	return fmt.Sprintf("%d units of line %s are due for stock at %s, %d were asked for", r.Due, r.LineID, r.Location, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (RestockExceedsDue) RefusalCode() string { return "return-restock-exceeds-due" }

// RefundExceedsDue refuses to refund more units than are due for it.
type RefundExceedsDue struct {
	LineID    string `json:"line_id"`
	Requested int64  `json:"requested"`
	Due       int64  `json:"due"`
	Granted   int64  `json:"granted"` // units that were refunded already
}

// Error implements error.
func (r RefundExceedsDue) Error() string {
	return fmt.Sprintf("%d units of line %s are due for a refund and %d have one, %d were asked for",
		r.Due, r.LineID, r.Granted, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (RefundExceedsDue) RefusalCode() string { return "return-refund-exceeds-due" }

// ShippingNotRefundable refuses to refund more outbound delivery than the approval promised.
type ShippingNotRefundable struct {
	Requested money.Money `json:"requested"`
	Possible  money.Money `json:"possible"`
}

// Error implements error.
func (r ShippingNotRefundable) Error() string {
	return fmt.Sprintf("%s of the outbound delivery can be refunded, %s were asked for", r.Possible, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (ShippingNotRefundable) RefusalCode() string { return "return-shipping-not-refundable" }

// RefundMismatch refuses a refund whose stated amounts do not add up.
type RefundMismatch struct {
	Field    string      `json:"field"` // "fees" or "total"
	Stated   money.Money `json:"stated"`
	Computed money.Money `json:"computed"`
}

// Error implements error.
func (r RefundMismatch) Error() string {
	return fmt.Sprintf("%s is stated as %s, it comes to %s", r.Field, r.Stated, r.Computed)
}

// RefusalCode implements [domain.Refusal].
func (RefundMismatch) RefusalCode() string { return "return-refund-mismatch" }

// NoReplacement refuses a replacement for a return whose customer wants money.
type NoReplacement struct {
	Resolution Resolution `json:"resolution"`
}

// Error implements error.
func (r NoReplacement) Error() string {
	return "the return is for a " + string(r.Resolution) + ", not for other goods"
}

// RefusalCode implements [domain.Refusal].
func (NoReplacement) RefusalCode() string { return "return-without-replacement" }

// NotSettled refuses to close a return with which something is left to do.
type NotSettled struct {
	Restock []RestockLine  `json:"restock"` // units due for stock
	Refund  []LineQuantity `json:"refund"`  // units due for a refund
}

// Error implements error.
func (r NotSettled) Error() string {
	return fmt.Sprintf("units of %d lines are due for stock and of %d for a refund", len(r.Restock), len(r.Refund))
}

// RefusalCode implements [domain.Refusal].
func (NotSettled) RefusalCode() string { return "return-not-settled" }

// NotYetDue refuses to give up units before their deadline.
type NotYetDue struct {
	Deadline domain.Time `json:"deadline"`
	Now      domain.Time `json:"now"`
}

// Error implements error.
func (r NotYetDue) Error() string {
	return "the deadline " + r.Deadline.String() + " has not passed at " + r.Now.String()
}

// RefusalCode implements [domain.Refusal].
func (NotYetDue) RefusalCode() string { return "return-not-yet-due" }
