package returns

import (
	"cmp"
	"slices"
	"strings"

	"waybill/domain"
)

// Outcome says what became of a unit.
type Outcome string

// The outcomes of a unit.
const (
	OutcomeRestocked          Outcome = "restocked"           // as new: it goes back into stock
	OutcomeDamaged            Outcome = "damaged"             // it is written off
	OutcomeWrongItem          Outcome = "wrong_item"          // something else came in its place
	OutcomeRejectedSentBack   Outcome = "rejected_sent_back"  // it goes back to the customer
	OutcomeProcessingRequired Outcome = "processing_required" // not known yet: it will be graded again
	OutcomeMissing            Outcome = "missing"             // it was not in the parcel
	OutcomeKeepIt             Outcome = "keep_it"             // the customer keeps it
	OutcomeLostInTransit      Outcome = "lost_in_transit"     // the carrier lost it
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeRestocked, OutcomeDamaged, OutcomeWrongItem, OutcomeRejectedSentBack, OutcomeProcessingRequired,
		OutcomeMissing, OutcomeKeepIt, OutcomeLostInTransit,
	}
}

// InHand reports whether only a unit that came in can have outcome o.
func (o Outcome) InHand() bool {
	switch o {
	case OutcomeRestocked, OutcomeDamaged, OutcomeWrongItem, OutcomeRejectedSentBack, OutcomeProcessingRequired:
		return true
	case OutcomeMissing, OutcomeKeepIt, OutcomeLostInTransit:
	}
	return false
}

// Final reports whether o stands unless somebody grades the unit again.
func (o Outcome) Final() bool { return o != OutcomeProcessingRequired }

// Grade is a number of units of one line and what became of them.
type Grade struct {
	LineID   string          `msgpack:"line_id,omitempty"`
	Quantity int64           `msgpack:"quantity"`
	Outcome  Outcome         `msgpack:"outcome"`
	Location string          `msgpack:"location,omitempty"` // of restocked units: where they go; the last receipt of the line if empty in a command
	Note     domain.Personal `msgpack:"note,omitempty"`
}

// Inspection remembers an inspection.
type Inspection struct {
	ID    string      `msgpack:"inspection_id,omitempty"`
	Lines []Grade     `msgpack:"lines,omitempty"`
	At    domain.Time `msgpack:"at"`
}

// Inspect says what became of units that had no outcome yet.
type Inspect struct {
	ID           ID
	InspectionID string  // unique in the return
	Lines        []Grade // each line, outcome and location once
	Now          domain.Time
}

// Regrading remembers that units were graded again.
type Regrading struct {
	ID       string      `msgpack:"regrade_id,omitempty"`
	LineID   string      `msgpack:"line_id,omitempty"`
	Quantity int64       `msgpack:"quantity"`
	From     Outcome     `msgpack:"from"`
	To       Outcome     `msgpack:"to"`
	Location string      `msgpack:"location,omitempty"`
	At       domain.Time `msgpack:"at"`
}

// Regrade gives units another outcome. Units that stock has taken keep theirs.
type Regrade struct {
	ID        ID
	RegradeID string // unique in the return
	LineID    string
	Quantity  int64
	From      Outcome
	To        Outcome
	Location  string // if either is restocked: which shelf; the last receipt of the line if empty
	Note      domain.Personal
	Now       domain.Time
}

// ItemsInspected records what became of units.
type ItemsInspected struct {
	Head
	InspectionID string  `msgpack:"inspection_id,omitempty"`
	Lines        []Grade `msgpack:"lines,omitempty"`
}

// ItemRegraded records that units have another outcome.
type ItemRegraded struct {
	Head
	RegradeID string          `msgpack:"regrade_id,omitempty"`
	LineID    string          `msgpack:"line_id,omitempty"`
	Quantity  int64           `msgpack:"quantity"`
	From      Outcome         `msgpack:"from"`
	To        Outcome         `msgpack:"to"`
	Location  string          `msgpack:"location,omitempty"` // the shelf, if either is restocked
	Note      domain.Personal `msgpack:"note,omitempty"`
}

// ReturnID implements [Command].
func (c Inspect) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (Inspect) CommandType() string { return CommandInspect }

// ReturnID implements [Command].
func (c Regrade) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (Regrade) CommandType() string { return CommandRegrade }

// EventType implements [Event].
func (ItemsInspected) EventType() string { return TypeItemsInspected }

// EventType implements [Event].
func (ItemRegraded) EventType() string { return TypeItemRegraded }

