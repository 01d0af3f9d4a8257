// Package stock is the stock of one SKU at one location: how many units are there, and who has a claim on them.
// It protects one promise: units are never sold twice.
//
// A reservation goes one way, and each of its units ends exactly once: issued, released, or expired. Every verb but Confirm
// and Expire may name some of the units, and leaves the others where they are:
//
//	Reserve         Confirm               Allocate                Issue
//	   │     Held ───────────► Confirmed ────────────► Allocated ───────► Issued
//	   └──────┤ │                 │ ▲  ◄──────────────┘   │
//	   Expire │ │ Release         │ │     Deallocate      │
//	          ▼ │                 │ └ units that waited    │ Release, by
//	    Expired │                 │   are filled           │ fulfilment
//	            └────────────► Released ◄─────────────────┘
//
// An allocation belongs to a fulfilment, which is given units of a reservation once. Held and confirmed units are covered by
// what lies there, or wait for a receipt; only covered and confirmed ones can be allocated. A reservation is called allocated
// when all of its open units are, and ends as its last units did.
//
// The arithmetic, all in units:
//
//	on_hand   = received + adjusted + restocked + transferred in − transferred out − issued    what lies there
//	free      = on_hand − unavailable − safety − reserved             what nobody has a claim on
//	available = max(0, free − backordered)                            what a new reservation may take
//	oversold  = max(0, reserved − max(0, on_hand − unavailable − safety))    zero, except by a fact (see below)
//
// reserved are the units of open reservations that are covered by what lies there, allocated ones among them, backordered
// those that wait for a receipt. unavailable are the units that lie there and cannot be sold: damaged, in quality control, or
// for another reason.
//
// Units that become free, by whatever cause, go to confirmed reservations that wait: to the one that was confirmed first, then
// reserved first, in part if they do not suffice ([BackorderFilled], in the commit of the cause). Held ones join the line when
// they are confirmed; until then what they wait for is no more available than the rest.
//
// A physical fact is always recorded. When an adjustment, a count or damage says that less is there than was promised, an
// [OversoldDetected] follows, which proposes who gives up units; nothing is refused and nothing is taken away from anybody
// here. Units that left without being allocated lead to an [AnomalyDetected].
//
// Expiry is lazily true: a Held reservation past its time has no claim, even if nobody has swept it. The fold has no clock,
// so the decision does it: a command that needs units first expires lapsed reservations, by events of the same commit, the
// earliest first, as many as it needs and otherwise up to [SpareExpiry] as housekeeping: so few that an order of the most
// lines still fits one commit. So at every prefix of the log, without any clock, reserved never exceeds what there is by a
// command. A fact expires up to [FactExpiry]; if more have lapsed, they are not told as oversold, but reserved counts
// them until they are expired. Deciding and applying cost what the command names, plus what it expires and fills, whatever
// number of reservations is open or has ended; only naming the victims of an oversold item may look at all open ones.
//
// Not here: which location serves an order, what is on its way to one, when something is ordered again, and moving units
// between two items in one commit, which takes a command for each.
package stock

import (
	"strconv"
	"strings"

	"waybill/domain"
)

// Limits of one item.
const (
	MaxQuantity      = 1_000_000_000_000 // units of one movement, of what is on hand, and of what is claimed
	MaxReservations  = 1_000             // reservations named by one command
	ExpiryBatch      = 256               // lapsed reservations that an [Expire] without names ends
	SpareExpiry      = 2                 // lapsed reservations that another command expires without needing their units
	FactExpiry       = 1_000             // lapsed reservations that a physical fact expires at most
	SpareFill        = 1                 // waiting reservations that are filled by a command that an order sends to all its items at once
	FactFill         = 1_000             // waiting reservations that any other command fills at most
	MaxVictims       = 100               // reservations that are proposed to give up units that are not there
	MaxAllocations   = 100               // fulfilments that one reservation is ever allocated to
	MaxDeallocations = 100               // times that units of one allocation are taken back
	MaxUnits         = 1_000             // units that one command brings back
	ClosedMemory     = 4_096             // closed reservations that are remembered
	MovementMemory   = 1_024             // movements that are remembered, issues not among them
	IssuesOfOne      = 1_000             // issues that an open reservation remembers, whatever else is issued
	IssueMemory      = 4_096             // issues that are remembered without an open reservation
	RestockMemory    = 4_096             // units brought back that are remembered
)

