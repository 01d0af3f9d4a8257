package order

import (
	"slices"

	"waybill/domain"
)

// Outcome is what became of a returned unit.
type Outcome string

// The outcomes of returned units.
const (
	OutcomeRestocked          Outcome = "restocked"
	OutcomeDamaged            Outcome = "damaged"
	OutcomeMissing            Outcome = "missing" // it never came
	OutcomeWrongItem          Outcome = "wrong_item"
	OutcomeRejectedSentBack   Outcome = "rejected_sent_back" // the customer has it again: it may be returned once more
	OutcomeKeepIt             Outcome = "keep_it"            // the customer need not send it
	OutcomeProcessingRequired Outcome = "processing_required"
)

// OutcomeLine is units of a line with one outcome.
type OutcomeLine struct {
	LineID   string  `json:"line_id"  msgpack:"line_id,omitempty"`
	Quantity int64   `json:"quantity" msgpack:"quantity"`
	Outcome  Outcome `json:"outcome"  msgpack:"outcome"`
}

// ReturnToken is the units that were handed out to one return. Each unit of it ends once: released, or with an outcome.
type ReturnToken struct {
	ReturnID string          `msgpack:"return_id,omitempty"`
	Lines    []LineQuantity  `msgpack:"lines,omitempty"`    // as authorised, in the order of the order's lines
	Released []ReturnRelease `msgpack:"released,omitempty"` // what need not come back, in order
	Outcomes []ReturnOutcome `msgpack:"outcomes,omitempty"` // what became of the rest, in order
	At       domain.Time     `msgpack:"at"`
}

// ReturnRelease is units that do not come back.
type ReturnRelease struct {
	ID    string         `msgpack:"release_id,omitempty"`
	Lines []LineQuantity `msgpack:"lines,omitempty"`
}

// ReturnOutcome is what became of some units.
type ReturnOutcome struct {
	ID    string        `msgpack:"outcome_id,omitempty"`
	Lines []OutcomeLine `msgpack:"lines,omitempty"`
	At    domain.Time   `msgpack:"at"`
}

// left returns how many units of a line the return still has.
func (t *ReturnToken) left(lineID string) int64 {
	n := quantityOf(t.Lines, lineID)
	for i := range t.Released {
		n -= quantityOf(t.Released[i].Lines, lineID)
	}
	for i := range t.Outcomes {
		for _, l := range t.Outcomes[i].Lines {
			if l.LineID == lineID {
				n -= l.Quantity
			}
		}
	}
	return n
}

// Rest returns all units that the return still has.
func (t *ReturnToken) Rest() []LineQuantity {
	var rest []LineQuantity
	for _, l := range t.Lines {
		if n := t.left(l.LineID); n > 0 {
			rest = append(rest, LineQuantity{LineID: l.LineID, Quantity: n})
		}
	}
	return rest
}

// AuthoriseReturn hands shipped units out to a return.
type AuthoriseReturn struct {
	ID       ID
	ReturnID string         // unique in the order
	Lines    []LineQuantity // each line once
	Now      domain.Time
}

// ReleaseReturn takes units back from a return: they do not come, and may be returned another time.
type ReleaseReturn struct {
	ID        ID
	ReturnID  string
	ReleaseID string         // unique in the return
	Lines     []LineQuantity // empty for all that it still has
	Now       domain.Time
}

// RecordReturnOutcome tells the order what became of units of a return.
type RecordReturnOutcome struct {
	ID        ID
	ReturnID  string
	OutcomeID string        // unique in the return
	Lines     []OutcomeLine // each line once with an outcome
	Now       domain.Time
}

// ReturnAuthorised records units that were handed out to a return.
type ReturnAuthorised struct {
	ReturnID string         `msgpack:"return_id,omitempty"`
	Lines    []LineQuantity `msgpack:"lines,omitempty"`
	At       domain.Time    `msgpack:"at"`
}

// ReturnReleased records units that do not come back.
type ReturnReleased struct {
	ReturnID  string         `msgpack:"return_id,omitempty"`
	ReleaseID string         `msgpack:"release_id,omitempty"`
	Lines     []LineQuantity `msgpack:"lines,omitempty"`
	At        domain.Time    `msgpack:"at"`
}