// ungraded returns how many units of l have no outcome.
func (l *LineState) ungraded() int64 { return max(0, l.Units()-l.Graded()) }

func (r *Return) mayInspect() bool { return r.Status().open() && r.total((*LineState).ungraded) > 0 }

func (r *Return) mayRegrade() bool {
	fixed := func(l *LineState) (n int64) {
		for _, s := range l.Shelves {
			n += s.Restocked
		}
		return n
	}
	return r.Status().open() && r.total((*LineState).Graded) > r.total(fixed)
}

func (c Inspect) decide(r *Return) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(r.Inspections, func(old Inspection) bool { return old.ID == c.InspectionID }); i >= 0 {
		if !sameGrades(c.Lines, r.Inspections[i].Lines) {
			return nil, Conflict{What: WhatInspection, ID: c.InspectionID}
		}
		return nil, nil
	}
	if !r.mayInspect() {
		return nil, transition(r, c)
	}
	f := new(fields)
	if f.room("inspections", len(r.Inspections), MaxSteps); f.err != nil {
		return nil, f.err
	}
	after := map[string]*LineState{} // the lines that change, as they will be
	lines := slices.Clone(c.Lines)
	for i := range lines {
		g := &lines[i]
		l, err := r.draft(after, g.LineID)
		if err != nil {
			return nil, err
		}
		g.Location = r.shelfFor(g.Outcome == OutcomeRestocked, g.LineID, g.Location)
		l.move(g.Outcome, g.Quantity)
	}
	for _, g := range lines {
		before, _ := r.Line(g.LineID)
		if err := before.fits(after[g.LineID], g.Outcome); err != nil {
			return nil, err
		}
	}
	return []Event{ItemsInspected{Head: r.head(c.Now), InspectionID: c.InspectionID, Lines: lines}}, nil
}

// draft returns a copy of a line that may be changed, the same one each time.
func (r *Return) draft(drafts map[string]*LineState, id string) (*LineState, error) {
	if l, ok := drafts[id]; ok {
		return l, nil
	}
	l, ok := r.Line(id)
	if !ok {
		return nil, UnknownLine{LineID: id}
	}
	draft := *l
	draft.Outcomes = slices.Clone(l.Outcomes)
	drafts[id] = &draft
	return &draft, nil
}

// fits refuses outcomes that make more units than there are. after is l with them; o is the one to blame.
func (l *LineState) fits(after *LineState, o Outcome) error {
	if o.InHand() && after.inHand() > l.Received {
		return OutcomeExceedsReceived{
			LineID: l.Line.ID, Outcome: o, Requested: after.inHand() - l.inHand(), Received: l.Received, Possible: max(0, l.Received-l.inHand()),
		}
	}
	if after.Graded() > l.Units() {
		return QuantityExceedsReturn{
			LineID: l.Line.ID, Outcome: o, Requested: after.Graded() - l.Graded(), Possible: l.ungraded(),
		}
	}
	elsewhere := after.Count(OutcomeKeepIt) + after.Count(OutcomeLostInTransit)
	known := l.Count(OutcomeKeepIt) + l.Count(OutcomeLostInTransit)
	absent := after.Count(OutcomeMissing) - after.missingInHand()
	if elsewhere > known && l.Received+elsewhere+absent > l.Units() {
		return QuantityExceedsReturn{
			LineID: l.Line.ID, Outcome: o, Requested: elsewhere - known, Possible: max(0, l.Units()-l.Received-absent-known),
		}
	}
	return nil
}

// shelfFor returns where units of a line go back into stock: as asked, or where the line last came in. "" if they do not.
func (r *Return) shelfFor(restocked bool, lineID, location string) string {
	if !restocked || location != "" {
		return location
	}
	for _, receipt := range slices.Backward(r.Receipts) {
		if slices.ContainsFunc(receipt.Lines, func(l LineQuantity) bool { return l.LineID == lineID }) {
			return receipt.Location
		}
	}
	return ""
}

func (c Inspect) check() error {
	f := new(fields)
	f.id("inspection_id", c.InspectionID)
	f.lines(len(c.Lines))
	if f.err != nil {
		return f.err
	}
	for i := range c.Lines {
		g, field := &c.Lines[i], at("lines", i)
		f.lineID(field+".line_id", g.LineID)
		f.quantity(field+".quantity", g.Quantity)
		oneOf(f, field+".outcome", g.Outcome, Outcomes()...)
		f.location(field+".location", g.Location, g.Outcome == OutcomeRestocked)
		f.note(field+".note", g.Note, MaxTitle)
	}
	unique(f, "lines", c.Lines, func(g *Grade) string {
		return strings.TrimSpace(g.LineID + " " + string(g.Outcome) + " " + g.Location)
	})
	return f.err
}