// streamPrefix begins the name of every stream of an item.
const streamPrefix = "stock-"

// Stream returns the name of the stream of sku at location.
func Stream(sku, location string) string { return streamPrefix + sku + "@" + location }

// ParseStream returns the SKU and location whose stream is named; ok is false for a stream of something else.
func ParseStream(stream string) (sku, location string, ok bool) {
	rest, ok := strings.CutPrefix(stream, streamPrefix)
	if !ok {
		return "", "", false
	}
	sku, location, ok = strings.Cut(rest, "@")
	if !ok || sku == "" || location == "" {
		return "", "", false
	}
	return sku, location, true
}

// ReservationID returns the id of the attempt-th reservation for a line of an order, counted from 1. An id is used
// once: after an expired reservation comes the next attempt.
func ReservationID(orderID, lineID string, attempt int) string {
	return orderID + ":" + lineID + ":" + strconv.Itoa(attempt)
}

// Event is something that happened to an item.
//
//sumtype:decl
type Event interface {
	// EventType returns the stored name, never renamed and never reused.
	EventType() string
	// SchemaVersion returns the number of the stored form that [Encode] writes.
	SchemaVersion() int16
	// Order returns the id of the order that the event belongs to, "" if it belongs to the item alone.
	Order() string
	// count says what the event means for the sums.
	count(s *Sums)
	// apply folds the rest of the event into i, which it owns: what it means for reservations and memories. It seals the set.
	apply(i *Item)
}

// Command is a request to change an item.
//
//sumtype:decl
type Command interface {
	// ItemKey returns the item that is asked to change.
	ItemKey() Key
	// CommandType returns the stable name of the command, such as "stock.reserve".
	CommandType() string
	// decide returns what the command causes on i, and changes nothing. No events and no error: already done.
	decide(i *Item) ([]Event, error)
}

// Key names an item: one SKU at one location. Commands embed it.
type Key struct {
	SKU      string
	Location string
}

// ItemKey implements part of [Command].
func (k Key) ItemKey() Key { return k }

// Stream returns the name of the item's stream.
func (k Key) Stream() string { return Stream(k.SKU, k.Location) }

// Evolve folds e into i.
func Evolve(i *Item, e Event) {
	e.count(&i.Sums)
	e.apply(i)
}

// Decide says which events c causes on i. It changes nothing. The error is a [domain.Refusal] or a fault of the program;
// no events and no error mean that what was asked for already holds.
func Decide(i *Item, c Command) ([]Event, error) {
	k := c.ItemKey()
	if err := domain.CheckSKU("sku", k.SKU); err != nil {
		return nil, err
	}
	if err := domain.CheckLocation("location", k.Location); err != nil {
		return nil, err
	}
	return c.decide(i)
}

// The names of the commands.
const (
	CommandReceive            = "stock.receive"
	CommandAdjust             = "stock.adjust"
	CommandCount              = "stock.count"
	CommandMakeUnavailable    = "stock.make_unavailable"
	CommandMakeAvailable      = "stock.make_available"
	CommandTransferOut        = "stock.transfer_out"
	CommandTransferIn         = "stock.transfer_in"
	CommandRestock            = "stock.restock"
	CommandReserve            = "stock.reserve"
	CommandExtend             = "stock.extend"
	CommandConfirm            = "stock.confirm"
	CommandRelease            = "stock.release"
	CommandExpire             = "stock.expire"
	CommandAllocate           = "stock.allocate"
	CommandDeallocate         = "stock.deallocate"
	CommandIssue              = "stock.issue"
	CommandFillBackorders     = "stock.fill_backorders"
	CommandSetBackorderPolicy = "stock.set_backorder_policy"
	CommandSetSafetyStock     = "stock.set_safety_stock"
	CommandSetThreshold       = "stock.set_threshold"
)
