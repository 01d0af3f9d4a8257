package payment

import (
	"fmt"

	"waybill/domain"
	"waybill/domain/money"
)

// NotFound refuses a command to a payment that nobody initiated.
type NotFound struct {
	PaymentID ID `json:"payment_id"`
}

// Error implements error.
func (r NotFound) Error() string { return "payment " + string(r.PaymentID) + " does not exist" }

// RefusalCode implements [domain.Refusal].
func (NotFound) RefusalCode() string { return "payment-not-found" }

// AlreadyInitiated refuses another payment under an id that is taken.
type AlreadyInitiated struct {
	PaymentID ID     `json:"payment_id"`
	OrderID   string `json:"order_id"` // of the payment that has the id
}

// Error implements error.
func (r AlreadyInitiated) Error() string {
	return "payment " + string(r.PaymentID) + " is already initiated for order " + r.OrderID + " and differs"
}

// RefusalCode implements [domain.Refusal].
func (AlreadyInitiated) RefusalCode() string { return "payment-already-initiated" }

// InvalidTransition refuses a command that the status of the payment does not allow.
type InvalidTransition struct {
	Command string   `json:"command"`
	Status  Status   `json:"status"`
	Allowed []string `json:"allowed_commands"` // what could be asked for instead
}

// Error implements error.
func (r InvalidTransition) Error() string {
	return r.Command + " is not possible on a payment that is " + string(r.Status)
}

// RefusalCode implements [domain.Refusal].
func (InvalidTransition) RefusalCode() string { return "invalid-payment-transition" }

// CurrencyMismatch refuses an amount that is not in the currency of the payment.
type CurrencyMismatch struct {
	Field    string         `json:"field"`
	Expected money.Currency `json:"expected"`
	Actual   money.Currency `json:"actual"`
}

// Error implements error.
func (r CurrencyMismatch) Error() string {
	return fmt.Sprintf("%s is in %q, the payment is in %q", r.Field, string(r.Actual), string(r.Expected))
}

// RefusalCode implements [domain.Refusal].
func (CurrencyMismatch) RefusalCode() string { return "payment-currency-mismatch" }

// OperationConflict refuses an operation under an id that stands for another one.
type OperationConflict struct {
	OperationID string         `json:"operation_id"`
	Kind        OperationKind  `json:"kind"` // of the operation that has the id
	Amount      money.Money    `json:"amount"`
	State       OperationState `json:"state"`
}

// Error implements error.
func (r OperationConflict) Error() string {
	return fmt.Sprintf("operation %s is already requested, to %s %s, and differs", r.OperationID, r.Kind, r.Amount)
}

// RefusalCode implements [domain.Refusal].
func (OperationConflict) RefusalCode() string { return "payment-operation-conflict" }

// OperationInFlight refuses an operation while another is open that it could collide with.
type OperationInFlight struct {
	OperationID string         `json:"operation_id"`
	Kind        OperationKind  `json:"kind"`
	State       OperationState `json:"state"`
}

// Error implements error.
func (r OperationInFlight) Error() string {
	return fmt.Sprintf("operation %s, to %s, is %s: its outcome has to be known first", r.OperationID, r.Kind, r.State)
}

// RefusalCode implements [domain.Refusal].
func (OperationInFlight) RefusalCode() string { return "payment-operation-in-flight" }

// UnknownOperation refuses the outcome of an operation that was never requested.
type UnknownOperation struct {
	OperationID string `json:"operation_id"`
}

// Error implements error.
func (r UnknownOperation) Error() string { return "the payment has no operation " + r.OperationID }

// RefusalCode implements [domain.Refusal].
func (UnknownOperation) RefusalCode() string { return "unknown-payment-operation" }

// AmountExceedsAuthorised refuses to capture more than is authorised and neither captured nor being captured.
type AmountExceedsAuthorised struct {
	Requested  money.Money `json:"requested"`
	Possible   money.Money `json:"possible"`
	Authorised money.Money `json:"authorised"`
}