// location checks the shelf of units, which only restocked ones have.
func (f *fields) location(field, location string, restocked bool) {
	if location == "" {
		return
	}
	if !restocked {
		f.invalid(field, "is given, and no unit goes back into stock")
	}
	f.check(domain.CheckLocation(field, location))
}

// sameGrades reports whether asked says what was recorded; a location that was left out is that of the record.
func sameGrades(asked, recorded []Grade) bool {
	if len(asked) != len(recorded) {
		return false
	}
	for i, g := range asked { // recorded in the order in which they were asked
		g.Location = cmp.Or(g.Location, recorded[i].Location)
		if g != recorded[i] {
			return false
		}
	}
	return true
}

func (e ItemsInspected) apply(r *Return) {
	for _, g := range e.Lines {
		if l, ok := r.Line(g.LineID); ok {
			l.move(g.Outcome, g.Quantity)
			if g.Outcome == OutcomeRestocked {
				l.shelf(g.Location).Graded += g.Quantity
			}
		}
	}
	r.Inspections = append(r.Inspections, Inspection{ID: e.InspectionID, Lines: e.Lines, At: e.At})
	r.UpdatedAt = e.At
}

func (c Regrade) decide(r *Return) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(r.Regrades, func(old Regrading) bool { return old.ID == c.RegradeID }); i >= 0 {
		old := &r.Regrades[i]
		if old.LineID != c.LineID || old.Quantity != c.Quantity || old.From != c.From || old.To != c.To ||
			c.Location != "" && c.Location != old.Location {
			return nil, Conflict{What: WhatRegrade, ID: c.RegradeID}
		}
		return nil, nil
	}
	if !r.mayRegrade() {
		return nil, transition(r, c)
	}
	f := new(fields)
	if f.room("regrades", len(r.Regrades), MaxSteps); f.err != nil {
		return nil, f.err
	}
	l, ok := r.Line(c.LineID)
	if !ok {
		return nil, UnknownLine{LineID: c.LineID}
	}
	if have := l.Count(c.From); c.Quantity > have {
		return nil, OutcomeExceedsGraded{LineID: c.LineID, Outcome: c.From, Requested: c.Quantity, Graded: have}
	}
	shelf := r.shelfFor(c.From == OutcomeRestocked || c.To == OutcomeRestocked, c.LineID, c.Location)
	if c.From == OutcomeRestocked && c.Quantity > l.waiting(shelf) {
		return nil, AlreadyRestocked{LineID: c.LineID, Location: shelf, Requested: c.Quantity, Possible: l.waiting(shelf)}
	}
	after := *l
	after.Outcomes = slices.Clone(l.Outcomes)
	after.move(c.From, -c.Quantity)
	after.move(c.To, c.Quantity)
	if err := l.fits(&after, c.To); err != nil {
		return nil, err
	}
	return []Event{ItemRegraded{
		Head: r.head(c.Now), RegradeID: c.RegradeID, LineID: c.LineID, Quantity: c.Quantity, From: c.From, To: c.To, Location: shelf,
		Note: c.Note,
	}}, nil
}

func (c Regrade) check() error {
	f := new(fields)
	f.id("regrade_id", c.RegradeID)
	f.lineID("line_id", c.LineID)
	f.quantity("quantity", c.Quantity)
	oneOf(f, "from", c.From, Outcomes()...)
	oneOf(f, "to", c.To, Outcomes()...)
	if c.From == c.To {
		f.invalid("to", "is the outcome that the units have")
	}
	f.location("location", c.Location, c.From == OutcomeRestocked || c.To == OutcomeRestocked)
	f.note("note", c.Note, MaxText)
	return f.err
}

func (e ItemRegraded) apply(r *Return) {
	if l, ok := r.Line(e.LineID); ok {
		l.move(e.From, -e.Quantity)
		l.move(e.To, e.Quantity)
		if e.From == OutcomeRestocked {
			l.shelf(e.Location).Graded -= e.Quantity
		}
		if e.To == OutcomeRestocked {
			l.shelf(e.Location).Graded += e.Quantity
		}
	}
	r.Regrades = append(r.Regrades, Regrading{
		ID: e.RegradeID, LineID: e.LineID, Quantity: e.Quantity, From: e.From, To: e.To, Location: e.Location, At: e.At,
	})
	r.UpdatedAt = e.At
}
