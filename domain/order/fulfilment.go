package order

import (
	"fmt"
	"slices"

	"waybill/domain"
)

// Assignment is the units that were handed out to one fulfilment. Each unit of it ends once: unassigned, or shipped.
type Assignment struct {
	FulfilmentID string         `msgpack:"fulfilment_id,omitempty"`
	Location     string         `msgpack:"location,omitempty"`
	Lines        []LineQuantity `msgpack:"lines,omitempty"`      // as assigned, in the order of the order's lines
	Unassigned   []Unassignment `msgpack:"unassigned,omitempty"` // what came back, in order
	Parcels      []Parcel       `msgpack:"parcels,omitempty"`    // what left, in order
	At           domain.Time    `msgpack:"at"`
}

// Unassignment is units that a fulfilment gave back.
type Unassignment struct {
	ID    string         `msgpack:"unassignment_id,omitempty"`
	Lines []LineQuantity `msgpack:"lines,omitempty"`
}

// left returns how many units of a line the fulfilment still has.
func (a *Assignment) left(lineID string) int64 {
	n := quantityOf(a.Lines, lineID)
	for i := range a.Unassigned {
		n -= quantityOf(a.Unassigned[i].Lines, lineID)
	}
	for i := range a.Parcels {
		n -= quantityOf(a.Parcels[i].Lines, lineID)
	}
	return n
}

// Rest returns all units that the fulfilment still has.
func (a *Assignment) Rest() []LineQuantity {
	var rest []LineQuantity
	for _, l := range a.Lines {
		if n := a.left(l.LineID); n > 0 {
			rest = append(rest, LineQuantity{LineID: l.LineID, Quantity: n})
		}
	}
	return rest
}

// quantityOf returns the units of a line in list.
func quantityOf(list []LineQuantity, lineID string) int64 {
	for _, l := range list {
		if l.LineID == lineID {
			return l.Quantity
		}
	}
	return 0
}

// UnassignReason says why a fulfilment gave units back.
type UnassignReason string

// The reasons to give units back.
const (
	UnassignRejected  UnassignReason = "rejected"  // the location did not take them
	UnassignShort     UnassignReason = "short"     // they were not found
	UnassignCancelled UnassignReason = "cancelled" // the fulfilment was recalled
	UnassignRerouted  UnassignReason = "rerouted"  // another location takes them
)

// AssignFulfilment hands open units out to a fulfilment. A hold on [VerbShip] refuses it.
type AssignFulfilment struct {
	ID           ID
	FulfilmentID string // unique in the order
	Location     string
	Lines        []LineQuantity // each line once
	Now          domain.Time
}

// UnassignFulfilment takes units back from a fulfilment: they are open again.
type UnassignFulfilment struct {
	ID             ID
	FulfilmentID   string
	UnassignmentID string         // unique in the fulfilment
	Lines          []LineQuantity // empty for all that it still has
	Reason         UnassignReason
	Now            domain.Time
}

// FulfilmentAssigned records units that were handed out to a fulfilment.
type FulfilmentAssigned struct {
	FulfilmentID string         `msgpack:"fulfilment_id,omitempty"`
	Location     string         `msgpack:"location,omitempty"`
	Lines        []LineQuantity `msgpack:"lines,omitempty"`
	At           domain.Time    `msgpack:"at"`
}

// FulfilmentUnassigned records units that are open again.
type FulfilmentUnassigned struct {
	FulfilmentID   string         `msgpack:"fulfilment_id,omitempty"`
	UnassignmentID string         `msgpack:"unassignment_id,omitempty"`
	Lines          []LineQuantity `msgpack:"lines,omitempty"`
	Reason         UnassignReason `msgpack:"reason"`
	At             domain.Time    `msgpack:"at"`
}

// OrderID implements [Command].
func (c AssignFulfilment) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (AssignFulfilment) CommandType() string { return CommandAssignFulfilment }

// OrderID implements [Command].
func (c UnassignFulfilment) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (UnassignFulfilment) CommandType() string { return CommandUnassignFulfilment }

// EventType implements [Event].
func (FulfilmentAssigned) EventType() string { return TypeFulfilmentAssigned }

// SchemaVersion implements [Event].
func (FulfilmentAssigned) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (FulfilmentUnassigned) EventType() string { return TypeFulfilmentUnassigned }

// SchemaVersion implements [Event].
func (FulfilmentUnassigned) SchemaVersion() int16 { return schemaFirst }

func (c AssignFulfilment) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.id("fulfilment_id", c.FulfilmentID)
	f.check(domain.CheckLocation("location", c.Location))
	f.someQuantities(c.Lines)
	if f.err != nil {
		return nil, f.err
	}
	lines, err := o.sorted(c.Lines)
	if err != nil {
		return nil, err
	}
	if i := o.assignmentIndex(c.FulfilmentID); i >= 0 {
		a := &o.Fulfilments[i]
		if a.Location != c.Location || !slices.Equal(a.Lines, lines) {
			return nil, FulfilmentConflict{FulfilmentID: a.FulfilmentID, Location: a.Location, Lines: a.Lines}
		}
		return nil, nil
	}
	if !o.mayAssign() {
		return nil, transition(o, c)
	}
	if err := o.blocked(VerbShip, c.Now); err != nil {
		return nil, err
	}
	if len(o.Fulfilments) >= MaxFulfilments {
		return nil, domain.LimitExceeded{Field: "fulfilments", Limit: MaxFulfilments, Actual: MaxFulfilments + 1, Unit: "fulfilments"}
	}
	for i, q := range lines {
		l, _ := o.Line(q.LineID)
		if !l.Line.RequiresShipping {
			return nil, domain.InvalidField{Field: f.at("lines", i) + ".line_id", Reason: "is " + q.LineID + ", which is not shipped"}
		}
		if free := l.free(); q.Quantity > free {
			return nil, QuantityExceedsOpen{LineID: q.LineID, Requested: q.Quantity, Open: free}
		}
	}
	return []Event{FulfilmentAssigned{FulfilmentID: c.FulfilmentID, Location: c.Location, Lines: lines, At: c.Now}}, nil
}

