// Package timeline is the read model of what happened to an order: every event of its stream, every event of other
// streams that belongs to it, and every command that was refused, each with who asked, what caused it, a sentence for
// people and the payload.
//
// Types of events that it does not know are shown all the same, in a general form: the timeline is the list of events,
// not a selection of it. Personal data is shown as a mark unless the caller asks for it.
package timeline

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"waybill/eventstore"
	"waybill/projections/keyset"
)

// The kinds of entries.
const (
	KindEvent   = "event"
	KindRefused = "refused"
)

// Entry is one line of a timeline: an event, or a command that was refused.
type Entry struct {
	Kind          string          `json:"kind"`
	Position      int64           `json:"position"`          // of the event; of a refused command, the end of the log then
	Stream        string          `json:"stream,omitempty"`  // of the event
	Version       int64           `json:"version,omitempty"` // of the event in its stream
	EventID       string          `json:"event_id,omitempty"`
	Type          string          `json:"type"` // of the event, such as "order.placed", or of the command, such as "order.cancel"
	Schema        int16           `json:"schema,omitempty"`
	Time          time.Time       `json:"time"`                 // when it was recorded
	OccurredAt    time.Time       `json:"occurred_at,omitzero"` // when it happened, if that is not when it was recorded
	Actor         string          `json:"actor,omitempty"`
	Channel       string          `json:"channel,omitempty"`
	Command       string          `json:"command,omitempty"`    // type of the command that caused it
	CommandID     string          `json:"command_id,omitempty"` // on the first event of a commit, and on a refused command
	CorrelationID string          `json:"correlation_id,omitempty"`
	CausationID   string          `json:"causation_id,omitempty"`
	Code          string          `json:"code,omitempty"` // of the refusal
	Text          string          `json:"text"`           // one sentence for people, without personal data
	Payload       json.RawMessage `json:"payload"`        // a JSON object; numbers are exact
}

// Filter says which entries a page has.
type Filter struct {
	OrderID     string   `json:"order_id"`
	Types       []string `json:"type,omitempty"`         // of events or commands; any of them
	OldestFirst bool     `json:"oldest_first,omitempty"` // default: newest first
	Personal    bool     `json:"-"`                      // show personal data; only for who has the right
	Limit       int      `json:"-"`                      // 0: [keyset.DefaultLimit]
	Cursor      string   `json:"-"`
}

// Page is one page of a timeline.
type Page = keyset.Page[Entry]

// Outcomes finds the commands that were refused. The log is one; nil leaves refused commands out.
type Outcomes interface {
	// OutcomesByKey returns the outcomes without events that were stored under a key, the newest first, at most limit.
	OutcomesByKey(ctx context.Context, key string, limit int) ([]eventstore.Outcome, error)
}

// Until says where a replay stops: at whichever of its limits comes first. The zero value has none.
type Until struct {
	Version  int64     // of the order's stream; events of other streams count up to the position of that version
	Position int64     // inclusive
	At       time.Time // recorded at or before
}

// maxRefused bounds how many refused commands of one order are looked at: the latest.
const maxRefused = 1000

// refusedRank places a refused command behind the event that was the end of the log when it was refused.
const refusedRank = 1

// place is where an entry stands in the order of a timeline.
type place struct {
	position int64
	rank     int64 // 0 for the event itself
	at       int64 // of a refused command, microseconds
	id       uuid.UUID
}
