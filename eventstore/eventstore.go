// Package eventstore keeps the log: every event that was ever accepted, in one dense order, in Postgres.
//
// What it promises (the names L1 to L7 are those of docs/architecture.md):
//
//   - L1 positions are dense (1, 2, 3, …) and in commit order, so a reader that asks for everything after its
//     cursor never misses an event.
//   - L2 a stream's versions are dense and unique.
//   - L3 a commit is all or nothing, across any number of streams.
//   - L4 one command id has one outcome, and the outcome is stored.
//   - L5 what was acknowledged is on disk.
//   - L6 nothing is ever updated, deleted or truncated.
//   - L7 a restored log has a new epoch, and whoever still holds the old one is fenced off.
//
// It never looks inside an event's Data: what an event means is the business of the domain packages. It does not
// decide, retry or cache (package commands does), and it does not publish (package relay does).
//
// [Postgres] is the log itself, [Memory] the same contract without a disk. Package eventstoretest holds both to it.
package eventstore

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"
)

// Event is one stored fact.
type Event struct {
	Position   int64     // place in the log, from 1, without holes
	Stream     string    // what it happened to, such as "order-0198…"
	Version    int64     // place in the stream, from 1, without holes
	ID         uuid.UUID // names this event for ever
	CommandID  uuid.UUID // the command that caused it; only on the first event of a commit
	Type       string    // stored name, such as "order.placed"; never renamed, never reused
	Schema     int16     // schema number of Data within Type, from 1
	Data       []byte    // msgpack; opaque to the store
	Meta       []byte    // msgpack of [Meta]
	RecordedAt time.Time // when the log took it, UTC, microseconds
}

// NewEvent is an event that is yet to be appended: the log gives it its place and time.
type NewEvent struct {
	ID     uuid.UUID // zero: the log makes a UUIDv7
	Type   string
	Schema int16
	Data   []byte
	Meta   []byte
}

// StreamEvents are the events that a commit adds to one stream.
type StreamEvents struct {
	ID string
	// Expected is the version that the stream must have when the commit takes place; 0 means that it must be new.
	Expected int64
	// Events follow in order. Without any, the entry is a guard: the commit takes place only if the stream still
	// has the expected version, and adds nothing to it.
	Events []NewEvent
}

// Commit is what one command adds to the log: all of it, or nothing.
type Commit struct {
	// CommandID is the key under which the outcome is kept; it is required.
	CommandID uuid.UUID
	// Fingerprint tells two commands under one id apart; it is stored and returned, and never compared here.
	Fingerprint []byte
	// Streams must not name one stream twice.
	Streams []StreamEvents
	// Claims are keys, such as "source:web/123", that only one commit in the whole log may ever hold.
	Claims []string
	// Verdict is stored as the outcome of a commit that adds no event. It is required for such a commit, and must
	// be nil for one that adds events: their outcome is the events themselves.
	Verdict *Verdict
}

// Verdict is the stored outcome of a command that added no event: it was refused, or there was nothing left to do.
type Verdict struct {
	Refused bool
	Code    string // stable code of the refusal; empty if accepted
	Key     string // what it concerns: the key under which a timeline finds it, usually an order id
	Type    string // the command's type, such as "order.cancel"
	Data    []byte // opaque to the store: what the caller needs to answer the same again
	Meta    []byte // msgpack of [Meta]
}

// Receipt says where a commit stands in the log.
type Receipt struct {
	First, Last int64 // positions of its first and last event; for a commit without events, both are the log's head then
	Epoch       uuid.UUID
}

// Outcome is what became of a command: events at a place in the log, or a verdict.
type Outcome struct {
	CommandID   uuid.UUID
	Fingerprint []byte
	Receipt     Receipt
	Verdict     *Verdict // nil if the command added events
	RecordedAt  time.Time
}

// Head is the end of the log.
type Head struct {
	Position int64 // of the last event; 0 for an empty log
	Epoch    uuid.UUID
}

// Appender takes commits.
type Appender interface {
	// Append adds a commit and waits until it is durable. It is Propose and Wait in one.
	Append(ctx context.Context, c Commit) (Receipt, error)
	// Propose queues a commit and returns at once, or waits while the queue is full until ctx ends.
	//
	// Proposals are decided in the order in which Propose was called, so one may expect the version that the one
	// before it leaves behind. What was queued is carried out whatever becomes of ctx.
	//
	// A commit that was decided on what earlier proposals will leave names them in after: it takes place only if each
	// of them did, and otherwise fails with an error that matches [ErrConflict]. Versions alone do not say that: where
	// a writer elsewhere took the version of a proposal that failed, the next one finds the version that it expects,
	// with other events behind it.
	Propose(ctx context.Context, c Commit, after ...*Proposal) (*Proposal, error)
}

// Reader reads the log.
type Reader interface {
	// ReadStream yields the events of one stream from version from on, in order. A stream that does not exist
	// yields nothing. It may hold a connection while the caller works: keep the loop short, or break it.
	ReadStream(ctx context.Context, stream string, from int64) iter.Seq2[Event, error]
	// ReadLog returns the events from position from on, in order, at most limit of them (1 to [MaxPage]).
	// No connection is held when it returns.
	ReadLog(ctx context.Context, from int64, limit int) ([]Event, error)
	// Head returns the end of the log.
	Head(ctx context.Context) (Head, error)
}

// Outcomes finds what became of a command.
type Outcomes interface {
	// Outcome returns the stored outcome of a command; ok is false if the log has none.
	Outcome(ctx context.Context, commandID uuid.UUID) (o Outcome, ok bool, err error)
}

// Log is the whole contract of a log. Package eventstoretest holds every implementation to it.
type Log interface {
	Appender
	Reader
	Outcomes
}

// Snapshot is the state of a stream at a version, kept to shorten a load. It is a cache: a missing, old or
// unreadable one means that the events are replayed, and never a failure.
type Snapshot struct {
	Stream  string
	Version int64 // the last event that is folded into it
	Schema  int16 // of Data; one that the reader does not know is passed over
	Data    []byte
}

// Snapshots keeps one snapshot a stream.
type Snapshots interface {
	// LoadSnapshot returns the snapshot of a stream; ok is false if there is none.
	LoadSnapshot(ctx context.Context, stream string) (s Snapshot, ok bool, err error)
	// SaveSnapshot keeps s, unless a newer one is kept already.
	SaveSnapshot(ctx context.Context, s Snapshot) error
}

// Limits of one commit and one page.
const (
	MaxPage         = 10_000   // events that ReadLog returns at most
	MaxCommitEvents = 5_000    // events in one commit
	MaxCommitBytes  = 32 << 20 // bytes of Data and Meta in one commit, about
	MaxEventBytes   = 1 << 20  // bytes of Data and Meta of one event, and of a verdict
	MaxStreamName   = 200      // bytes of a stream's name
)
