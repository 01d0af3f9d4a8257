// Package projections keeps the read models: it follows the log and folds events into tables that queries read.
//
// Every projection is independent: it has its own checkpoint, its own speed, its own failures, and can be rebuilt
// alone. A batch of events and the checkpoint move in one transaction, so an event counts once however often it is
// delivered. The package never writes to the log.
//
//   - [Runner] keeps one version of one projection up to date. It reads the log in pages when far behind, and follows
//     a [Feed] near the head; whatever the feed does not deliver it reads from the log.
//   - [Checkpoints] lets queries wait for a position (read your writes), in a process with runners or without.
//   - [Admin] flips readers to a version that was built beside the live one, and back; drops and resets versions; lists,
//     retries and skips what is parked.
//   - [Verify] compares a read model with the fold of its log, while both go on.
//   - [Table] is for those who write read models: many rows, one statement.
//
// The batches do not wait for the disk (synchronous_commit is off for them alone). A crash of Postgres may therefore
// cost the last of them, rows and checkpoint together, and they are read from the log again. That a reader who was
// shown a position is never shown less does not suffer: positions are told as the database has them, never as a
// runner remembers them, and whoever asks for a position that the crash took waits until it is back.
package projections

import (
	"context"

	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
)

// Event is an event as a projection sees it, with its metadata decoded.
type Event struct {
	eventstore.Event
	Meta eventstore.Meta
}

// Projection folds events into one read model. Package projectiontest holds every one of them to this contract:
// folding the log in any batches, from any prefix, gives the same rows to the byte.
type Projection interface {
	// Name is the key of the checkpoint and the first part of the schema's name, such as "order_list".
	Name() string
	// Version grows when tables or fold change; a new one is built beside the old, and flipped to when it is whole.
	Version() int
	// Types are the event types that it wants; the checkpoint moves past the others.
	Types() []string
	// Schema is the SQL that makes its tables, all of them with a primary key. Names are unqualified: every version has
	// a schema of its own, "<name>_v<version>", and the search path leads there, and nowhere else, in Schema and Apply.
	// Changing it takes a new Version: the runner stops if it finds tables that were made by other SQL.
	Schema() string
	// Tables are the tables that readers see, as views in the schema readmodel: queries read "readmodel.<table>". No
	// other projection may have a table of that name there.
	Tables() []string
	// Key names what has to stay in order: when an event cannot be applied, the later ones of its key are parked
	// behind it, and all other keys flow on. So events of different keys must not depend on each other's order. It is
	// also called beside Apply, for the page after.
	Key(e *Event) string
	// Apply folds a batch of wanted events, in order, in the transaction that also moves the checkpoint. It depends
	// on nothing but the events and its own tables: no clock, no randomness, no other read model. It folds in
	// memory what it can and writes with one multi-row statement for each table, by [Table]. The sessions it runs in
	// are set up for that: they prefer to find rows by an index whatever the tables' statistics say. An error, or a
	// panic, means that the batch is taken apart until the event that fails stands alone; that one is parked. So it
	// must not keep anything between two calls that a failed transaction would make wrong.
	Apply(ctx context.Context, tx pgx.Tx, events []Event) error
}
