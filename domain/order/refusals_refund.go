package order

import (
	"fmt"

	"waybill/domain/money"
)

// UnknownRefund refuses the settlement of a refund that was never granted.
type UnknownRefund struct {
	RefundID string `json:"refund_id"`
}

// Error implements error.
func (r UnknownRefund) Error() string { return "the order has no refund " + r.RefundID }

// RefusalCode implements [domain.Refusal].
func (UnknownRefund) RefusalCode() string { return "unknown-refund" }

// RefundConflict refuses another refund, or another settlement, under an id that is used already.
type RefundConflict struct {
	RefundID string      `json:"refund_id"`
	Basis    RefundBasis `json:"basis"`  // of the refund that has the id
	Amount   money.Money `json:"amount"` // of the refund that has the id
}

// Error implements error.
func (r RefundConflict) Error() string {
	return fmt.Sprintf("refund %s of %s (%s) is already known and differs", r.RefundID, r.Amount, r.Basis)
}

// RefusalCode implements [domain.Refusal].
func (RefundConflict) RefusalCode() string { return "refund-conflict" }

// RefundExceedsEntitlement refuses to pay back more than was paid, or is owed.
type RefundExceedsEntitlement struct {
	What      string         `json:"what"`      // which bound: "units of line 3", "shipping", "due", "owed", "captured"
	Requested int64          `json:"requested"` // units, or minor units of the currency
	Possible  int64          `json:"possible"`  // units, or minor units of the currency
	Currency  money.Currency `json:"currency"`
}

// Error implements error.
func (r RefundExceedsEntitlement) Error() string {
	return fmt.Sprintf("%s: %d were asked for, %d are possible", r.What, r.Requested, r.Possible)
}

// RefusalCode implements [domain.Refusal].
func (RefundExceedsEntitlement) RefusalCode() string { return "refund-exceeds-entitlement" }

// UnknownReturn refuses to end a return that was never authorised.
type UnknownReturn struct {
	ReturnID string `json:"return_id"`
}

// Error implements error.
func (r UnknownReturn) Error() string { return "the order has authorised no return " + r.ReturnID }

// RefusalCode implements [domain.Refusal].
func (UnknownReturn) RefusalCode() string { return "unknown-return" }

// ReturnConflict refuses other units under an id that is used already.
type ReturnConflict struct {
	ReturnID string         `json:"return_id"`
	Lines    []LineQuantity `json:"lines"` // what is known under the id
}

// Error implements error.
func (r ReturnConflict) Error() string {
	return "return " + r.ReturnID + " is already known with other units"
}

// RefusalCode implements [domain.Refusal].
func (ReturnConflict) RefusalCode() string { return "order-return-conflict" }

// QuantityExceedsShipped refuses to return more units than were shipped and are not returned yet.
type QuantityExceedsShipped struct {
	LineID    string `json:"line_id"`
	Requested int64  `json:"requested"`
	Possible  int64  `json:"possible"` // shipped, less returned and authorised
}

// Error implements error.
func (r QuantityExceedsShipped) Error() string {
	return fmt.Sprintf("%d units of line %s can be returned, %d were asked for", r.Possible, r.LineID, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (QuantityExceedsShipped) RefusalCode() string { return "quantity-exceeds-shipped" }

// QuantityExceedsAuthorised refuses to end more units of a return than it has.
type QuantityExceedsAuthorised struct {
	ReturnID   string `json:"return_id"`
	LineID     string `json:"line_id"`
	Requested  int64  `json:"requested"`
	Authorised int64  `json:"authorised"` // units that the return still has
}

// Error implements error.
func (r QuantityExceedsAuthorised) Error() string {
	return fmt.Sprintf("return %s has %d units of line %s left, %d were asked for", r.ReturnID, r.Authorised, r.LineID, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (QuantityExceedsAuthorised) RefusalCode() string { return "quantity-exceeds-authorised" }
