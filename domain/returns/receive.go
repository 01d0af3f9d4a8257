package returns

import (
	"slices"

	"waybill/domain"
)

// Parcel is a parcel on its way back.
type Parcel struct {
	Carrier        string      `msgpack:"carrier,omitempty"`
	TrackingNumber string      `msgpack:"tracking_number,omitempty"`
	At             domain.Time `msgpack:"at"`
}

// RecordTracking says that a parcel is under way. It is a fact: recorded in every state.
type RecordTracking struct {
	ID             ID
	Carrier        string
	TrackingNumber string
	Now            domain.Time
}

// Unexpected is something that came and that nobody asked for.
type Unexpected struct {
	LineID   string          `msgpack:"line_id,omitempty"` // if it came for a line
	SKU      string          `msgpack:"sku,omitempty"`     // if it is known what it is
	Quantity int64           `msgpack:"quantity"`
	Note     domain.Personal `msgpack:"note,omitempty"`
}

// Receipt remembers what one delivery brought, as it was reported.
type Receipt struct {
	ID         string         `msgpack:"receipt_id,omitempty"`
	Location   string         `msgpack:"location,omitempty"`
	Lines      []LineQuantity `msgpack:"lines,omitempty"`      // counted or not
	Unexpected []Unexpected   `msgpack:"unexpected,omitempty"` // that came for no line
	At         domain.Time    `msgpack:"at"`
}

// Receive says what came in. It is a fact: recorded in every state. What is more than was asked for, or comes when the return is
// over, is an unexpected item.
type Receive struct {
	ID         ID
	ReceiptID  string         // unique in the return
	Location   string         // where it came in
	Lines      []LineQuantity // each line once
	Unexpected []Unexpected   // what belongs to no line
	Now        domain.Time
}

// InTransit records that a parcel is under way.
type InTransit struct {
	Head
	Carrier        string `msgpack:"carrier,omitempty"`
	TrackingNumber string `msgpack:"tracking_number,omitempty"`
}

// ItemsReceived records units that came in.
type ItemsReceived struct {
	Head
	ReceiptID string         `msgpack:"receipt_id,omitempty"`
	Location  string         `msgpack:"location,omitempty"`
	Lines     []LineQuantity `msgpack:"lines,omitempty"`
}

// UnexpectedItemsReceived records what came in and was not asked for. Somebody has to decide what becomes of it.
type UnexpectedItemsReceived struct {
	Head
	ReceiptID string       `msgpack:"receipt_id,omitempty"`
	Location  string       `msgpack:"location,omitempty"`
	Items     []Unexpected `msgpack:"items,omitempty"`
}

// ReturnID implements [Command].
func (c RecordTracking) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (RecordTracking) CommandType() string { return CommandRecordTracking }

// ReturnID implements [Command].
func (c Receive) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (Receive) CommandType() string { return CommandReceive }

// EventType implements [Event].
func (InTransit) EventType() string { return TypeInTransit }

// EventType implements [Event].
func (ItemsReceived) EventType() string { return TypeItemsReceived }

// EventType implements [Event].
func (UnexpectedItemsReceived) EventType() string { return TypeUnexpectedItemsReceived }

func (c RecordTracking) decide(r *Return) ([]Event, error) {
	f := new(fields)
	f.name("carrier", c.Carrier)
	f.name("tracking_number", c.TrackingNumber)
	if f.err != nil {
		return nil, f.err
	}
	if slices.ContainsFunc(r.Parcels, func(p Parcel) bool {
		return p.Carrier == c.Carrier && p.TrackingNumber == c.TrackingNumber
	}) {
		return nil, nil
	}
	if f.room("parcels", len(r.Parcels), MaxParcels); f.err != nil {
		return nil, f.err
	}
	events := []Event{InTransit{Head: r.head(c.Now), Carrier: c.Carrier, TrackingNumber: c.TrackingNumber}}
	ref := c.Carrier + " " + c.TrackingNumber
	switch {
	case r.Status().Final():
		return r.anomalous(events, AnomalySentAfterEnd, ref, c.Now)
	case r.Approval == nil:
		return r.anomalous(events, AnomalySentBeforeApproval, ref, c.Now)
	}
	return events, nil
}

func (e InTransit) apply(r *Return) {
	r.Parcels = append(r.Parcels, Parcel{Carrier: e.Carrier, TrackingNumber: e.TrackingNumber, At: e.At})
	r.UpdatedAt = e.At
}

