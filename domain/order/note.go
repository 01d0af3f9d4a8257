package order

import (
	"waybill/domain"
)

// Note is a remark on an order.
type Note struct {
	ID     string          `msgpack:"note_id"`
	Text   domain.Personal `msgpack:"text"`
	Public bool            `msgpack:"public"` // may be shown to the customer
	At     domain.Time     `msgpack:"at"`
}

// AddNote writes a remark on an order, whatever state it is in.
type AddNote struct {
	ID     ID
	NoteID string // unique in the order
	Text   domain.Personal
	Public bool // may be shown to the customer
	Now    domain.Time
}

// NoteAdded records a remark.
type NoteAdded struct {
	NoteID string          `msgpack:"note_id"`
	Text   domain.Personal `msgpack:"text"`
	Public bool            `msgpack:"public"`
	At     domain.Time     `msgpack:"at"`
}

// Tag puts tags on an order, whatever state it is in. Tags that are already there stay.
type Tag struct {
	ID   ID
	Tags []string
	Now  domain.Time
}

// Untag takes tags off an order. Tags that are not there are no matter.
type Untag struct {
	ID   ID
	Tags []string
	Now  domain.Time
}

// Tagged records tags that were not there before.
type Tagged struct {
	Tags []string    `msgpack:"tags"` // sorted
	At   domain.Time `msgpack:"at"`
}

// Untagged records tags that are gone.
type Untagged struct {
	Tags []string    `msgpack:"tags"` // sorted
	At   domain.Time `msgpack:"at"`
}

// OrderID implements [Command].
func (c AddNote) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (AddNote) CommandType() string { return CommandAddNote }

// OrderID implements [Command].
func (c Tag) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Tag) CommandType() string { return CommandTag }

// OrderID implements [Command].
func (c Untag) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Untag) CommandType() string { return CommandUntag }

// EventType implements [Event].
func (NoteAdded) EventType() string { return TypeNoteAdded }

// SchemaVersion implements [Event].
func (NoteAdded) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (Tagged) EventType() string { return TypeTagged }

// SchemaVersion implements [Event].
func (Tagged) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (Untagged) EventType() string { return TypeUntagged }

// SchemaVersion implements [Event].
func (Untagged) SchemaVersion() int16 { return schemaFirst }
