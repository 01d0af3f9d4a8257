// Package order is the order aggregate: the agreement with the customer. It protects the quantities of its lines, the totals
// that must add up, cancellations, and the holds that stop things from happening.
//
//	            Confirm
//	 Place        ┌──────────► Confirmed ──Complete────► Completed
//	   │          │             │  │  ▲
//	   ▼          │      Cancel │  │  │ DeclineCancellation (to Pending, if it was not confirmed)
//	Pending ──────┤        (all)│  ▼  │
//	   │          │             │ Cancelling
//	   │          ├─────────────┴──┴─CompleteCancellation► Cancelled
//	   │          │ Cancel (all)
//	   │          ├─ Reject ─────────────────────────────► Rejected
//	   │          └─ Expire ─────────────────────────────► Expired
//	   └─ Cancel (some lines): stays where it is; so do holds, notes and tags
//
// Rejected, Expired and Cancelled are final: nobody un-cancels an order, a new one is placed. While nothing is paid or
// picked a cancellation completes at once, in one decision; Cancelling is for orders where others have to let go first.
//
// Every line has a ledger of units: open = ordered − cancelled − assigned − shipped, never below zero.
//
// The package does not price, tax, take money or reserve stock: it takes the result of pricing and checks that it adds
// up, and it records what the others have done. It is pure: time and ids come in with the command.
package order

import (
	"slices"
	"strconv"
	"strings"

	"waybill/domain"
	"waybill/domain/money"
)

// ID names an order: a UUIDv7 in its text form.
type ID string

// streamPrefix begins the name of every stream of an order.
const streamPrefix = "order-"

// Stream returns the name of the stream of order id.
func Stream(id ID) string { return streamPrefix + string(id) }

// ParseStream returns the order whose stream is named; ok is false for a stream of something else.
func ParseStream(stream string) (id ID, ok bool) {
	rest, ok := strings.CutPrefix(stream, streamPrefix)
	if !ok || rest == "" {
		return "", false
	}
	return ID(rest), true
}

// Lifecycle is where an order stands as an agreement. What was paid and what was shipped are statuses of their own.
type Lifecycle uint8

// The lifecycle of an order. The zero Lifecycle is an order that nobody placed.
const (
	LifecycleNone       Lifecycle = iota
	LifecyclePending              // placed; stock and money are being secured
	LifecycleConfirmed            // the seller has accepted it
	LifecycleCompleted            // all is delivered and settled
	LifecycleRejected             // the seller could not accept it
	LifecycleExpired              // its time ran out before it was confirmed
	LifecycleCancelling           // a cancellation waits for others to let go
	LifecycleCancelled            // cancelled as a whole
)

// String returns the stable snake_case name of l: "none", "pending", "confirmed", …
func (l Lifecycle) String() string {
	switch l {
	case LifecycleNone:
		return "none"
	case LifecyclePending:
		return "pending"
	case LifecycleConfirmed:
		return "confirmed"
	case LifecycleCompleted:
		return "completed"
	case LifecycleRejected:
		return "rejected"
	case LifecycleExpired:
		return "expired"
	case LifecycleCancelling:
		return "cancelling"
	case LifecycleCancelled:
		return "cancelled"
	}
	return "lifecycle(" + strconv.Itoa(int(l)) + ")"
}

// MarshalJSON writes the name of l.
func (l Lifecycle) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, l.String()), nil }

// Lifecycles returns all lifecycles that an order can be in, from pending on.
func Lifecycles() []Lifecycle {
	return []Lifecycle{
		LifecyclePending, LifecycleConfirmed, LifecycleCompleted, LifecycleRejected, LifecycleExpired,
		LifecycleCancelling, LifecycleCancelled,
	}
}

