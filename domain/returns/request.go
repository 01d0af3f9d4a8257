package returns

import (
	"cmp"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// Resolution says what the customer wants for the goods.
type Resolution string

// The resolutions. All of them are paid by the refund that the order grants: in money, as credit, or as the price of another order.
const (
	ResolutionRefund      Resolution = "refund"
	ResolutionCredit      Resolution = "credit"
	ResolutionExchange    Resolution = "exchange"    // for other goods
	ResolutionReplacement Resolution = "replacement" // a claim: for the same goods
)

// Reason says why a line is sent back, or what is claimed about it.
type Reason string

// The reasons.
const (
	ReasonChangedMind    Reason = "changed_mind"
	ReasonDoesNotFit     Reason = "does_not_fit"
	ReasonNotAsDescribed Reason = "not_as_described"
	ReasonDamaged        Reason = "damaged"
	ReasonFaulty         Reason = "faulty"
	ReasonWrongItem      Reason = "wrong_item"
	ReasonMissing        Reason = "missing"
	ReasonLate           Reason = "late"
	ReasonOther          Reason = "other"
)

// Line is a number of units of one line of the order that a return is asked for.
type Line struct {
	ID       string          `msgpack:"line_id,omitempty"` // of the order's line, each once
	SKU      string          `msgpack:"sku,omitempty"`
	Quantity int64           `msgpack:"quantity"` // 1 to MaxQuantity
	Reason   Reason          `msgpack:"reason"`   // other if empty in a command
	Note     domain.Personal `msgpack:"note,omitempty"`
}

// Request asks for a return.
type Request struct {
	ID         ID     // of the new return
	OrderID    string // whose goods they are
	Currency   money.Currency
	Lines      []Line
	Resolution Resolution // refund if empty
	Evidence   []string   // references to pictures and papers, not personal
	Note       domain.Personal
	WindowEnds domain.Time // until when the goods may be returned, zero for ever
	Now        domain.Time
}

// Requested records that a return was asked for.
type Requested struct {
	Head
	ReturnID   ID              `msgpack:"return_id"`
	Currency   money.Currency  `msgpack:"currency"`
	Lines      []Line          `msgpack:"lines,omitempty"`
	Resolution Resolution      `msgpack:"resolution"`
	Evidence   []string        `msgpack:"evidence,omitempty"`
	Note       domain.Personal `msgpack:"note,omitempty"`
	WindowEnds domain.Time     `msgpack:"window_ends,omitempty"` // zero for ever
}

// ReturnID implements [Command].
func (c Request) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (Request) CommandType() string { return CommandRequest }

// EventType implements [Event].
func (Requested) EventType() string { return TypeRequested }

func (c Request) decide(r *Return) ([]Event, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	if r.ID != "" {
		if !c.same(r) {
			return nil, Conflict{What: WhatRequest, ID: string(r.ID)}
		}
		return nil, nil
	}
	if !c.WindowEnds.IsZero() && c.Now > c.WindowEnds {
		return nil, WindowClosed{WindowEnds: c.WindowEnds, Now: c.Now}
	}
	return []Event{Requested{
		Head: Head{OrderID: c.OrderID, At: c.Now}, ReturnID: c.ID, Currency: c.Currency, Lines: c.Lines, Resolution: c.Resolution,
		Evidence: c.Evidence, Note: c.Note, WindowEnds: c.WindowEnds,
	}}, nil
}

func (c Request) withDefaults() Request {
	c.Resolution = cmp.Or(c.Resolution, ResolutionRefund)
	c.Lines = slices.Clone(c.Lines)
	for i := range c.Lines {
		c.Lines[i].Reason = cmp.Or(c.Lines[i].Reason, ReasonOther)
	}
	return c
}

func (c Request) check() error {
	f := new(fields)
	f.id("return_id", string(c.ID))
	f.id("order_id", c.OrderID)
	if _, ok := c.Currency.Exponent(); !ok {
		f.invalid("currency", "\""+string(c.Currency)+"\" is not a currency")
	}
	oneOf(f, "resolution", c.Resolution, ResolutionRefund, ResolutionCredit, ResolutionExchange, ResolutionReplacement)
	f.lines(len(c.Lines))
	if f.err != nil {
		return f.err
	}
	for i := range c.Lines {
		l, field := &c.Lines[i], at("lines", i)
		f.lineID(field+".line_id", l.ID)
		f.check(domain.CheckSKU(field+".sku", l.SKU))
		f.quantity(field+".quantity", l.Quantity)
		oneOf(f, field+".reason", l.Reason, ReasonChangedMind, ReasonDoesNotFit, ReasonNotAsDescribed, ReasonDamaged,
			ReasonFaulty, ReasonWrongItem, ReasonMissing, ReasonLate, ReasonOther)
		f.note(field+".note", l.Note, MaxTitle)
	}
	unique(f, "lines", c.Lines, func(l *Line) string { return l.ID })
	f.count("evidence", len(c.Evidence), MaxEvidence, "references")
	for i, e := range c.Evidence {
		f.text(at("evidence", i), e, MaxTitle)
	}
	f.note("note", c.Note, MaxText)
	return f.err
}

// same reports whether c asks for what r was asked for.
func (c Request) same(r *Return) bool {
	lines := make([]Line, len(r.Lines))
	for i := range r.Lines {
		lines[i] = r.Lines[i].Line
	}
	return c.OrderID == r.OrderID && c.Currency == r.Currency && c.Resolution == r.Resolution && c.Note == r.Note &&
		c.WindowEnds == r.WindowEnds && slices.Equal(c.Lines, lines) && slices.Equal(c.Evidence, r.Evidence)
}

func (e Requested) apply(r *Return) {
	zero := money.New(0, e.Currency)
	lines := make([]LineState, len(e.Lines))
	for i := range lines {
		lines[i] = LineState{Line: e.Lines[i], Amount: zero}
	}
	*r = Return{
		ID: e.ReturnID, OrderID: e.OrderID, Currency: e.Currency, Resolution: e.Resolution, Evidence: e.Evidence, Note: e.Note,
		WindowEnds: e.WindowEnds, Lines: lines, Granted: zero, FeesCharged: zero, Shipping: zero,
		RequestedAt: e.At, UpdatedAt: e.At,
	}
}