func (e FulfilmentAssigned) apply(o *Order) {
	o.Fulfilments = append(o.Fulfilments, Assignment{FulfilmentID: e.FulfilmentID, Location: e.Location, Lines: e.Lines, At: e.At})
	o.each(e.Lines, func(l *LineState, n int64) { l.Assigned += n })
	o.Changed, o.UpdatedAt = o.Version+1, e.At
}

func (c UnassignFulfilment) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.id("fulfilment_id", c.FulfilmentID)
	f.id("unassignment_id", c.UnassignmentID)
	oneOf(f, "reason", c.Reason, UnassignRejected, UnassignShort, UnassignCancelled, UnassignRerouted)
	f.quantities(c.Lines)
	if f.err != nil {
		return nil, f.err
	}
	lines, err := o.sorted(c.Lines)
	if err != nil {
		return nil, err
	}
	i := o.assignmentIndex(c.FulfilmentID)
	if i < 0 {
		return nil, UnknownFulfilment{FulfilmentID: c.FulfilmentID}
	}
	a := &o.Fulfilments[i]
	for _, u := range a.Unassigned {
		if u.ID != c.UnassignmentID {
			continue
		}
		if len(lines) > 0 && !slices.Equal(u.Lines, lines) {
			return nil, FulfilmentConflict{FulfilmentID: a.FulfilmentID, Location: a.Location, Lines: u.Lines}
		}
		return nil, nil
	}
	if len(lines) == 0 {
		if lines = a.Rest(); len(lines) == 0 {
			return nil, nil // all of it has ended
		}
	}
	for _, q := range lines {
		if left := a.left(q.LineID); q.Quantity > left {
			return nil, QuantityExceedsAssigned{FulfilmentID: a.FulfilmentID, LineID: q.LineID, Requested: q.Quantity, Assigned: left}
		}
	}
	return []Event{FulfilmentUnassigned{
		FulfilmentID: c.FulfilmentID, UnassignmentID: c.UnassignmentID, Lines: lines, Reason: c.Reason, At: c.Now,
	}}, nil
}

func (e FulfilmentUnassigned) apply(o *Order) {
	if i := o.assignmentIndex(e.FulfilmentID); i >= 0 {
		o.Fulfilments[i].Unassigned = append(o.Fulfilments[i].Unassigned, Unassignment{ID: e.UnassignmentID, Lines: e.Lines})
	}
	o.each(e.Lines, func(l *LineState, n int64) { l.Assigned -= n })
	o.Changed, o.UpdatedAt = o.Version+1, e.At
}

func (o *Order) assignmentIndex(id string) int {
	return slices.IndexFunc(o.Fulfilments, func(a Assignment) bool { return a.FulfilmentID == id })
}

// mayAssign reports whether the lifecycle of o lets units be handed out.
func (o *Order) mayAssign() bool { return o.Lifecycle == LifecycleConfirmed }

// free returns how many units can be handed out: open ones of a line that is shipped, less those that a cancellation asks for.
func (l *LineState) free() int64 {
	if !l.Line.RequiresShipping {
		return 0
	}
	return max(0, l.Open()-l.CancelRequested)
}

// each calls do for the lines that list names.
func (o *Order) each(list []LineQuantity, do func(l *LineState, n int64)) {
	for _, q := range list {
		if i := o.lineIndex(q.LineID); i >= 0 {
			do(&o.Lines[i], q.Quantity)
		}
	}
}

// sorted returns list in the order of the lines of o, and refuses a line that o does not have.
func (o *Order) sorted(list []LineQuantity) ([]LineQuantity, error) {
	for _, q := range list {
		if o.lineIndex(q.LineID) < 0 {
			return nil, UnknownLine{LineID: q.LineID}
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b LineQuantity) int { return o.lineIndex(a.LineID) - o.lineIndex(b.LineID) })
	return list, nil
}

// quantities checks a list of units of lines, which may be empty.
func (f *fields) quantities(lines []LineQuantity) {
	f.count("lines", len(lines), MaxLines, "lines")
	for i, l := range lines {
		if l.Quantity < 1 {
			f.check(domain.InvalidField{
				Field: f.at("lines", i) + ".quantity", Reason: fmt.Sprintf("is %d, at least 1 is needed", l.Quantity),
			})
		}
	}
	unique(f, "lines", lines, func(l *LineQuantity) string { return l.LineID })
}

// someQuantities is quantities for a list that must be given.
func (f *fields) someQuantities(lines []LineQuantity) {
	if len(lines) == 0 {
		f.check(domain.InvalidField{Field: "lines", Reason: "are missing"})
	}
	f.quantities(lines)
}