// LinesReturned records what became of units of a return.
type LinesReturned struct {
	ReturnID  string        `msgpack:"return_id,omitempty"`
	OutcomeID string        `msgpack:"outcome_id,omitempty"`
	Lines     []OutcomeLine `msgpack:"lines,omitempty"`
	At        domain.Time   `msgpack:"at"`
}

// OrderID implements [Command].
func (c AuthoriseReturn) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (AuthoriseReturn) CommandType() string { return CommandAuthoriseReturn }

// OrderID implements [Command].
func (c ReleaseReturn) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (ReleaseReturn) CommandType() string { return CommandReleaseReturn }

// OrderID implements [Command].
func (c RecordReturnOutcome) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (RecordReturnOutcome) CommandType() string { return CommandRecordReturnOutcome }

// EventType implements [Event].
func (ReturnAuthorised) EventType() string { return TypeReturnAuthorised }

// SchemaVersion implements [Event].
func (ReturnAuthorised) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (ReturnReleased) EventType() string { return TypeReturnReleased }

// SchemaVersion implements [Event].
func (ReturnReleased) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (LinesReturned) EventType() string { return TypeLinesReturned }

// SchemaVersion implements [Event].
func (LinesReturned) SchemaVersion() int16 { return schemaFirst }

func (c AuthoriseReturn) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.id("return_id", c.ReturnID)
	f.someQuantities(c.Lines)
	if f.err != nil {
		return nil, f.err
	}
	lines, err := o.sorted(c.Lines)
	if err != nil {
		return nil, err
	}
	if i := o.returnIndex(c.ReturnID); i >= 0 {
		if t := &o.Returns[i]; !slices.Equal(t.Lines, lines) {
			return nil, ReturnConflict{ReturnID: t.ReturnID, Lines: t.Lines}
		}
		return nil, nil
	}
	if !o.mayReturn() {
		return nil, transition(o, c)
	}
	if len(o.Returns) >= MaxReturns {
		return nil, domain.LimitExceeded{Field: "returns", Limit: MaxReturns, Actual: MaxReturns + 1, Unit: "returns"}
	}
	for _, q := range lines {
		l, _ := o.Line(q.LineID)
		if possible := l.Shipped - l.Returned - l.ReturnAuthorised; q.Quantity > possible {
			return nil, QuantityExceedsShipped{LineID: q.LineID, Requested: q.Quantity, Possible: possible}
		}
	}
	return []Event{ReturnAuthorised{ReturnID: c.ReturnID, Lines: lines, At: c.Now}}, nil
}

func (e ReturnAuthorised) apply(o *Order) {
	o.Returns = append(o.Returns, ReturnToken{ReturnID: e.ReturnID, Lines: e.Lines, At: e.At})
	o.each(e.Lines, func(l *LineState, n int64) { l.ReturnAuthorised += n })
	o.UpdatedAt = e.At
}

func (c ReleaseReturn) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.id("return_id", c.ReturnID)
	f.id("release_id", c.ReleaseID)
	f.quantities(c.Lines)
	if f.err != nil {
		return nil, f.err
	}
	lines, err := o.sorted(c.Lines)
	if err != nil {
		return nil, err
	}
	i := o.returnIndex(c.ReturnID)
	if i < 0 {
		return nil, UnknownReturn{ReturnID: c.ReturnID}
	}
	t := &o.Returns[i]
	for _, r := range t.Released {
		if r.ID != c.ReleaseID {
			continue
		}
		if len(lines) > 0 && !slices.Equal(r.Lines, lines) {
			return nil, ReturnConflict{ReturnID: t.ReturnID, Lines: r.Lines}
		}
		return nil, nil
	}
	if len(lines) == 0 {
		if lines = t.Rest(); len(lines) == 0 {
			return nil, nil // all of it has ended
		}
	}
	for _, q := range lines {
		if left := t.left(q.LineID); q.Quantity > left {
			return nil, QuantityExceedsAuthorised{ReturnID: t.ReturnID, LineID: q.LineID, Requested: q.Quantity, Authorised: left}
		}
	}
	return []Event{ReturnReleased{ReturnID: c.ReturnID, ReleaseID: c.ReleaseID, Lines: lines, At: c.Now}}, nil
}

