// Package payment is one attempt to take money for an order through one gateway. It protects the money: nothing is captured
// that was not authorised, nothing is paid back twice, and every call to the gateway has one effect.
//
//	            Authorise                    action_required
//	Initiate ──► Initiated ──► Processing ◄──────────────────► RequiresAction
//	                 ▲            │  │ │                              │
//	     retryable,  │     failed │  │ │ Void (all), expired          │ Void (all)
//	     Authorise   └── Failed ◄─┘  │ └───────────────► Voided ◄─────┘
//	                                 │ authorised           ▲
//	                                 ▼   Void (all)         │
//	                             Authorised ────────────────┤
//	                                 │                      └► Expired (the authorisation lapsed)
//	                    Capture (a part) │ Capture (all, or final), capture mode auto
//	                       ▼             ▼
//	             PartiallyCaptured ──► Captured
//	                       │ Refund      │ Refund          a refund that is reversed leads back
//	                       ▼             ▼
//	              PartiallyRefunded ──► Refunded
//	             (and any of these may be disputed: see Ledger.Disputed)
//
// The status is derived, never set, from a ledger that does not depend on the order in which things are heard of. The
// gateway tells everything twice, late, in any order, and before it has answered the call that caused it. So a fact is
// folded by a join: an object of the gateway (an authorisation, a capture, a void, a refund, a dispute) is known by its
// reference and counts once; totals that the gateway gives count as far as the single objects do not explain them; of
// two statements about one object the one about the earlier moment gives the amount, and the contradiction becomes an
// [AnomalyDetected]. Where the last word counts (how far a call has got, until when to capture, whether a refund stands) it is
// the last by the gateway's clock. Whatever is heard in whatever order, the same facts give the same [Ledger].
//
// What is asked of a gateway is an operation: its intent is recorded first, under an id that is also the idempotency key
// of the call. It succeeds, fails, is pending, requires an action, or nobody knows. Until it has succeeded or failed its
// amount stays reserved: unknown is not failed. Operations exclude each other where they would compete for the same money.
//
//	P1  captured + capture pending ≤ authorised + what the gateway lets capture above it
//	P2  refunded + refund pending + disputed ≤ captured
//	P3  a void takes only what is authorised and neither captured nor being captured; capture and void exclude each other
//	P4  one operation, one effect
//	P5  an object of the gateway has one amount
//	P6  the order and number of facts do not matter
//	P7  a final capture, or any capture at a gateway that captures once, lets go of the rest
//	P8  nothing is paid back during a dispute, unless somebody overrides that
//
// They bind what may be asked for. What has happened at the gateway is a fact, and no rule refuses it: where it breaks
// one, an [AnomalyDetected] follows.
//
// A clock that is wrong is believed. A dispute that was opened in the far future, by the word of the gateway, stays open
// against all that it says of the time before. If an earlier word could close it, a dispute that was opened again would not be
// one (P8); if the time at which a fact comes in corrected it, the order would matter (P6). A person closes it by
// [CloseDispute], whatever the clocks say.
//
// The package calls no gateway, knows no cards, and decides nothing for the order: who asks for a capture, and when, is
// the business of processes. Another attempt after a definite failure is another payment, or another operation if the
// gateway says that trying again makes sense.
package payment

import (
	"errors"
	"strings"

	"waybill/domain"
)

// ID names a payment: a UUIDv7 in its text form.
type ID string

// streamPrefix begins the name of every stream of a payment.
const streamPrefix = "payment-"

// Stream returns the name of the stream of payment id.
func Stream(id ID) string { return streamPrefix + string(id) }

// ParseStream returns the payment whose stream is named; ok is false for a stream of something else.
func ParseStream(stream string) (id ID, ok bool) {
	rest, ok := strings.CutPrefix(stream, streamPrefix)
	if !ok || rest == "" {
		return "", false
	}
	return ID(rest), true
}

// Event is something that happened to a payment. Every event embeds a [Head].
//
//sumtype:decl
type Event interface {
	// EventType returns the stored name, never renamed and never reused.
	EventType() string
	// SchemaVersion returns the number of the stored form that [Encode] writes.
	SchemaVersion() int16
	// Order returns the id of the order that the payment is for.
	Order() string
	// apply folds the event into p, which it owns. It seals the set.
	apply(p *Payment)
}

