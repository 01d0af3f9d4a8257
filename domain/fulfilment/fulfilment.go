// Package fulfilment is the work of one location on the units of one order that it was given: it picks them, packs them
// into parcels, labels and ships the parcels, and follows them until they arrive. It protects one promise: every unit that
// the order handed out ends exactly once. It leaves in one parcel, or it goes back to the order.
//
//	Request (fulfil_at later)        Request
//	   │                                │
//	   ▼         MakeDue                ▼          Accept
//	Scheduled ────────────────────► Requested ─────────────► Accepted
//	   │ Move: stays                    │ Move: stays           │ Pick (nothing is left to pick)
//	   │                                │                       ▼
//	   ├── Reject (all units) ──────────┤                     Picked ◄─────────┐
//	   │                                ▼                       │ PackParcel   │ UnpackParcel
//	   │                            Rejected ◄─ Pick            │ (all units)  │
//	   │                                        (all are short) ▼              │
//	   ├── RequestCancellation, Cancel (all units)            Packed ──────────┘
//	   ▼                                                        │ ShipParcel, RecordShipped (the last parcel)
//	Cancelled ◄── from all states above                         ▼
//	                                                         Shipped
//	                       RecordReturnedToSender (all parcels) │ RecordDelivered (the last parcel)
//	                                     Returned ◄─────────────┴────────────► Delivered
//
// The status is derived from the ledger of the lines and from the parcels, never set. All in units of a line:
//
//	quantity = shorted + cancelled + to pick + to pack + to ship + shipped
//
// Shorted and cancelled units have gone back to the order. They are told by [LinesShorted] and [LinesCancelled], and by
// nothing else (see [GivenBack]): the order has them open again, and their reservation goes back from allocated to
// confirmed, it is not released. Rejecting some units, or finding some short, leaves the rest where it is. A parcel may
// leave before the others are packed.
//
// A label is bought and voided by an operation: intent first, then its outcome. While the outcome is missing or unknown,
// no other operation begins on the parcel, and the parcel does not leave. One operation has one effect, whatever is
// reported how often.
//
// Whether a parcel may leave is not known here: the caller brings the verdict ([Gate]) of the order's holds and of the
// payment, and what it said is recorded. Holds of the fulfilment itself are an overlay: they block buying labels and
// shipping, and nothing else. So does a cancellation that is not answered yet.
//
// What location and carrier report is a fact and is always recorded, in the order of the carrier's clock: a late "in
// transit" never takes back a "delivered". A fact that contradicts what is known is followed by an [AnomalyDetected]; one
// about a parcel or an operation that is not there, or whose units have gone back, is kept as an anomaly alone, because
// its units cannot be counted a second time.
//
// The package calls no carrier, moves no stock, captures no money and decides on no route.
package fulfilment

import (
	"strconv"
	"strings"

	"waybill/domain"
)

// ID names a fulfilment: a UUIDv7 in its text form.
type ID string

// streamPrefix begins the name of every stream of a fulfilment.
const streamPrefix = "fulfilment-"

// Stream returns the name of the stream of fulfilment id.
func Stream(id ID) string { return streamPrefix + string(id) }

// ParseStream returns the fulfilment whose stream is named; ok is false for a stream of something else.
func ParseStream(stream string) (id ID, ok bool) {
	rest, ok := strings.CutPrefix(stream, streamPrefix)
	if !ok || rest == "" {
		return "", false
	}
	return ID(rest), true
}

// Status is where a fulfilment stands. It is derived, never set.
type Status uint8

// The statuses of a fulfilment. The zero Status is a fulfilment that nobody asked for.
const (
	StatusNone      Status = iota
	StatusScheduled        // asked for, and its time has not come
	StatusRequested        // the location has not answered yet
	StatusAccepted         // there are units to pick
	StatusPicked           // there are units to pack, and none to pick
	StatusPacked           // there are parcels to ship, and nothing else
	StatusShipped          // everything has left
	StatusDelivered        // every parcel has come to an end, at least one has arrived
	StatusReturned         // every parcel came back
	StatusRejected         // the location had nothing of it
	StatusCancelled        // everything was given back, at least a part of it on request
)

// String returns the stable snake_case name of s: "none", "scheduled", "requested", …
func (s Status) String() string {
	switch s {
	case StatusNone:
		return "none"
	case StatusScheduled:
		return "scheduled"
	case StatusRequested:
		return "requested"
	case StatusAccepted:
		return "accepted"
	case StatusPicked:
		return "picked"
	case StatusPacked:
		return "packed"
	case StatusShipped:
		return "shipped"
	case StatusDelivered:
		return "delivered"
	case StatusReturned:
		return "returned"
	case StatusRejected:
		return "rejected"
	case StatusCancelled:
		return "cancelled"
	}
	return "status(" + strconv.Itoa(int(s)) + ")"
}

