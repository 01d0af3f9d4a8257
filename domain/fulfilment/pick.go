package fulfilment

import (
	"slices"

	"waybill/domain"
)

// ShortReason says why a location does not have units.
type ShortReason string

// The reasons for which a location gives units back.
const (
	ShortOutOfStock ShortReason = "out_of_stock"
	ShortDamaged    ShortReason = "damaged"
	ShortCapacity   ShortReason = "capacity"   // it cannot do the work in time
	ShortUnservable ShortReason = "unservable" // it cannot send this, or not there
	ShortOther      ShortReason = "other"
)

// Report remembers what a location said about its units, so that saying it again is recognised.
type Report struct {
	ID     string         `msgpack:"report_id,omitempty"`
	Picked []LineQuantity `msgpack:"picked,omitempty"`
	Short  []LineQuantity `msgpack:"short,omitempty"` // empty and no units picked: it was rejected as a whole
}

// Reject says, before it accepts, that the location does not take the work, or not these units.
type Reject struct {
	Target
	ReportID string         // unique in the fulfilment
	Reason   ShortReason    // other if empty
	Lines    []LineQuantity // empty for all; else each line once
}

// Pick says that units were taken from the shelf, and which are not there. Units that are found broken before they are
// packed are short, too.
type Pick struct {
	Target
	ReportID string         // unique in the fulfilment
	Lines    []LineQuantity // picked
	Short    []LineQuantity // not there
	Reason   ShortReason    // of what is short; out_of_stock if empty
}

// Picked records units that were taken from the shelf.
type Picked struct {
	Head
	ReportID string `msgpack:"report_id,omitempty"`
	Lines    []Line `msgpack:"lines,omitempty"`
}

// LinesShorted records units that the location does not have: the order has them open again.
type LinesShorted struct {
	Head
	ReportID string      `msgpack:"report_id,omitempty"`
	Reason   ShortReason `msgpack:"reason"`
	Lines    []Line      `msgpack:"lines,omitempty"`
	All      bool        `msgpack:"all"` // the location was not asked for units, it rejected all of them
}

// CommandType implements [Command].
func (Reject) CommandType() string { return CommandReject }

// CommandType implements [Command].
func (Pick) CommandType() string { return CommandPick }

// EventType implements [Event].
func (Picked) EventType() string { return TypePicked }

// EventType implements [Event].
func (LinesShorted) EventType() string { return TypeLinesShorted }

func (c Reject) decide(f *Fulfilment) ([]Event, error) {
	if c.Reason == "" {
		c.Reason = ShortOther
	}
	if err := checkReport(c.ReportID, c.Reason, c.Lines, nil); err != nil {
		return nil, err
	}
	if done, err := f.reported(Report{ID: c.ReportID, Short: c.Lines}); done || err != nil {
		return nil, err
	}
	if !f.waits() {
		return nil, transition(f, c)
	}
	short := c.Lines
	if len(short) == 0 {
		short = f.Unshipped()
	}
	for _, q := range short {
		if err := f.assigned(q, (*LineState).ToPick); err != nil {
			return nil, err
		}
	}
	if err := f.moreReports(); err != nil {
		return nil, err
	}
	return []Event{LinesShorted{
		Head: f.head(c.Now), ReportID: c.ReportID, Reason: c.Reason, Lines: f.lines(short), All: len(c.Lines) == 0,
	}}, nil
}