func (c Receive) decide(r *Return) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(r.Receipts, func(old Receipt) bool { return old.ID == c.ReceiptID }); i >= 0 {
		if old := &r.Receipts[i]; old.Location != c.Location || !sameSet(old.Lines, c.Lines) || !sameSet(old.Unexpected, c.Unexpected) {
			return nil, Conflict{What: WhatReceipt, ID: c.ReceiptID}
		}
		return nil, nil
	}
	f := new(fields)
	if f.room("receipts", len(r.Receipts), MaxSteps); f.err != nil {
		return nil, f.err
	}
	counted, unexpected, found := c.sort(r)
	var events []Event
	if len(counted) > 0 {
		events = append(events, ItemsReceived{Head: r.head(c.Now), ReceiptID: c.ReceiptID, Location: c.Location, Lines: counted})
	}
	if len(unexpected) > 0 {
		events = append(events, UnexpectedItemsReceived{Head: r.head(c.Now), ReceiptID: c.ReceiptID, Location: c.Location, Items: unexpected})
	}
	switch {
	case r.Status().Final():
		return r.anomalous(events, AnomalyReceivedAfterEnd, c.ReceiptID, c.Now)
	case r.Approval == nil:
		return r.anomalous(events, AnomalyReceivedBeforeApproval, c.ReceiptID, c.Now)
	case found:
		return r.anomalous(events, AnomalyReceivedAfterOutcome, c.ReceiptID, c.Now)
	}
	return events, nil
}

// sort parts what came into units that were asked for and the rest. found is true if one of them was held not to come.
func (c Receive) sort(r *Return) (counted []LineQuantity, unexpected []Unexpected, found bool) {
	over := r.Status().Final()
	for _, q := range c.Lines {
		l, ok := r.Line(q.LineID)
		if !ok {
			unexpected = append(unexpected, Unexpected{LineID: q.LineID, Quantity: q.Quantity})
			continue
		}
		var n int64
		if !over {
			n = max(0, min(q.Quantity, l.Units()-l.Received))
		}
		found = found || n > l.Outstanding()
		if n > 0 {
			counted = append(counted, LineQuantity{LineID: q.LineID, Quantity: n})
		}
		if rest := q.Quantity - n; rest > 0 {
			unexpected = append(unexpected, Unexpected{LineID: q.LineID, SKU: l.Line.SKU, Quantity: rest})
		}
	}
	return counted, append(unexpected, c.Unexpected...), found
}

func (c Receive) check() error {
	f := new(fields)
	f.id("receipt_id", c.ReceiptID)
	f.check(domain.CheckLocation("location", c.Location))
	if len(c.Lines)+len(c.Unexpected) == 0 {
		f.invalid("lines", "are missing")
	}
	f.count("lines", len(c.Lines), MaxLines, "lines")
	f.count("unexpected", len(c.Unexpected), MaxLines, "items")
	if f.err != nil {
		return f.err
	}
	f.quantities("lines", c.Lines)
	for i := range c.Unexpected {
		u, field := &c.Unexpected[i], at("unexpected", i)
		if u.LineID != "" {
			f.invalid(field+".line_id", "is given: what came for a line belongs into lines")
		}
		if u.SKU != "" {
			f.check(domain.CheckSKU(field+".sku", u.SKU))
		}
		f.quantity(field+".quantity", u.Quantity)
		f.note(field+".note", u.Note, MaxTitle)
	}
	return f.err
}

// receipt returns the receipt with that id, for a change.
func (r *Return) receipt(id, location string, at domain.Time) *Receipt {
	i := slices.IndexFunc(r.Receipts, func(old Receipt) bool { return old.ID == id })
	if i < 0 {
		r.Receipts = append(r.Receipts, Receipt{ID: id, Location: location, At: at})
		i = len(r.Receipts) - 1
	}
	return &r.Receipts[i]
}

// add takes n units of a line into the receipt.
func (c *Receipt) add(lineID string, n int64) {
	if i := slices.IndexFunc(c.Lines, func(l LineQuantity) bool { return l.LineID == lineID }); i >= 0 {
		c.Lines[i].Quantity += n
		return
	}
	c.Lines = append(c.Lines, LineQuantity{LineID: lineID, Quantity: n})
}

func (e ItemsReceived) apply(r *Return) {
	receipt := r.receipt(e.ReceiptID, e.Location, e.At)
	for _, q := range e.Lines {
		receipt.add(q.LineID, q.Quantity)
		if l, ok := r.Line(q.LineID); ok {
			l.Received += q.Quantity
		}
	}
	r.UpdatedAt = e.At
}

func (e UnexpectedItemsReceived) apply(r *Return) {
	receipt := r.receipt(e.ReceiptID, e.Location, e.At)
	for _, u := range e.Items {
		if u.LineID == "" {
			receipt.Unexpected = append(receipt.Unexpected, u)
			continue
		}
		receipt.add(u.LineID, u.Quantity)
	}
	r.UpdatedAt = e.At
}
