// Package returns is the return aggregate: goods that a customer sends back, or a claim about goods. It protects four promises:
// nothing is approved that the order has not handed out, no more units get an outcome than came in or were asked for, no unit
// goes back into stock twice, and no unit is refunded twice, whichever trigger fires.
//
//	 Request
//	    ▼          Decline
//	Requested ──────────────────────────────────────► Declined
//	    │ Approve (with the order's authorisation)
//	    ▼          Cancel (also from Requested; nothing has come in)
//	Approved ───────────────────────────────────────► Cancelled
//	    │ RecordTracking
//	    ▼          Expire (also from Requested, Approved, PartiallyReceived)
//	InTransit ──────────────────────────────────────► Expired
//	    │ Receive (also from Approved)                   ▲ when no unit is left;
//	    ▼                                                │ else only the units that
//	PartiallyReceived ◄─┐ Receive, Inspect ──────────────┘ did not come are given up
//	    │           └───┘
//	    ▼ every unit has come, was given up, or is known not to come
//	Received ◄─┐ Inspect, Regrade
//	    │  └───┘
//	    ▼ every unit has its final outcome
//	Inspected ◄─┐ Regrade, RecordRestocked, RecordRefundGranted
//	    │   └───┘
//	    ▼ Close: nothing is due any more
//	Closed
//
// The status is derived from what happened, never set, so it can skip steps: a claim whose goods are to be kept goes from
// Approved to Inspected. Declined, Cancelled, Expired and Closed are final.
//
// Of each line it counts units:
//
//	units       = requested − expired                           what is still to be dealt with
//	received    ≤ units                                         what came in; more is an unexpected item
//	in hand     = restocked + damaged + wrong_item + rejected_sent_back + processing_required ≤ received
//	outcomes    = in hand + missing + keep_it + lost_in_transit ≤ units
//	outstanding = units − received − those known not to come    what may still come
//
// missing, keep_it and lost_in_transit are the outcomes of units that nobody has: they need no receipt. processing_required is
// the one outcome that is not final.
//
// Parcels, carriers and labels tell facts, and facts are recorded in every state: what comes when it should not is an unexpected
// item, and an [AnomalyDetected] follows. A label is an operation: requested before anybody is called, then issued, failed,
// or of unknown outcome, which keeps another from being requested until somebody has looked.
//
// What is due is for a process to carry out: [Return.RestockDue] and [Return.RefundDue] say which units, and
// [RecordRestocked] and [RecordRefundGranted], in the same commit as the movement of stock or the grant of the order, take them
// off, or refuse. Units that were paid for and turn out not to deserve it are told by a [RecoveryRequired] when the return
// ends.
//
// The package moves no stock and no money, prices nothing, calls no carrier, and does not know what was shipped: the order does,
// and hands out an authorisation. It is pure: time and ids come in with the command.
package returns

import (
	"strconv"
	"strings"

	"waybill/domain"
)

// ID names a return: a UUIDv7 in its text form.
type ID string

// streamPrefix begins the name of every stream of a return.
const streamPrefix = "return-"

// Stream returns the name of the stream of return id.
func Stream(id ID) string { return streamPrefix + string(id) }

// ParseStream returns the return whose stream is named; ok is false for a stream of something else.
func ParseStream(stream string) (id ID, ok bool) {
	rest, ok := strings.CutPrefix(stream, streamPrefix)
	if !ok || rest == "" {
		return "", false
	}
	return ID(rest), true
}

// Status is where a return stands. It is derived, never set.
type Status uint8

// The statuses of a return. The zero Status is a return that nobody asked for.
const (
	StatusNone              Status = iota
	StatusRequested                // asked for; nobody has said yes or no
	StatusApproved                 // the customer may send it
	StatusInTransit                // a parcel is under way
	StatusPartiallyReceived        // some units came, others may still come
	StatusReceived                 // nothing is outstanding; some units wait for their final outcome
	StatusInspected                // every unit has its final outcome
	StatusClosed                   // nothing is due any more
	StatusDeclined                 // the seller said no
	StatusCancelled                // given up before anything came
	StatusExpired                  // nothing came in time
)

// String returns the stable snake_case name of s: "none", "requested", "approved", …
func (s Status) String() string {
	switch s {
	case StatusNone:
		return "none"
	case StatusRequested:
		return "requested"
	case StatusApproved:
		return "approved"
	case StatusInTransit:
		return "in_transit"
	case StatusPartiallyReceived:
		return "partially_received"
	case StatusReceived:
		return "received"
	case StatusInspected:
		return "inspected"
	case StatusClosed:
		return "closed"
	case StatusDeclined:
		return "declined"
	case StatusCancelled:
		return "cancelled"
	case StatusExpired:
		return "expired"
	}
	return "status(" + strconv.Itoa(int(s)) + ")"
}

// MarshalJSON writes the name of s.
func (s Status) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, s.String()), nil }

