package order

import (
	"slices"

	"waybill/domain"
)

// Note is a remark on an order.
type Note struct {
	ID     string          `msgpack:"note_id,omitempty"`
	Text   domain.Personal `msgpack:"text,omitempty"`
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
	NoteID string          `msgpack:"note_id,omitempty"`
	Text   domain.Personal `msgpack:"text,omitempty"`
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
	Tags []string    `msgpack:"tags,omitempty"` // sorted
	At   domain.Time `msgpack:"at"`
}

// Untagged records tags that are gone.
type Untagged struct {
	Tags []string    `msgpack:"tags,omitempty"` // sorted
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

func (c AddNote) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.id("note_id", c.NoteID)
	if c.Text.IsZero() {
		f.check(domain.InvalidField{Field: "text", Reason: "is missing"})
	}
	f.check(domain.CheckPersonal("text", c.Text, MaxText))
	if f.err != nil {
		return nil, f.err
	}
	for i := range o.Notes {
		if o.Notes[i].ID != c.NoteID {
			continue
		}
		if o.Notes[i].Text != c.Text || o.Notes[i].Public != c.Public {
			return nil, NoteConflict{NoteID: c.NoteID}
		}
		return nil, nil
	}
	if len(o.Notes) >= MaxNotes {
		return nil, domain.LimitExceeded{Field: "notes", Limit: MaxNotes, Actual: MaxNotes + 1, Unit: "notes"}
	}
	return []Event{NoteAdded{NoteID: c.NoteID, Text: c.Text, Public: c.Public, At: c.Now}}, nil
}

func (e NoteAdded) apply(o *Order) {
	o.Notes = append(o.Notes, Note{ID: e.NoteID, Text: e.Text, Public: e.Public, At: e.At})
	o.UpdatedAt = e.At
}

func (c Tag) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	fresh, err := c.tags(o, false)
	if err != nil || len(fresh) == 0 {
		return nil, err
	}
	if n := len(o.Tags) + len(fresh); n > MaxTags {
		return nil, domain.LimitExceeded{Field: "tags", Limit: MaxTags, Actual: int64(n), Unit: "tags"}
	}
	return []Event{Tagged{Tags: fresh, At: c.Now}}, nil
}

func (e Tagged) apply(o *Order) {
	tags := slices.Concat(o.Tags, e.Tags)
	slices.Sort(tags)
	o.Tags, o.UpdatedAt = slices.Compact(tags), e.At
}

func (c Untag) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	gone, err := Tag(c).tags(o, true)
	if err != nil || len(gone) == 0 {
		return nil, err
	}
	return []Event{Untagged{Tags: gone, At: c.Now}}, nil
}

func (e Untagged) apply(o *Order) {
	o.Tags = slices.DeleteFunc(slices.Clone(o.Tags), func(t string) bool { return slices.Contains(e.Tags, t) })
	o.UpdatedAt = e.At
}

// tags returns those tags of c, sorted, each once, that o has, or has not.
func (c Tag) tags(o *Order, present bool) ([]string, error) {
	f := &fields{names: true}
	if len(c.Tags) == 0 {
		f.check(domain.InvalidField{Field: "tags", Reason: "are missing"})
	}
	f.tags(c.Tags)
	if f.err != nil {
		return nil, f.err
	}
	tags := slices.Compact(slices.Sorted(slices.Values(c.Tags)))
	return slices.DeleteFunc(tags, func(t string) bool { return slices.Contains(o.Tags, t) != present }), nil
}
