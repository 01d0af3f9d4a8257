// Package commands carries out commands: it loads the aggregates that a command concerns, lets them decide, and
// proposes what they decided to the log, all of it or nothing.
//
// A command has one outcome, whatever happens on the way: it is accepted, and its events are in the log; or refused,
// and the refusal is in the log's outcomes; or its outcome is unknown for the moment, and sending it again with the
// same id finds it out. The package knows nothing of HTTP, NATS or JSON bodies (package api does), and nothing of
// what happens after the commit (relay, projections, processes).
package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"waybill/domain/order"
	"waybill/domain/stock"
)

// Command asks for a change: one or more steps, each a domain command on one stream, carried out in one commit.
type Command struct {
	// ID is the idempotency key: one id, one outcome, for ever.
	ID uuid.UUID
	// Type is its name, such as "order.place" or "stock.reserve".
	Type string
	// Fingerprint tells whether two commands with one id ask for the same thing. An empty one matches everything.
	Fingerprint []byte

	Actor         string // who asks: "key:web-shop", "process:placement"
	Channel       string // the way in: "web", "erp"
	CorrelationID string // empty: the command's id
	CausationID   string // empty: the command's id
	Traceparent   string // W3C trace context
	OccurredAt    time.Time

	// Key is the partition key of the events; it is the order id for all that concerns an order. Empty: the stream.
	Key string
	// Steps are decided in order; two steps on one stream follow one another. At least one.
	Steps []Step
	// Claims are keys that only one commit in the whole log may ever hold. The claims of an order that is placed, on its
	// source reference and its number, are made by the bus and need not be named here.
	Claims []string
	// Expected is the version that the first step's stream must have; nil: whatever it has.
	Expected *int64
	// DryRun asks what would happen. Nothing is stored, and the id is not used up.
	DryRun bool
}

// Step is one domain command on the stream of its aggregate. [Order] and [Stock] make one.
type Step struct {
	order order.Command // one of the two is set
	stock stock.Command
}

// Order makes a step of an order command.
func Order(c order.Command) Step { return Step{order: c} }

// Stock makes a step of a stock command.
func Stock(c stock.Command) Step { return Step{stock: c} }

// Result is what an accepted command did. It is the same when the same command is sent again.
type Result struct {
	CommandID uuid.UUID
	// Position is that of the last event; the log's head at that time if the command changed nothing.
	Position int64
	Epoch    uuid.UUID
	// Streams are the streams that the command changed, in order of first mention, with the version that it left them
	// at. If it changed nothing, they are the streams of its steps, at the version at which that was found out.
	Streams []StreamVersion
	// Events are what the command caused, in order. None: there was nothing left to do.
	Events []Caused
	// Replayed says that the outcome was stored before: this call changed nothing.
	Replayed bool
	// DryRun says that nothing was stored; positions are zero then.
	DryRun bool
}

// StreamVersion is a stream and the version it is at.
type StreamVersion struct {
	Stream  string `json:"stream"`
	Version int64  `json:"version"`
}

// Caused is one event that a command caused.
type Caused struct {
	Position int64
	Stream   string
	Version  int64
	ID       uuid.UUID // as it is stored; zero in a dry run
	Type     string
	Schema   int16
	Event    any // order.Event or stock.Event
}

// The ways in which a command can fail besides being refused. All leave the log unchanged, but for
// [eventstore.ErrOutcomeUnknown], which says that nobody knows yet.
var (
	// ErrInvalid is matched when the command itself is malformed; nothing was stored, and the id is not used up.
	ErrInvalid = errors.New("invalid command")
	// ErrKeyReused is matched when the id belongs to a command that asked for something else.
	ErrKeyReused = errors.New("command id was used for another command")
	// ErrInFlight is matched when a command with this id is being carried out at this moment. Ask again later.
	ErrInFlight = errors.New("command is in flight")
	// ErrContended is matched when the streams kept moving under every attempt. Nothing was stored; send it again.
	ErrContended = errors.New("streams kept moving")
	// ErrUnknownCommand is matched when the log has no outcome of a command: it was never sent, it is still being
	// carried out, or it failed without an outcome and may be sent again.
	ErrUnknownCommand = errors.New("command has no outcome")
)

// Refused is the error of a command that the state of its aggregates does not allow. It is stored, and returned
// again for the same command id.
type Refused struct {
	CommandID uuid.UUID       `json:"-"`
	Code      string          `json:"code"`             // stable, such as "insufficient-stock"
	Detail    string          `json:"detail"`           // for people
	Values    json.RawMessage `json:"values,omitempty"` // what was asked and what is possible, as a JSON object
	Stream    string          `json:"stream,omitempty"` // whose state refused it
	Version   int64           `json:"version"`          // of that stream then
	State     string          `json:"state,omitempty"`  // of that aggregate then, such as "cancelled"
	Allowed   []string        `json:"allowed,omitempty"`
	Position  int64           `json:"-"` // the log's head then
	Replayed  bool            `json:"-"` // the refusal was stored before
	DryRun    bool            `json:"-"`
}

func (r *Refused) Error() string { return fmt.Sprintf("refused: %s: %s", r.Code, r.Detail) }

// VersionError says that the stream is not at the version that the command expected. It is not stored: the same id
// may be used again.
type VersionError struct {
	Stream           string
	Expected, Actual int64
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("stream %s is at version %d, the command expects %d", e.Stream, e.Actual, e.Expected)
}
