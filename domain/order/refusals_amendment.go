package order

import (
	"fmt"

	"waybill/domain"
	"waybill/domain/money"
)

// UnknownAmendment refuses to end an amendment that was never proposed.
type UnknownAmendment struct {
	AmendmentID string `json:"amendment_id"`
}

// Error implements error.
func (r UnknownAmendment) Error() string { return "the order has no amendment " + r.AmendmentID }

// RefusalCode implements [domain.Refusal].
func (UnknownAmendment) RefusalCode() string { return "unknown-amendment" }

// AmendmentConflict refuses another amendment under an id that is used already.
type AmendmentConflict struct {
	AmendmentID string `json:"amendment_id"`
}

// Error implements error.
func (r AmendmentConflict) Error() string {
	return "amendment " + r.AmendmentID + " is already known and differs"
}

// RefusalCode implements [domain.Refusal].
func (AmendmentConflict) RefusalCode() string { return "amendment-conflict" }

// AmendmentOpen refuses a second amendment while one is open.
type AmendmentOpen struct {
	AmendmentID string `json:"amendment_id"` // that is open
}

// Error implements error.
func (r AmendmentOpen) Error() string { return "amendment " + r.AmendmentID + " is open" }

// RefusalCode implements [domain.Refusal].
func (AmendmentOpen) RefusalCode() string { return "amendment-open" }

// AmendmentClosed refuses to end an amendment that has ended otherwise.
type AmendmentClosed struct {
	AmendmentID string      `json:"amendment_id"`
	ClosedAt    domain.Time `json:"closed_at"`
}

// Error implements error.
func (r AmendmentClosed) Error() string {
	return "amendment " + r.AmendmentID + " ended at " + r.ClosedAt.String()
}

// RefusalCode implements [domain.Refusal].
func (AmendmentClosed) RefusalCode() string { return "amendment-closed" }

// AmendmentStale refuses an amendment that was made from an order that has changed since.
type AmendmentStale struct {
	AmendmentID string `json:"amendment_id"`
	BaseVersion int64  `json:"base_version"`
	Changed     int64  `json:"changed_version"` // at which lines or units changed last
	Version     int64  `json:"version"`         // of the order
}

// Error implements error.
func (r AmendmentStale) Error() string {
	return fmt.Sprintf("amendment %s was made from version %d, the order changed at version %d", r.AmendmentID, r.BaseVersion, r.Changed)
}

// RefusalCode implements [domain.Refusal].
func (AmendmentStale) RefusalCode() string { return "amendment-stale" }

// AmendmentOutOfReach refuses an amendment to a caller behind whom nobody would reserve, move or release the stock that it
// changes, or take the money that it costs more.
type AmendmentOutOfReach struct {
	AmendmentID  string      `json:"amendment_id"`
	ChangesUnits bool        `json:"changes_units"` // lines, quantities, or where units come from
	BalanceDelta money.Money `json:"balance_delta"` // what it would make the order cost more
}

// Error implements error.
func (r AmendmentOutOfReach) Error() string {
	if r.ChangesUnits {
		return "amendment " + r.AmendmentID + " changes units, and nobody would reserve, move or release their stock"
	}
	return "amendment " + r.AmendmentID + " makes the order cost " + r.BalanceDelta.String() + " more, and nobody would take it"
}

// RefusalCode implements [domain.Refusal].
func (AmendmentOutOfReach) RefusalCode() string { return "amendment-out-of-reach" }