// Order is the state folded from the events of one order. Its zero value is an order nobody placed. It belongs to
// whoever folds; what [Place] brought in (Details, and the Line of each entry of Lines) is shared with the event and is never changed.
type Order struct {
	ID            ID                    `msgpack:"id"`
	Lifecycle     Lifecycle             `msgpack:"lifecycle"`
	Details       Details               `msgpack:"details"`                 // as placed, but for address and customer; its Lines are empty, they stand in Lines below
	Lines         []LineState           `msgpack:"lines,omitempty"`         // in the order in which they were placed
	Credited      money.Money           `msgpack:"credited"`                // given back by cancellations: at most the grand total
	Holds         []Hold                `msgpack:"holds,omitempty"`         // all ever placed, in order
	Cancellations []CancellationSummary `msgpack:"cancellations,omitempty"` // all that were carried out, in order
	Amendments    []Amendment           `msgpack:"amendments,omitempty"`    // all ever proposed, in order
	Version       int64                 `msgpack:"version"`                 // how many events are folded in
	Changed       int64                 `msgpack:"changed"`                 // the version at which lines or units changed last
	Requests      []CancellationRequest `msgpack:"requests,omitempty"`      // cancellations that had to wait, in order
	Notes         []Note                `msgpack:"notes,omitempty"`         // in order
	Tags          []string              `msgpack:"tags,omitempty"`          // sorted
	Payments      []PaymentPosition     `msgpack:"payments,omitempty"`      // in the order in which they were first heard of
	Granted       money.Money           `msgpack:"granted"`                 // taken off what it costs by returns and goodwill
	Refunds       []RefundGrant         `msgpack:"refunds,omitempty"`       // all ever granted, in order
	Returns       []ReturnToken         `msgpack:"returns,omitempty"`       // all that ever had units, in order
	Fulfilments   []Assignment          `msgpack:"fulfilments,omitempty"`   // all that ever had units, in order
	Anomalies     []Anomaly             `msgpack:"anomalies,omitempty"`     // the latest, in order
	Rejection     *Rejection            `msgpack:"rejection,omitempty"`     // why it was rejected, nil if it was not
	PlacedAt      domain.Time           `msgpack:"placed_at"`               // when the customer placed it
	ConfirmedAt   domain.Time           `msgpack:"confirmed_at,omitempty"`  // zero until then
	ClosedAt      domain.Time           `msgpack:"closed_at,omitempty"`     // when it became rejected, expired or cancelled
	CompletedAt   domain.Time           `msgpack:"completed_at,omitempty"`  // zero until then
	ArchivedAt    domain.Time           `msgpack:"archived_at,omitempty"`   // zero until then
	UpdatedAt     domain.Time           `msgpack:"updated_at"`              // time of the last event
}

// LineState is a line and the ledger of its units.
type LineState struct {
	Line      Line        `msgpack:"line"`      // as placed
	Cancelled int64       `msgpack:"cancelled"` // units given up by a cancellation
	Assigned  int64       `msgpack:"assigned"`  // units that a fulfilment holds
	Shipped   int64       `msgpack:"shipped"`   // units on their way or delivered
	Delivered int64       `msgpack:"delivered"` // units of Shipped that have arrived
	Credited  money.Money `msgpack:"credited"`  // given back for the cancelled units
	Refunded  int64       `msgpack:"refunded"`  // units of Shipped that were paid back
	Granted   money.Money `msgpack:"granted"`   // given back for the refunded units

	CancelRequested  int64 `msgpack:"cancel_requested"`  // units that cancellations wait for
	BaseUnits        int64 `msgpack:"base_units"`        // units that were given back before the last amendment
	BaseMinor        int64 `msgpack:"base_minor"`        // and what was given back for them, in minor units
	ReturnAuthorised int64 `msgpack:"return_authorised"` // units of Shipped that a return has
	Returned         int64 `msgpack:"returned"`          // units of Shipped that came back, or never have to
	ReturnRefunded   int64 `msgpack:"return_refunded"`   // units of Refunded on the basis of a return
}

// Ordered returns how many units were ordered.
func (l *LineState) Ordered() int64 { return l.Line.Quantity }

