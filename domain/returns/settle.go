package returns

import (
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// Restocking remembers units that stock has taken.
type Restocking struct {
	ID    string        `msgpack:"restock_id,omitempty"`
	Lines []RestockLine `msgpack:"lines,omitempty"`
	At    domain.Time   `msgpack:"at"`
}

// RecordRestocked takes units off [Return.RestockDue]. In one commit with the movement of stock it makes sure that no unit
// goes back into stock twice.
type RecordRestocked struct {
	ID        ID
	RestockID string        // unique in the return; good as the id of the movement too
	Lines     []RestockLine // each line and location once; SKU as the return has it, or empty
	Now       domain.Time
}

// RefundLine is what is refunded for units of one line.
type RefundLine struct {
	LineID   string      `msgpack:"line_id,omitempty"`
	Quantity int64       `msgpack:"quantity"`
	Amount   money.Money `msgpack:"amount"` // the recorded amounts of the units, before fees
}

// Refund remembers a refund that the order has granted.
type Refund struct {
	ID       string       `msgpack:"refund_id,omitempty"`
	Lines    []RefundLine `msgpack:"lines,omitempty"`
	Shipping money.Money  `msgpack:"shipping"` // outbound delivery, within what the approval promised
	Fees     money.Money  `msgpack:"fees"`     // what it was reduced by
	Total    money.Money  `msgpack:"total"`    // amounts + shipping − fees
	At       domain.Time  `msgpack:"at"`
}

// RecordRefundGranted takes units off [Return.RefundDue]. In one commit with the grant of the order it makes sure that no unit
// is refunded twice, whichever trigger fires. Amounts come from the order; fees and total are stated, and must add up.
type RecordRefundGranted struct {
	ID       ID
	RefundID string       // of the order's grant, unique in the return
	Lines    []RefundLine // each line once
	Shipping money.Money  // outbound delivery; zero if left out
	Fees     money.Money  // min([Due].Fees, amounts + shipping); see [Return.FeesOn]
	Total    money.Money  // amounts + shipping − fees
	Now      domain.Time
}

// Restocked records units that stock has taken.
type Restocked struct {
	Head
	RestockID string        `msgpack:"restock_id,omitempty"`
	Lines     []RestockLine `msgpack:"lines,omitempty"`
}

// RefundGranted records a refund that the order has granted.
type RefundGranted struct {
	Head
	RefundID string       `msgpack:"refund_id,omitempty"`
	Lines    []RefundLine `msgpack:"lines,omitempty"`
	Shipping money.Money  `msgpack:"shipping"`
	Fees     money.Money  `msgpack:"fees"`
	Total    money.Money  `msgpack:"total"` // amounts + shipping − fees
}

// ReturnID implements [Command].
func (c RecordRestocked) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (RecordRestocked) CommandType() string { return CommandRecordRestocked }

// ReturnID implements [Command].
func (c RecordRefundGranted) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (RecordRefundGranted) CommandType() string { return CommandRecordRefundGranted }

// EventType implements [Event].
func (Restocked) EventType() string { return TypeRestocked }

// EventType implements [Event].
func (RefundGranted) EventType() string { return TypeRefundGranted }

func (c RecordRestocked) decide(r *Return) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	lines := slices.Clone(c.Lines)
	for i := range lines {
		l, ok := r.Line(lines[i].LineID)
		if !ok {
			return nil, UnknownLine{LineID: lines[i].LineID}
		}
		if sku := lines[i].SKU; sku != "" && sku != l.Line.SKU {
			return nil, domain.InvalidField{Field: at("lines", i) + ".sku", Reason: "is not that of the line"}
		}
		lines[i].SKU = l.Line.SKU
	}
	if i := slices.IndexFunc(r.Restocks, func(old Restocking) bool { return old.ID == c.RestockID }); i >= 0 {
		if !sameSet(r.Restocks[i].Lines, lines) {
			return nil, Conflict{What: WhatRestock, ID: c.RestockID}
		}
		return nil, nil
	}
	for _, q := range lines {
		if l, _ := r.Line(q.LineID); q.Quantity > l.waiting(q.Location) {
			return nil, RestockExceedsDue{LineID: q.LineID, Location: q.Location, Requested: q.Quantity, Due: l.waiting(q.Location)}
		}
	}
	f := new(fields)
	if f.room("restocks", len(r.Restocks), MaxSteps); f.err != nil {
		return nil, f.err
	}
	return []Event{Restocked{Head: r.head(c.Now), RestockID: c.RestockID, Lines: lines}}, nil
}

func (c RecordRestocked) check() error {
	f := new(fields)
	f.id("restock_id", c.RestockID)
	f.lines(len(c.Lines))
	if f.err != nil {
		return f.err
	}
	for i := range c.Lines {
		l, field := &c.Lines[i], at("lines", i)
		f.lineID(field+".line_id", l.LineID)
		f.check(domain.CheckLocation(field+".location", l.Location))
		f.quantity(field+".quantity", l.Quantity)
	}
	unique(f, "lines", c.Lines, func(l *RestockLine) string { return l.LineID + " " + l.Location })
	return f.err
}