// Error implements error.
func (r AmountExceedsAuthorised) Error() string {
	return fmt.Sprintf("%s can still be captured, %s was asked for", r.Possible, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (AmountExceedsAuthorised) RefusalCode() string { return "amount-exceeds-authorised" }

// AmountExceedsVoidable refuses to void more than is authorised and neither captured nor being captured.
type AmountExceedsVoidable struct {
	Requested money.Money `json:"requested"`
	Possible  money.Money `json:"possible"`
}

// Error implements error.
func (r AmountExceedsVoidable) Error() string {
	return fmt.Sprintf("%s can still be voided, %s was asked for", r.Possible, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (AmountExceedsVoidable) RefusalCode() string { return "amount-exceeds-voidable" }

// AmountExceedsCaptured refuses to pay back more than was captured and is neither paid back, nor about to be, nor disputed.
type AmountExceedsCaptured struct {
	Requested money.Money `json:"requested"`
	Possible  money.Money `json:"possible"`
	Captured  money.Money `json:"captured"`
	Refunded  money.Money `json:"refunded"`
	Pending   money.Money `json:"refund_pending"` // refunds whose outcome is not known
	Disputed  money.Money `json:"disputed"`
}

// Error implements error.
func (r AmountExceedsCaptured) Error() string {
	return fmt.Sprintf("%s can still be paid back, %s was asked for", r.Possible, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (AmountExceedsCaptured) RefusalCode() string { return "amount-exceeds-captured" }

// AdjustmentBelowUsed refuses to authorise less than is captured and voided already.
type AdjustmentBelowUsed struct {
	Requested money.Money `json:"requested"`
	Used      money.Money `json:"used"`
}

// Error implements error.
func (r AdjustmentBelowUsed) Error() string {
	return fmt.Sprintf("%s are captured or voided already, so the authorisation cannot become %s", r.Used, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (AdjustmentBelowUsed) RefusalCode() string { return "adjustment-below-used" }

// AuthorisationLapsed refuses what needs an authorisation whose time is over. Another one needs another payment.
type AuthorisationLapsed struct {
	CaptureBefore domain.Time `json:"capture_before"` // null if that was never said
	ExpiredAt     domain.Time `json:"expired_at"`     // null while only the time is over
}

// Error implements error.
func (r AuthorisationLapsed) Error() string {
	if !r.ExpiredAt.IsZero() {
		return "the authorisation expired at " + r.ExpiredAt.String()
	}
	return "the authorisation had to be captured before " + r.CaptureBefore.String()
}

// RefusalCode implements [domain.Refusal].
func (AuthorisationLapsed) RefusalCode() string { return "authorisation-expired" }

// NotYetDue refuses to give an authorisation up for lapsed before its time is over, or if it has none.
type NotYetDue struct {
	CaptureBefore domain.Time `json:"capture_before"` // null if there is no such time
	Now           domain.Time `json:"now"`
}

// Error implements error.
func (r NotYetDue) Error() string {
	if r.CaptureBefore.IsZero() {
		return "the gateway has not said until when to capture"
	}
	return "the authorisation can be captured before " + r.CaptureBefore.String() + ", and it is " + r.Now.String()
}

// RefusalCode implements [domain.Refusal].
func (NotYetDue) RefusalCode() string { return "authorisation-not-due" }

// Capability is something that a gateway may be able to do.
type Capability string

// The capabilities that commands need.
const (
	CapabilityMultiCapture    Capability = "multi_capture"
	CapabilityPartialVoid     Capability = "partial_void"
	CapabilityIncrementalAuth Capability = "incremental_auth"
)

// GatewayCapabilityMissing refuses what the gateway has not declared that it can do.
type GatewayCapabilityMissing struct {
	Gateway    string     `json:"gateway"`
	Capability Capability `json:"capability"`
}

// Error implements error.
func (r GatewayCapabilityMissing) Error() string {
	return fmt.Sprintf("gateway %s lacks the capability %s for this payment", r.Gateway, r.Capability)
}

// RefusalCode implements [domain.Refusal].
func (GatewayCapabilityMissing) RefusalCode() string { return "gateway-capability-missing" }

// PaymentDisputed refuses to pay back during a dispute: the bank may do so as well.
type PaymentDisputed struct {
	Disputes []string    `json:"dispute_refs"` // that are open
	Disputed money.Money `json:"disputed"`
}

// Error implements error.
func (r PaymentDisputed) Error() string {
	return fmt.Sprintf("%s is disputed in %q", r.Disputed, r.Disputes)
}

// RefusalCode implements [domain.Refusal].
func (PaymentDisputed) RefusalCode() string { return "payment-disputed" }

// UnknownDispute refuses to close a dispute that was never opened.
type UnknownDispute struct {
	DisputeRef string `json:"dispute_ref"`
}

// Error implements error.
func (r UnknownDispute) Error() string { return "the payment has no dispute " + r.DisputeRef }

// RefusalCode implements [domain.Refusal].
func (UnknownDispute) RefusalCode() string { return "unknown-dispute" }

// DisputeConflict refuses a dispute by hand under a reference that stands for another one, or that ended otherwise.
type DisputeConflict struct {
	DisputeRef string         `json:"dispute_ref"`
	Amount     money.Money    `json:"amount"`  // of the dispute that has the reference
	Outcome    DisputeOutcome `json:"outcome"` // "" while it is open
}

// Error implements error.
func (r DisputeConflict) Error() string {
	return fmt.Sprintf("dispute %s over %s (%s) is known already and differs", r.DisputeRef, r.Amount, r.Outcome)
}

// RefusalCode implements [domain.Refusal].
func (DisputeConflict) RefusalCode() string { return "dispute-conflict" }