// Statuses returns all statuses that a return can have, from requested on.
func Statuses() []Status {
	return []Status{
		StatusRequested, StatusApproved, StatusInTransit, StatusPartiallyReceived, StatusReceived, StatusInspected,
		StatusClosed, StatusDeclined, StatusCancelled, StatusExpired,
	}
}

// Final reports whether a return of status s is over.
func (s Status) Final() bool {
	switch s {
	case StatusClosed, StatusDeclined, StatusCancelled, StatusExpired:
		return true
	case StatusNone, StatusRequested, StatusApproved, StatusInTransit, StatusPartiallyReceived, StatusReceived, StatusInspected:
	}
	return false
}

// open reports whether a return of status s is approved and not over.
func (s Status) open() bool { return s != StatusNone && s != StatusRequested && !s.Final() }

// Event is something that happened to a return. Every event embeds a [Head].
//
//sumtype:decl
type Event interface {
	// EventType returns the stored name, never renamed and never reused.
	EventType() string
	// SchemaVersion returns the number of the stored form that [Encode] writes.
	SchemaVersion() int16
	// Order returns the id of the order whose goods are returned.
	Order() string
	// apply folds the event into r, which it owns. It seals the set.
	apply(r *Return)
}

// Head is what every event says: whose goods are returned. So nobody who reads an event has to look that up.
type Head struct {
	OrderID string      `msgpack:"order_id,omitempty"`
	At      domain.Time `msgpack:"at"` // when it was recorded
}

// Order implements part of [Event].
func (h Head) Order() string { return h.OrderID }

// SchemaVersion implements part of [Event]: all events have kept their first form so far.
func (Head) SchemaVersion() int16 { return schemaFirst }

// head returns what an event of r begins with.
func (r *Return) head(now domain.Time) Head { return Head{OrderID: r.OrderID, At: now} }

// Command is a request to change a return.
//
//sumtype:decl
type Command interface {
	// ReturnID returns the return that is asked to change.
	ReturnID() ID
	// CommandType returns the stable name of the command, such as "return.request".
	CommandType() string
	// decide returns what the command causes on r, and changes nothing. No events and no error: already done.
	decide(r *Return) ([]Event, error)
}

// Evolve folds e into r.
func Evolve(r *Return, e Event) { e.apply(r) }

// Decide says which events c causes on r. It changes nothing. The error is a [domain.Refusal] or a fault of the program;
// no events and no error mean that what was asked for already holds.
func Decide(r *Return, c Command) ([]Event, error) {
	if _, first := c.(Request); !first && r.ID == "" {
		return nil, NotFound{ReturnID: c.ReturnID()}
	}
	return c.decide(r)
}

// The names of the commands.
const (
	CommandRequest             = "return.request"
	CommandApprove             = "return.approve"
	CommandDecline             = "return.decline"
	CommandRequestLabel        = "return.request_label"
	CommandRecordLabelOutcome  = "return.record_label_outcome"
	CommandRecordTracking      = "return.record_tracking"
	CommandReceive             = "return.receive"
	CommandInspect             = "return.inspect"
	CommandRegrade             = "return.regrade"
	CommandRecordRestocked     = "return.record_restocked"
	CommandRecordRefundGranted = "return.record_refund_granted"
	CommandLinkReplacement     = "return.link_replacement"
	CommandFlagManualRefund    = "return.flag_manual_refund"
	CommandClose               = "return.close"
	CommandCancel              = "return.cancel"
	CommandExpire              = "return.expire"
)

// Allowed returns the names of the commands that the state of r allows, in a fixed order. It has no clock. A command may
// still be refused for what it carries.
func Allowed(r *Return) []string {
	if r.ID == "" {
		return []string{CommandRequest}
	}
	var names []string
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{CommandApprove, r.Status() == StatusRequested},
		{CommandDecline, r.Status() == StatusRequested},
		{CommandRequestLabel, r.mayRequestLabel()},
		{CommandRecordLabelOutcome, true}, // facts are recorded in every state
		{CommandRecordTracking, true},
		{CommandReceive, true},
		{CommandInspect, r.mayInspect()},
		{CommandRegrade, r.mayRegrade()},
		{CommandRecordRestocked, len(r.RestockDue()) > 0},
		{CommandRecordRefundGranted, len(r.refundable()) > 0},
		{CommandLinkReplacement, r.mayLink()},
		{CommandFlagManualRefund, true},
		{CommandClose, r.Status() == StatusInspected && r.settled()},
		{CommandCancel, r.mayCancel()},
		{CommandExpire, r.mayExpire()},
	} {
		if c.ok {
			names = append(names, c.name)
		}
	}
	return names
}

// transition refuses c because of where r stands.
func transition(r *Return, c Command) error {
	return InvalidTransition{Command: c.CommandType(), Status: r.Status(), Allowed: Allowed(r)}
}