func (e Restocked) apply(r *Return) {
	for _, q := range e.Lines {
		if l, ok := r.Line(q.LineID); ok {
			l.shelf(q.Location).Restocked += q.Quantity
		}
	}
	r.Restocks = append(r.Restocks, Restocking{ID: e.RestockID, Lines: e.Lines, At: e.At})
	r.UpdatedAt = e.At
}

// FeesOn returns what of the fees a refund of gross (amounts and delivery) is to be reduced by.
func (r *Return) FeesOn(gross money.Money) money.Money {
	return money.New(max(0, min(r.openFees().Minor, gross.Minor)), r.Currency)
}

func (c RecordRefundGranted) decide(r *Return) ([]Event, error) {
	zero := money.New(0, r.Currency)
	for _, m := range []*money.Money{&c.Shipping, &c.Fees, &c.Total} {
		if *m == (money.Money{}) {
			*m = zero
		}
	}
	if err := c.check(r.Currency); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(r.Refunds, func(old Refund) bool { return old.ID == c.RefundID }); i >= 0 {
		old := &r.Refunds[i]
		if !sameSet(old.Lines, c.Lines) || old.Shipping != c.Shipping || old.Fees != c.Fees || old.Total != c.Total {
			return nil, Conflict{What: WhatRefund, ID: c.RefundID}
		}
		return nil, nil
	}
	if s := r.Status(); !s.open() && s != StatusClosed {
		return nil, transition(r, c)
	}
	for _, q := range c.Lines {
		l, ok := r.Line(q.LineID)
		if !ok {
			return nil, UnknownLine{LineID: q.LineID}
		}
		if due := r.due(l); q.Quantity > due {
			return nil, RefundExceedsDue{LineID: q.LineID, Requested: q.Quantity, Due: due, Granted: l.Granted}
		}
	}
	if err := c.adds(r); err != nil {
		return nil, err
	}
	f := new(fields)
	if f.room("refunds", len(r.Refunds), MaxSteps); f.err != nil {
		return nil, f.err
	}
	return []Event{RefundGranted{
		Head: r.head(c.Now), RefundID: c.RefundID, Lines: c.Lines, Shipping: c.Shipping, Fees: c.Fees, Total: c.Total,
	}}, nil
}

// adds refuses a refund that is not the sum of its units' amounts and the promised delivery, less the fees.
func (c RecordRefundGranted) adds(r *Return) error {
	if open := r.openShipping(); c.Shipping.Minor > open.Minor {
		return ShippingNotRefundable{Requested: c.Shipping, Possible: open}
	}
	gross := c.Shipping
	for _, l := range c.Lines {
		var err error
		if gross, err = gross.Add(l.Amount); err != nil {
			return domain.InvalidField{Field: "lines", Reason: "add up to more than can be counted"}
		}
		if line, ok := r.Line(l.LineID); ok {
			if _, err := line.Amount.Add(l.Amount); err != nil {
				return domain.InvalidField{Field: "lines", Reason: "make the refunds of a line more than can be counted"}
			}
		}
	}
	if _, err := r.Granted.Add(gross); err != nil {
		return domain.InvalidField{Field: "lines", Reason: "make the refunds more than can be counted"}
	}
	if fees := r.FeesOn(gross); c.Fees != fees {
		return RefundMismatch{Field: "fees", Stated: c.Fees, Computed: fees}
	}
	if total := money.New(gross.Minor-c.Fees.Minor, r.Currency); c.Total != total {
		return RefundMismatch{Field: "total", Stated: c.Total, Computed: total}
	}
	return nil
}

func (c RecordRefundGranted) check(currency money.Currency) error {
	f := new(fields)
	f.id("refund_id", c.RefundID)
	f.lines(len(c.Lines))
	if f.err != nil {
		return f.err
	}
	for i := range c.Lines {
		l, field := &c.Lines[i], at("lines", i)
		f.lineID(field+".line_id", l.LineID)
		f.quantity(field+".quantity", l.Quantity)
		f.amount(field+".amount", l.Amount, currency)
	}
	unique(f, "lines", c.Lines, func(l *RefundLine) string { return l.LineID })
	f.amount("shipping", c.Shipping, currency)
	f.amount("fees", c.Fees, currency)
	f.amount("total", c.Total, currency)
	return f.err
}

func (e RefundGranted) apply(r *Return) {
	for _, q := range e.Lines {
		if l, ok := r.Line(q.LineID); ok {
			l.Granted += q.Quantity
			l.Amount.Minor += q.Amount.Minor
		}
	}
	r.Granted.Minor += e.Total.Minor
	r.FeesCharged.Minor += e.Fees.Minor
	r.Shipping.Minor += e.Shipping.Minor
	r.Refunds = append(r.Refunds, Refund{
		ID: e.RefundID, Lines: e.Lines, Shipping: e.Shipping, Fees: e.Fees, Total: e.Total, At: e.At,
	})
	r.UpdatedAt = e.At
}