func (c Pick) decide(f *Fulfilment) ([]Event, error) {
	if c.Reason == "" {
		c.Reason = ShortOutOfStock
	}
	if err := checkReport(c.ReportID, c.Reason, c.Lines, c.Short); err != nil {
		return nil, err
	}
	if len(c.Lines)+len(c.Short) == 0 {
		return nil, domain.InvalidField{Field: "lines", Reason: "are missing"}
	}
	if done, err := f.reported(Report{ID: c.ReportID, Picked: c.Lines, Short: c.Short}); done || err != nil {
		return nil, err
	}
	if !f.atWork() {
		return nil, f.transitionOrShipped(c)
	}
	for _, q := range c.Lines {
		if err := f.assigned(q, (*LineState).ToPick); err != nil {
			return nil, err
		}
	}
	for _, q := range c.Short {
		if err := f.assigned(q, func(l *LineState) int64 {
			return l.ToPick() + l.ToPack() - quantity(c.Lines, q.LineID)
		}); err != nil {
			return nil, err
		}
	}
	if err := f.moreReports(); err != nil {
		return nil, err
	}
	var events []Event
	if len(c.Lines) > 0 {
		events = append(events, Picked{Head: f.head(c.Now), ReportID: c.ReportID, Lines: f.lines(c.Lines)})
	}
	if len(c.Short) > 0 {
		events = append(events, LinesShorted{
			Head: f.head(c.Now), ReportID: c.ReportID, Reason: c.Reason, Lines: f.lines(c.Short),
		})
	}
	return events, nil
}

func checkReport(id string, reason ShortReason, lines, short []LineQuantity) error {
	f := &fields{}
	f.id("report_id", id)
	oneOf(f, "reason", reason, ShortOutOfStock, ShortDamaged, ShortCapacity, ShortUnservable, ShortOther)
	f.quantities("lines", lines)
	f.quantities("short", short)
	return f.err
}

// reported reports whether r was said before, and refuses it if its id was used for something else.
func (f *Fulfilment) reported(r Report) (bool, error) {
	i := slices.IndexFunc(f.Reports, func(old Report) bool { return old.ID == r.ID })
	if i < 0 {
		return false, nil
	}
	old := &f.Reports[i]
	if !sameQuantities(old.Picked, r.Picked) || !sameQuantities(old.Short, r.Short) {
		return false, ReportConflict{ReportID: old.ID, Picked: old.Picked, Short: old.Short}
	}
	return true, nil
}

func (f *Fulfilment) moreReports() error {
	if n := len(f.Reports); n >= MaxReports {
		return domain.LimitExceeded{Field: "reports", Limit: MaxReports, Actual: int64(n) + 1, Unit: "reports"}
	}
	return nil
}

// assigned refuses more units of a line than are left by a count of it.
func (f *Fulfilment) assigned(q LineQuantity, left func(*LineState) int64) error {
	l, ok := f.Line(q.LineID)
	if !ok {
		return NotAssigned{LineID: q.LineID, Requested: q.Quantity}
	}
	if n := left(l); q.Quantity > n {
		return NotAssigned{LineID: q.LineID, Requested: q.Quantity, Left: n}
	}
	return nil
}

// transitionOrShipped refuses c because f is not at work: with what matters, when that is because everything has left.
func (f *Fulfilment) transitionOrShipped(c Command) error {
	switch f.Status() {
	case StatusShipped, StatusDelivered, StatusReturned:
		return AlreadyShipped{}
	case StatusNone, StatusScheduled, StatusRequested, StatusAccepted, StatusPicked, StatusPacked, StatusRejected, StatusCancelled:
	}
	return transition(f, c)
}

func (e Picked) apply(f *Fulfilment) {
	for _, q := range e.Lines {
		if l, ok := f.Line(q.LineID); ok {
			l.Picked += q.Quantity
		}
	}
	f.report(e.ReportID).Picked = quantities(e.Lines)
	f.UpdatedAt = e.At
}

func (e LinesShorted) apply(f *Fulfilment) {
	for _, q := range e.Lines {
		if l, ok := f.Line(q.LineID); ok {
			l.giveBack(q.Quantity)
			l.Shorted += q.Quantity
		}
	}
	r := f.report(e.ReportID)
	if !e.All {
		r.Short = quantities(e.Lines)
	}
	f.UpdatedAt = e.At
}

// report returns the report with that id, which is the last one or a new one.
func (f *Fulfilment) report(id string) *Report {
	if n := len(f.Reports); n == 0 || f.Reports[n-1].ID != id {
		f.Reports = append(f.Reports, Report{ID: id})
	}
	return &f.Reports[len(f.Reports)-1]
}