// Open returns how many units nobody has claimed yet: ordered − cancelled − assigned − shipped.
func (l *LineState) Open() int64 { return l.Line.Quantity - l.Cancelled - l.Assigned - l.Shipped }

// Line returns the line with that id; ok is false if the order has none.
func (o *Order) Line(id string) (line *LineState, ok bool) {
	i := o.lineIndex(id)
	if i < 0 {
		return nil, false
	}
	return &o.Lines[i], true
}

func (o *Order) lineIndex(id string) int {
	return slices.IndexFunc(o.Lines, func(l LineState) bool { return l.Line.ID == id })
}

// Due returns what the order costs after cancellations, returns and goodwill: never below zero.
func (o *Order) Due() money.Money {
	return money.New(o.Details.Totals.Grand.Minor-o.Credited.Minor-o.Granted.Minor, o.Details.Currency)
}

// Event is something that happened to an order.
//
//sumtype:decl
type Event interface {
	// EventType returns the stored name, never renamed and never reused.
	EventType() string
	// SchemaVersion returns the number of the stored form that [Encode] writes.
	SchemaVersion() int16
	// apply folds the event into o, which it owns. It seals the set.
	apply(o *Order)
}

// Command is a request to change an order.
//
//sumtype:decl
type Command interface {
	// OrderID returns the order that is asked to change.
	OrderID() ID
	// CommandType returns the stable name of the command, such as "order.place".
	CommandType() string
	// decide returns what the command causes on o, and changes nothing. No events and no error: already done.
	decide(o *Order) ([]Event, error)
}

// Evolve folds e into o.
func Evolve(o *Order, e Event) {
	e.apply(o)
	o.Version++
}

// Decide says which events c causes on o. It changes nothing. The error is a [domain.Refusal] or a fault of the program;
// no events and no error mean that what was asked for already holds.
func Decide(o *Order, c Command) ([]Event, error) { return c.decide(o) }

// The names of the commands.
const (
	CommandPlace       = "order.place"
	CommandConfirm     = "order.confirm"
	CommandReject      = "order.reject"
	CommandExpire      = "order.expire"
	CommandPlaceHold   = "order.place_hold"
	CommandReleaseHold = "order.release_hold"
	CommandCancel      = "order.cancel"
	CommandAddNote     = "order.add_note"
	CommandTag         = "order.tag"
	CommandUntag       = "order.untag"

	CommandRecordPaymentPosition = "order.record_payment_position"
	CommandAssignFulfilment      = "order.assign_fulfilment"
	CommandUnassignFulfilment    = "order.unassign_fulfilment"
	CommandRecordShipped         = "order.record_shipped"
	CommandRecordDelivered       = "order.record_delivered"
	CommandComplete              = "order.complete"
	CommandArchive               = "order.archive"
	CommandProposeAmendment      = "order.propose_amendment"
	CommandAcceptAmendment       = "order.accept_amendment"
	CommandWithdrawAmendment     = "order.withdraw_amendment"
	CommandChangeShippingAddress = "order.change_shipping_address"
	CommandLinkCustomer          = "order.link_customer"
	CommandCompleteCancellation  = "order.complete_cancellation"
	CommandDeclineCancellation   = "order.decline_cancellation"
	CommandGrantRefund           = "order.grant_refund"
	CommandRecordRefundSettled   = "order.record_refund_settled"
	CommandRecordRefundFailed    = "order.record_refund_failed"
	CommandAuthoriseReturn       = "order.authorise_return"
	CommandReleaseReturn         = "order.release_return"
	CommandRecordReturnOutcome   = "order.record_return_outcome"
)

