package order

import (
	"fmt"
	"strings"

	"waybill/domain/money"
)

// UnknownFulfilment refuses to take units back from a fulfilment that never had any.
type UnknownFulfilment struct {
	FulfilmentID string `json:"fulfilment_id"`
}

// Error implements error.
func (r UnknownFulfilment) Error() string { return "the order has no fulfilment " + r.FulfilmentID }

// RefusalCode implements [domain.Refusal].
func (UnknownFulfilment) RefusalCode() string { return "unknown-fulfilment" }

// FulfilmentConflict refuses to hand out, or to take back, other units under an id that is used already.
type FulfilmentConflict struct {
	FulfilmentID string         `json:"fulfilment_id"`
	Location     string         `json:"location"`
	Lines        []LineQuantity `json:"lines"` // what is known under the id
}

// Error implements error.
func (r FulfilmentConflict) Error() string {
	return "fulfilment " + r.FulfilmentID + " is already known with other units"
}

// RefusalCode implements [domain.Refusal].
func (FulfilmentConflict) RefusalCode() string { return "fulfilment-conflict" }

// QuantityExceedsAssigned refuses to take more units back from a fulfilment than it has.
type QuantityExceedsAssigned struct {
	FulfilmentID string `json:"fulfilment_id"`
	LineID       string `json:"line_id"`
	Requested    int64  `json:"requested"`
	Assigned     int64  `json:"assigned"` // units that the fulfilment still has
}

// Error implements error.
func (r QuantityExceedsAssigned) Error() string {
	return fmt.Sprintf("fulfilment %s has %d units of line %s left, %d were asked for", r.FulfilmentID, r.Assigned, r.LineID, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (QuantityExceedsAssigned) RefusalCode() string { return "quantity-exceeds-assigned" }

// UnknownParcel refuses the arrival of a parcel of which nobody said what is in it.
type UnknownParcel struct {
	FulfilmentID string `json:"fulfilment_id"`
	ParcelID     string `json:"parcel_id"`
}

// Error implements error.
func (r UnknownParcel) Error() string {
	return "no parcel " + r.ParcelID + " of fulfilment " + r.FulfilmentID + " has left, and its lines are not given"
}

// RefusalCode implements [domain.Refusal].
func (UnknownParcel) RefusalCode() string { return "unknown-parcel" }

// ParcelConflict refuses other units in a parcel that is known already.
type ParcelConflict struct {
	FulfilmentID string         `json:"fulfilment_id"`
	ParcelID     string         `json:"parcel_id"`
	Lines        []LineQuantity `json:"lines"` // what has left in it
}

// Error implements error.
func (r ParcelConflict) Error() string {
	return "parcel " + r.ParcelID + " of fulfilment " + r.FulfilmentID + " is already known with other units"
}

// RefusalCode implements [domain.Refusal].
func (ParcelConflict) RefusalCode() string { return "parcel-conflict" }

// NotSettled refuses to complete an order of which something is left to do.
type NotSettled struct {
	Open        int64       `json:"open"`        // units that nobody has claimed
	Assigned    int64       `json:"assigned"`    // units that fulfilments have
	Undelivered int64       `json:"undelivered"` // units on their way
	Balance     money.Money `json:"balance"`     // to be paid, or owed below zero
	Holds       []string    `json:"hold_ids"`    // active holds
	Refunds     []string    `json:"refund_ids"`  // granted and not settled
	Returns     []string    `json:"return_ids"`  // with units that have not come back

	Cancellations []string `json:"cancellation_ids"` // that wait
}

// settled reports whether nothing is left to do.
func (r NotSettled) settled() bool {
	return r.Open == 0 && r.Assigned == 0 && r.Undelivered == 0 && r.Balance.IsZero() && len(r.Holds)+len(r.Refunds)+len(r.Returns)+len(r.Cancellations) == 0
}

// Error implements error.
func (r NotSettled) Error() string {
	var left []string
	for _, units := range []struct {
		n    int64
		what string
	}{{r.Open, "open"}, {r.Assigned, "with a fulfilment"}, {r.Undelivered, "on their way"}} {
		if units.n > 0 {
			left = append(left, fmt.Sprintf("%d units are %s", units.n, units.what))
		}
	}
	if !r.Balance.IsZero() {
		left = append(left, "the balance is "+r.Balance.String())
	}
	for _, list := range []struct {
		ids  []string
		what string
	}{{r.Holds, "holds"}, {r.Refunds, "refunds"}, {r.Returns, "returns"}, {r.Cancellations, "cancellations"}} {
		if len(list.ids) > 0 {
			left = append(left, fmt.Sprintf("%s %q are open", list.what, list.ids))
		}
	}
	return "the order is not settled: " + strings.Join(left, ", ")
}

// RefusalCode implements [domain.Refusal].
func (NotSettled) RefusalCode() string { return "order-not-settled" }
