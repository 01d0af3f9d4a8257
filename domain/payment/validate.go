package payment

import (
	"fmt"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// Limits of one payment.
const (
	MaxAmount      = 1 << 53 // minor units of an amount
	MaxOperations  = 1_000   // operations ever requested
	MaxObjects     = 1_000   // authorisations, captures, voids and refunds at the gateway
	MaxDisputes    = 100     // disputes
	MaxOverCapture = 10_000  // basis points that may be captured above the authorisation: as much again
	MaxName        = 128     // bytes of a gateway, a method or a code
	MaxURL         = 2_048   // bytes of a URL
	MaxText        = 4_096   // bytes of a note
)

// fields checks fields one after the other and keeps the first refusal.
type fields struct{ err error }

func (f *fields) check(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) invalid(field, reason string) {
	f.check(domain.InvalidField{Field: field, Reason: reason})
}

func (f *fields) id(field, id string)             { f.check(domain.CheckID(field, id)) }
func (f *fields) text(field, s string, limit int) { f.check(domain.CheckText(field, s, limit)) }

// name checks a short text that must be given.
func (f *fields) name(field, s string) {
	if s == "" {
		f.invalid(field, "is missing")
	}
	f.text(field, s, MaxName)
}

// between refuses a number below zero or above limit.
func (f *fields) between(field string, n, limit int64) {
	if n < 0 {
		f.invalid(field, "is negative")
	}
	if n > limit {
		f.check(domain.LimitExceeded{Field: field, Limit: limit, Actual: n, Unit: "in all"})
	}
}

// amount refuses an amount in another currency, of zero or less, or of more than MaxAmount.
func (f *fields) amount(m money.Money, c money.Currency) {
	f.zeroOrMore("amount", m, c)
	if m.Minor == 0 {
		f.invalid("amount", "is zero")
	}
}

func (f *fields) zeroOrMore(field string, m money.Money, c money.Currency) {
	if m.Currency != c {
		f.check(CurrencyMismatch{Field: field, Expected: c, Actual: m.Currency})
	}
	f.within(field, m)
}

func (f *fields) within(field string, m money.Money) {
	switch {
	case m.Minor < 0:
		f.invalid(field, "is negative")
	case m.Minor > MaxAmount:
		f.check(domain.LimitExceeded{Field: field, Limit: MaxAmount, Actual: m.Minor, Unit: "minor units"})
	}
}

// oneOf refuses a value that is not listed.
func oneOf[T ~string](f *fields, field string, v T, known ...T) {
	if !slices.Contains(known, v) {
		f.invalid(field, fmt.Sprintf("is %q, not one of %q", string(v), known))
	}
}

// fact refuses a fact that is malformed: that cannot be said of any payment.
func (f *fields) fact(c *Fact) {
	oneOf(f, "kind", c.Kind, FactKinds()...)
	f.id("object_ref", c.ObjectRef)
	if c.OperationID != "" {
		f.id("operation_id", c.OperationID)
	}
	f.within("amount", c.Amount)
	f.within("total", c.Total)
	if !c.Amount.IsZero() && !c.Total.IsZero() && c.Amount.Currency != c.Total.Currency {
		f.invalid("total", "is not in the currency of amount")
	}
	if c.OccurredAt.IsZero() {
		f.invalid("occurred_at", "is missing")
	}
	f.text("action_ref", c.ActionRef, MaxURL)
	f.text("code", c.Code, MaxName)
	f.factAmounts(c)
}

// factAmounts refuses a fact without the amount, or the outcome, that it is about.
func (f *fields) factAmounts(c *Fact) {
	switch c.Kind {
	case FactAuthorised, FactRefundReversed, FactRefundPending, FactAuthorisationAdjusted, FactDisputeOpened,
		FactDisputeFundsWithdrawn, FactDisputeFundsReinstated:
		if c.Amount.IsZero() && c.OperationID == "" {
			f.invalid("amount", "is missing")
		}
	case FactCaptured, FactRefunded:
		if c.Amount.IsZero() && c.Total.IsZero() && c.OperationID == "" {
			f.invalid("amount", "is missing, and so is total")
		}
	case FactDisputeClosed:
		oneOf(f, "dispute_outcome", c.DisputeOutcome, DisputeWon, DisputeLost, DisputeWarningClosed, DisputePrevented)
	case FactAuthorisationPending, FactActionRequired, FactAuthorisationFailed, FactAdjustmentPending, FactAdjustmentFailed,
		FactAuthorisationExpired, FactCapturePending, FactCaptureFailed, FactVoided, FactVoidPending, FactVoidFailed, FactRefundFailed:
	}
}