func (e ReturnReleased) apply(o *Order) {
	if i := o.returnIndex(e.ReturnID); i >= 0 {
		o.Returns[i].Released = append(o.Returns[i].Released, ReturnRelease{ID: e.ReleaseID, Lines: e.Lines})
	}
	o.each(e.Lines, func(l *LineState, n int64) { l.ReturnAuthorised -= n })
	o.UpdatedAt = e.At
}

func (c RecordReturnOutcome) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	sum, err := c.check(o)
	if err != nil {
		return nil, err
	}
	i := o.returnIndex(c.ReturnID)
	if i < 0 {
		return nil, UnknownReturn{ReturnID: c.ReturnID}
	}
	t := &o.Returns[i]
	for _, r := range t.Outcomes {
		if r.ID != c.OutcomeID {
			continue
		}
		if !slices.Equal(r.Lines, c.Lines) {
			return nil, ReturnConflict{ReturnID: t.ReturnID, Lines: t.Lines}
		}
		return nil, nil
	}
	for _, q := range sum {
		if left := t.left(q.LineID); q.Quantity > left {
			return nil, QuantityExceedsAuthorised{ReturnID: t.ReturnID, LineID: q.LineID, Requested: q.Quantity, Authorised: left}
		}
	}
	return []Event{LinesReturned{ReturnID: c.ReturnID, OutcomeID: c.OutcomeID, Lines: c.Lines, At: c.Now}}, nil
}

// check refuses outcomes that are malformed, and returns their units by line.
func (c RecordReturnOutcome) check(o *Order) ([]LineQuantity, error) {
	f := &fields{names: true}
	f.id("return_id", c.ReturnID)
	f.id("outcome_id", c.OutcomeID)
	if len(c.Lines) == 0 {
		f.check(domain.InvalidField{Field: "lines", Reason: "are missing"})
	}
	f.count("lines", len(c.Lines), MaxLines, "lines")
	var sum []LineQuantity
	for i, l := range c.Lines {
		if l.Quantity < 1 || l.Quantity > MaxQuantity {
			f.check(domain.InvalidField{Field: f.at("lines", i) + ".quantity", Reason: "is not between 1 and the most units of a line"})
		}
		oneOf(f, f.at("lines", i)+".outcome", l.Outcome, OutcomeRestocked, OutcomeDamaged, OutcomeMissing, OutcomeWrongItem,
			OutcomeRejectedSentBack, OutcomeKeepIt, OutcomeProcessingRequired)
		if j := slices.IndexFunc(sum, func(q LineQuantity) bool { return q.LineID == l.LineID }); j >= 0 {
			sum[j].Quantity += l.Quantity
		} else {
			sum = append(sum, LineQuantity{LineID: l.LineID, Quantity: l.Quantity})
		}
	}
	unique(f, "lines", c.Lines, func(l *OutcomeLine) string { return l.LineID + " " + string(l.Outcome) })
	if f.err != nil {
		return nil, f.err
	}
	return o.sorted(sum)
}

func (e LinesReturned) apply(o *Order) {
	if i := o.returnIndex(e.ReturnID); i >= 0 {
		o.Returns[i].Outcomes = append(o.Returns[i].Outcomes, ReturnOutcome{ID: e.OutcomeID, Lines: e.Lines, At: e.At})
	}
	for _, r := range e.Lines {
		if i := o.lineIndex(r.LineID); i >= 0 {
			o.Lines[i].ReturnAuthorised -= r.Quantity
			if r.Outcome != OutcomeRejectedSentBack {
				o.Lines[i].Returned += r.Quantity
			}
		}
	}
	o.UpdatedAt = e.At
}

func (o *Order) returnIndex(id string) int {
	return slices.IndexFunc(o.Returns, func(t ReturnToken) bool { return t.ReturnID == id })
}

// mayReturn reports whether the lifecycle of o lets units be handed out to returns.
func (o *Order) mayReturn() bool {
	return o.Lifecycle == LifecycleConfirmed || o.Lifecycle == LifecycleCompleted
}