// Head is what every event says: for which order, and at which gateway. So nobody who reads an event has to look that up.
type Head struct {
	OrderID string      `msgpack:"order_id,omitempty"`
	Gateway string      `msgpack:"gateway,omitempty"`
	At      domain.Time `msgpack:"at"` // when it was recorded
}

// Order implements part of [Event].
func (h Head) Order() string { return h.OrderID }

// SchemaVersion implements part of [Event]: all events have kept their first form so far.
func (Head) SchemaVersion() int16 { return schemaFirst }

// Command is a request to change a payment, or a fact about it. Every command embeds a [Target].
//
//sumtype:decl
type Command interface {
	// PaymentID returns the payment that is asked to change.
	PaymentID() ID
	// CommandType returns the stable name of the command, such as "payment.capture".
	CommandType() string
	// decide returns what the command causes on p, and changes nothing. No events and no error: already done.
	decide(p *Payment) ([]Event, error)
}

// Target names the payment that a command is for, and when the command came in.
type Target struct {
	ID  ID
	Now domain.Time
}

// PaymentID implements part of [Command].
func (t Target) PaymentID() ID { return t.ID }

// Evolve folds e into p.
func Evolve(p *Payment, e Event) { e.apply(p) }

// Decide says which events c causes on p. It changes nothing. The error is a [domain.Refusal] or a fault of the program;
// no events and no error mean that what was asked for already holds.
func Decide(p *Payment, c Command) ([]Event, error) {
	if _, first := c.(Initiate); p.ID == "" && !first {
		return nil, NotFound{PaymentID: c.PaymentID()}
	}
	events, err := c.decide(p)
	if r, ok := errors.AsType[InvalidTransition](err); ok {
		r.Allowed = Allowed(p)
		err = r
	}
	return events, err
}

// The names of the commands.
const (
	CommandInitiate            = "payment.initiate"
	CommandAuthorise           = "payment.authorise"
	CommandAdjustAuthorisation = "payment.adjust_authorisation"
	CommandExpireAuthorisation = "payment.expire_authorisation"
	CommandCapture             = "payment.capture"
	CommandVoid                = "payment.void"
	CommandRefund              = "payment.refund"
	CommandRecordOutcome       = "payment.record_outcome"
	CommandRecordFact          = "payment.record_fact"
	CommandRecordOffline       = "payment.record_offline"
	CommandOpenDispute         = "payment.open_dispute"
	CommandCloseDispute        = "payment.close_dispute"
	CommandReconcile           = "payment.reconcile"
)

// Allowed returns the names of the commands that the status of p, its money and its open operations allow, in a fixed
// order; facts about an existing payment are always among them. It has no clock, so an authorisation counts until it was
// voided or recorded as expired. A command may still be refused for what it carries.
func Allowed(p *Payment) []string {
	if p.ID == "" {
		return []string{CommandInitiate}
	}
	s := p.sums()
	var names []string
	allow := func(when bool, name string) {
		if when {
			names = append(names, name)
		}
	}
	allow(p.refuseAuthorise() == nil, CommandAuthorise)
	allow(p.refuseAdjust(&s, 0) == nil, CommandAdjustAuthorisation)
	allow(p.refuseExpire() == nil && s.live > 0, CommandExpireAuthorisation)
	allow(p.refuseCapture(&s, 0) == nil && s.capturable() > 0, CommandCapture)
	allow(p.refuseVoid(&s) == nil && p.mayVoid(&s), CommandVoid)
	allow(s.refundable() > 0 && !p.InDispute(), CommandRefund)
	names = append(names, CommandRecordOutcome, CommandRecordFact, CommandRecordOffline, CommandOpenDispute)
	allow(p.InDispute(), CommandCloseDispute)
	return append(names, CommandReconcile)
}

// transition refuses c because of where p stands. [Decide] adds what is allowed instead.
func transition(p *Payment, c Command) error {
	return InvalidTransition{Command: c.CommandType(), Status: p.Status()}
}
