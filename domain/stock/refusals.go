package stock

import (
	"fmt"

	"waybill/domain"
)

// InsufficientStock refuses a reservation of more units than are available.
type InsufficientStock struct {
	SKU       string `json:"sku"`
	Location  string `json:"location"`
	Requested int64  `json:"requested"` // all units of the command that are not reserved yet
	Available int64  `json:"available"` // units it could have
}

// Error implements error.
func (r InsufficientStock) Error() string {
	return fmt.Sprintf("%s at %s has %d available, %d were asked for", r.SKU, r.Location, r.Available, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (InsufficientStock) RefusalCode() string { return "insufficient-stock" }

// BackorderLimitReached refuses a reservation that would make more units wait than the policy allows.
type BackorderLimitReached struct {
	SKU         string `json:"sku"`
	Location    string `json:"location"`
	Requested   int64  `json:"requested"`
	Available   int64  `json:"available"`
	Backordered int64  `json:"backordered"` // units that wait already
	Limit       int64  `json:"limit"`
}

// Error implements error.
func (r BackorderLimitReached) Error() string {
	return fmt.Sprintf("%s at %s has %d available and %d of %d on backorder, %d were asked for",
		r.SKU, r.Location, r.Available, r.Backordered, r.Limit, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (BackorderLimitReached) RefusalCode() string { return "backorder-limit-reached" }

// ReservationConflict refuses a reservation under an id that stands for another order or another quantity.
type ReservationConflict struct {
	ReservationID string `json:"reservation_id"`
	OrderID       string `json:"order_id"`  // whose reservation it is
	Requested     int64  `json:"requested"` // units asked for now
	Reserved      int64  `json:"reserved"`  // units it was made for
}

// Error implements error.
func (r ReservationConflict) Error() string {
	return fmt.Sprintf("reservation %s was made for %d units of order %s", r.ReservationID, r.Reserved, r.OrderID)
}

// RefusalCode implements [domain.Refusal].
func (ReservationConflict) RefusalCode() string { return "reservation-conflict" }

// ReservationLapsed refuses to go on with a reservation whose time is over: reserve again, under a new id.
type ReservationLapsed struct {
	ReservationID string      `json:"reservation_id"`
	ExpiredAt     domain.Time `json:"expired_at"`
}

// Error implements error.
func (r ReservationLapsed) Error() string {
	return "reservation " + r.ReservationID + " expired at " + r.ExpiredAt.String()
}

// RefusalCode implements [domain.Refusal].
func (ReservationLapsed) RefusalCode() string { return "reservation-expired" }

// ReservationClosed refuses to go on with a reservation that has ended.
type ReservationClosed struct {
	ReservationID string      `json:"reservation_id"`
	State         State       `json:"state"`
	ClosedAt      domain.Time `json:"closed_at"`
}

// Error implements error.
func (r ReservationClosed) Error() string {
	return "reservation " + r.ReservationID + " was " + r.State.String() + " at " + r.ClosedAt.String()
}

// RefusalCode implements [domain.Refusal].
func (ReservationClosed) RefusalCode() string { return "reservation-closed" }

// UnknownReservation refuses to go on with a reservation that the item does not have, or not for that order. One that
// ended so long ago that [ClosedMemory] others ended since is unknown too.
type UnknownReservation struct {
	ReservationID string `json:"reservation_id"`
	OrderID       string `json:"order_id"` // for which it was asked
}

// Error implements error.
func (r UnknownReservation) Error() string {
	return "there is no reservation " + r.ReservationID + " for order " + r.OrderID
}

// RefusalCode implements [domain.Refusal].
func (UnknownReservation) RefusalCode() string { return "unknown-reservation" }

// QuantityExceedsReserved refuses to release more units than are open.
type QuantityExceedsReserved struct {
	ReservationID string `json:"reservation_id"`
	Requested     int64  `json:"requested"`
	Open          int64  `json:"open"`
}

// Error implements error.
func (r QuantityExceedsReserved) Error() string {
	return fmt.Sprintf("reservation %s has %d open units, %d were asked for", r.ReservationID, r.Open, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (QuantityExceedsReserved) RefusalCode() string { return "quantity-exceeds-reserved" }

// ReservationNotDue refuses to expire a reservation before its time is over.
type ReservationNotDue struct {
	ReservationID string      `json:"reservation_id"`
	ExpiresAt     domain.Time `json:"expires_at"`
	Now           domain.Time `json:"now"`
}

// Error implements error.
func (r ReservationNotDue) Error() string {
	return "reservation " + r.ReservationID + " expires at " + r.ExpiresAt.String() + ", not at " + r.Now.String()
}

// RefusalCode implements [domain.Refusal].
func (ReservationNotDue) RefusalCode() string { return "reservation-not-due" }

// MovementConflict refuses a movement under an id that stands for another one.
type MovementConflict struct {
	MovementID string       `json:"movement_id"`
	Kind       MovementKind `json:"kind"`     // of the movement that has the id
	Quantity   int64        `json:"quantity"` // of the movement that has the id
}

// Error implements error.
func (r MovementConflict) Error() string {
	return fmt.Sprintf("movement %s is already recorded as %s of %d", r.MovementID, r.Kind, r.Quantity)
}

// RefusalCode implements [domain.Refusal].
func (MovementConflict) RefusalCode() string { return "movement-conflict" }

// SafetyStockExceedsFree refuses to keep back units that are promised.
type SafetyStockExceedsFree struct {
	SKU       string `json:"sku"`
	Location  string `json:"location"`
	Requested int64  `json:"requested"`
	Possible  int64  `json:"possible"` // the most that could be kept back now
}

// Error implements error.
func (r SafetyStockExceedsFree) Error() string {
	return fmt.Sprintf("%s at %s can keep back %d units at most, %d were asked for", r.SKU, r.Location, r.Possible, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (SafetyStockExceedsFree) RefusalCode() string { return "safety-stock-exceeds-free" }

// ReservationNotConfirmed refuses to allocate units of a reservation that is only held.
type ReservationNotConfirmed struct {
	ReservationID string      `json:"reservation_id"`
	ExpiresAt     domain.Time `json:"expires_at"`
}

// Error implements error.
func (r ReservationNotConfirmed) Error() string {
	return "reservation " + r.ReservationID + " is held until " + r.ExpiresAt.String() + ", and not confirmed"
}

// RefusalCode implements [domain.Refusal].
func (ReservationNotConfirmed) RefusalCode() string { return "reservation-not-confirmed" }

// QuantityExceedsUnallocated refuses to allocate more units than a reservation has to give.
type QuantityExceedsUnallocated struct {
	ReservationID string `json:"reservation_id"`
	Requested     int64  `json:"requested"`
	Possible      int64  `json:"possible"`    // covered units that belong to no fulfilment
	Allocated     int64  `json:"allocated"`   // units that belong to a fulfilment
	Backordered   int64  `json:"backordered"` // units that wait for a receipt
}

// Error implements error.
func (r QuantityExceedsUnallocated) Error() string {
	return fmt.Sprintf("reservation %s has %d units to allocate (%d are allocated, %d wait), %d were asked for",
		r.ReservationID, r.Possible, r.Allocated, r.Backordered, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (QuantityExceedsUnallocated) RefusalCode() string { return "quantity-exceeds-unallocated" }

// AllocationConflict refuses an allocation to a fulfilment that was given another number of units of the reservation, or
// whose units have left or were taken back: use a new fulfilment.
type AllocationConflict struct {
	ReservationID string `json:"reservation_id"`
	FulfilmentID  string `json:"fulfilment_id"`
	Requested     int64  `json:"requested"`
	Allocated     int64  `json:"allocated"` // units that it was given
	Open          int64  `json:"open"`      // those of them that it still has
}

// Error implements error.
func (r AllocationConflict) Error() string {
	return fmt.Sprintf("fulfilment %s was given %d units of reservation %s and has %d, %d were asked for",
		r.FulfilmentID, r.Allocated, r.ReservationID, r.Open, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (AllocationConflict) RefusalCode() string { return "allocation-conflict" }

// UnknownAllocation refuses to take units away from a fulfilment that was given none of the reservation.
type UnknownAllocation struct {
	ReservationID string `json:"reservation_id"`
	FulfilmentID  string `json:"fulfilment_id"`
}

// Error implements error.
func (r UnknownAllocation) Error() string {
	return "fulfilment " + r.FulfilmentID + " was given nothing of reservation " + r.ReservationID
}

// RefusalCode implements [domain.Refusal].
func (UnknownAllocation) RefusalCode() string { return "unknown-allocation" }

// QuantityExceedsAllocated refuses to take more units away from a fulfilment than it has.
type QuantityExceedsAllocated struct {
	ReservationID string `json:"reservation_id"`
	FulfilmentID  string `json:"fulfilment_id"`
	Requested     int64  `json:"requested"`
	Allocated     int64  `json:"allocated"`
}

// Error implements error.
func (r QuantityExceedsAllocated) Error() string {
	return fmt.Sprintf("fulfilment %s has %d units of reservation %s, %d were asked for",
		r.FulfilmentID, r.Allocated, r.ReservationID, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (QuantityExceedsAllocated) RefusalCode() string { return "quantity-exceeds-allocated" }

// DeallocationConflict refuses to take units away from a fulfilment under an id that stands for other units, or for the other
// way of taking them.
type DeallocationConflict struct {
	ReservationID  string `json:"reservation_id"`
	FulfilmentID   string `json:"fulfilment_id"`
	DeallocationID string `json:"deallocation_id"`
	Taken          int64  `json:"taken"`    // units that were taken under the id
	Released       bool   `json:"released"` // whether they were given back, and not only confirmed again
}

// Error implements error.
func (r DeallocationConflict) Error() string {
	return fmt.Sprintf("deallocation %s has taken %d units of reservation %s away from fulfilment %s already",
		r.DeallocationID, r.Taken, r.ReservationID, r.FulfilmentID)
}

// RefusalCode implements [domain.Refusal].
func (DeallocationConflict) RefusalCode() string { return "deallocation-conflict" }

// QuantityExceedsOnHand refuses to make more units unavailable than lie there and can be sold. If there are more, count.
type QuantityExceedsOnHand struct {
	SKU       string `json:"sku"`
	Location  string `json:"location"`
	Requested int64  `json:"requested"`
	Possible  int64  `json:"possible"`
}

// Error implements error.
func (r QuantityExceedsOnHand) Error() string {
	return fmt.Sprintf("%s at %s has %d units that can be sold, %d were asked for", r.SKU, r.Location, r.Possible, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (QuantityExceedsOnHand) RefusalCode() string { return "quantity-exceeds-on-hand" }

// QuantityExceedsBucket refuses to make more units available than are in the bucket.
type QuantityExceedsBucket struct {
	SKU       string `json:"sku"`
	Location  string `json:"location"`
	Bucket    Bucket `json:"bucket"`
	Requested int64  `json:"requested"`
	Possible  int64  `json:"possible"`
}

// Error implements error.
func (r QuantityExceedsBucket) Error() string {
	return fmt.Sprintf("%s at %s has %d units in %s, %d were asked for", r.SKU, r.Location, r.Possible, r.Bucket, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (QuantityExceedsBucket) RefusalCode() string { return "quantity-exceeds-bucket" }

// RestockConflict refuses to bring back a unit that came back otherwise: make it available or unavailable instead.
type RestockConflict struct {
	ReturnID  string `json:"return_id"`
	UnitID    string `json:"unit_id"`
	Bucket    Bucket `json:"bucket"`    // that it came back into; "" if it can be sold
	Requested Bucket `json:"requested"` // that it should come back into now
}

// Error implements error.
func (r RestockConflict) Error() string {
	return fmt.Sprintf("unit %s of return %s came back already, as %q and not %q", r.UnitID, r.ReturnID, r.Bucket, r.Requested)
}

// RefusalCode implements [domain.Refusal].
func (RestockConflict) RefusalCode() string { return "restock-conflict" }