// MarshalJSON writes the name of s.
func (s Status) MarshalJSON() ([]byte, error) { return strconv.AppendQuote(nil, s.String()), nil }

// Statuses returns all statuses that a fulfilment can have, from scheduled on.
func Statuses() []Status {
	return []Status{
		StatusScheduled, StatusRequested, StatusAccepted, StatusPicked, StatusPacked, StatusShipped, StatusDelivered,
		StatusReturned, StatusRejected, StatusCancelled,
	}
}

// Event is something that happened to a fulfilment. Every event embeds a [Head].
//
//sumtype:decl
type Event interface {
	// EventType returns the stored name, never renamed and never reused.
	EventType() string
	// SchemaVersion returns the number of the stored form that [Encode] writes.
	SchemaVersion() int16
	// Order returns the id of the order that the fulfilment belongs to.
	Order() string
	// apply folds the event into f, which it owns. It seals the set.
	apply(f *Fulfilment)
}

// Head is what every event says: whose units they are, and where they lie. So nobody who reads an event has to look that up.
type Head struct {
	OrderID  string      `msgpack:"order_id,omitempty"`
	Location string      `msgpack:"location,omitempty"` // after the event
	At       domain.Time `msgpack:"at"`
}

// Order implements part of [Event].
func (h Head) Order() string { return h.OrderID }

// SchemaVersion implements part of [Event]: all events have kept their first form so far.
func (Head) SchemaVersion() int16 { return schemaFirst }

// Command is a request to change a fulfilment, or a fact about it. Every command embeds a [Target].
//
//sumtype:decl
type Command interface {
	// FulfilmentID returns the fulfilment that is asked to change.
	FulfilmentID() ID
	// CommandType returns the stable name of the command, such as "fulfilment.accept".
	CommandType() string
	// decide returns what the command causes on f, and changes nothing. No events and no error: already done.
	decide(f *Fulfilment) ([]Event, error)
	// when returns the time that the command came in with.
	when() domain.Time
}

// Target names the fulfilment that a command is for, and when the command came in.
type Target struct {
	ID  ID
	Now domain.Time
}

// FulfilmentID implements part of [Command].
func (t Target) FulfilmentID() ID { return t.ID }

func (t Target) when() domain.Time { return t.Now }

// Evolve folds e into f.
func Evolve(f *Fulfilment, e Event) { e.apply(f) }

// Decide says which events c causes on f. It changes nothing. The error is a [domain.Refusal] or a fault of the program;
// no events and no error mean that what was asked for already holds.
func Decide(f *Fulfilment, c Command) ([]Event, error) {
	if _, first := c.(Request); f.ID == "" && !first {
		return nil, NotFound{FulfilmentID: c.FulfilmentID()}
	}
	events, err := c.decide(f)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return f.withMilestones(events, c.when()), nil
}

// The names of the commands.
const (
	CommandRequest                = "fulfilment.request"
	CommandMakeDue                = "fulfilment.make_due"
	CommandMove                   = "fulfilment.move"
	CommandAccept                 = "fulfilment.accept"
	CommandReject                 = "fulfilment.reject"
	CommandPick                   = "fulfilment.pick"
	CommandPackParcel             = "fulfilment.pack_parcel"
	CommandUnpackParcel           = "fulfilment.unpack_parcel"
	CommandBuyLabel               = "fulfilment.buy_label"
	CommandVoidLabel              = "fulfilment.void_label"
	CommandRecordLabelOutcome     = "fulfilment.record_label_outcome"
	CommandShipParcel             = "fulfilment.ship_parcel"
	CommandRecordShipped          = "fulfilment.record_shipped"
	CommandRecordTracking         = "fulfilment.record_tracking"
	CommandRecordDelivered        = "fulfilment.record_delivered"
	CommandRecordDeliveryFailed   = "fulfilment.record_delivery_failed"
	CommandRecordReturnedToSender = "fulfilment.record_returned_to_sender"
	CommandRequestCancellation    = "fulfilment.request_cancellation"
	CommandCancel                 = "fulfilment.cancel"
	CommandDeclineCancellation    = "fulfilment.decline_cancellation"
	CommandPlaceHold              = "fulfilment.place_hold"
	CommandReleaseHold            = "fulfilment.release_hold"
)

// transition refuses c because of where f stands.
func transition(f *Fulfilment, c Command) error {
	return InvalidTransition{Command: c.CommandType(), Status: f.Status(), Allowed: Allowed(f)}
}