// Allowed returns the names of the commands that the lifecycle of o, its open units and its holds allow, in a fixed
// order. It has no clock, so a hold counts until it is released, whether or not it has run out. A command may still be
// refused for what it carries.
func Allowed(o *Order) []string {
	if o.Lifecycle == LifecycleNone {
		return []string{CommandPlace}
	}
	var names []string
	if o.Lifecycle == LifecyclePending {
		if !o.held(VerbConfirm) {
			names = append(names, CommandConfirm)
		}
		names = append(names, CommandReject, CommandExpire)
	}
	if o.mayHold() {
		names = append(names, CommandPlaceHold)
	}
	if slices.ContainsFunc(o.Holds, func(h Hold) bool { return h.ReleasedAt.IsZero() }) {
		names = append(names, CommandReleaseHold)
	}
	if o.mayCancel() && !o.held(VerbCancel) &&
		slices.ContainsFunc(o.Lines, func(l LineState) bool { return l.Open()+l.Assigned > l.CancelRequested }) {
		names = append(names, CommandCancel)
	}
	names = append(names, CommandAddNote, CommandTag)
	if len(o.Tags) > 0 {
		names = append(names, CommandUntag)
	}
	names = append(names, CommandRecordPaymentPosition)
	if o.mayAssign() && !o.held(VerbShip) && o.hasFree() {
		names = append(names, CommandAssignFulfilment)
	}
	if slices.ContainsFunc(o.Lines, func(l LineState) bool { return l.Assigned > 0 }) {
		names = append(names, CommandUnassignFulfilment)
	}
	names = append(names, CommandRecordShipped, CommandRecordDelivered)
	if left := o.unsettled(0); o.Lifecycle == LifecycleConfirmed && left.settled() {
		names = append(names, CommandComplete)
	}
	if o.over() && o.ArchivedAt.IsZero() {
		names = append(names, CommandArchive)
	}
	if slices.ContainsFunc(o.Requests, func(r CancellationRequest) bool { return r.ClosedAt.IsZero() }) {
		if o.mayCancel() || o.Lifecycle == LifecycleCancelling {
			names = append(names, CommandCompleteCancellation)
		}
		names = append(names, CommandDeclineCancellation)
	}
	if o.mayCancel() && o.hasFree() {
		names = append(names, CommandChangeShippingAddress)
	}
	if o.Details.CustomerID == "" {
		names = append(names, CommandLinkCustomer)
	}
	open := slices.ContainsFunc(o.Amendments, func(a Amendment) bool { return a.Open() })
	if o.mayCancel() && !o.held(VerbAmend) {
		if open {
			names = append(names, CommandAcceptAmendment)
		} else {
			names = append(names, CommandProposeAmendment)
		}
	}
	if open {
		names = append(names, CommandWithdrawAmendment)
	}
	return append(names, o.allowedAfterwards()...)
}

// allowedAfterwards is the part of [Allowed] about money and goods that go back.
func (o *Order) allowedAfterwards() (names []string) {
	if possible := o.refundable(); possible > 0 && (o.mayGrant(RefundGoodwill) && o.Due().Minor > 0 || -o.Balance().Minor > o.openRefunds()) {
		names = append(names, CommandGrantRefund)
	}
	if slices.ContainsFunc(o.Refunds, func(g RefundGrant) bool { return g.SettledAt.IsZero() }) {
		names = append(names, CommandRecordRefundSettled)
	}
	if len(o.Refunds) > 0 {
		names = append(names, CommandRecordRefundFailed)
	}
	if o.mayReturn() && slices.ContainsFunc(o.Lines, func(l LineState) bool { return l.Shipped > l.Returned+l.ReturnAuthorised }) {
		names = append(names, CommandAuthoriseReturn)
	}
	if slices.ContainsFunc(o.Lines, func(l LineState) bool { return l.ReturnAuthorised > 0 }) {
		names = append(names, CommandReleaseReturn, CommandRecordReturnOutcome)
	}
	return names
}

// transition refuses c because of where o stands.
func transition(o *Order, c Command) error {
	if o.Lifecycle == LifecycleNone {
		return NotFound{OrderID: c.OrderID()}
	}
	return InvalidTransition{Command: c.CommandType(), Lifecycle: o.Lifecycle, Allowed: Allowed(o)}
}
