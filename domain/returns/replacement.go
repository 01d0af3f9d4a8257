package returns

import (
	"waybill/domain"
	"waybill/domain/money"
)

// Replacement is the order that the customer gets in exchange. It is paid by what the return gives; a difference is settled
// there.
type Replacement struct {
	OrderID         string      `msgpack:"order_id,omitempty"`
	Total           money.Money `msgpack:"total"`                         // what that order costs
	ShipFirst       bool        `msgpack:"ship_first"`                    // it ships before the goods are back, against the security
	SecurityPayment string      `msgpack:"security_payment_id,omitempty"` // payment that holds the security
	Security        money.Money `msgpack:"security"`                      // amount that is held
	At              domain.Time `msgpack:"at"`
}

// LinkReplacement says which order replaces the goods of an exchange or a claim: once.
type LinkReplacement struct {
	ID              ID
	OrderID         string      // of the replacement
	Total           money.Money // what that order costs
	ShipFirst       bool        // it ships before the goods are back
	SecurityPayment string      // payment that holds the security; needed to ship first
	Security        money.Money // amount that is held; needed to ship first
	Now             domain.Time
}

// ReplacementLinked records which order replaces the goods.
type ReplacementLinked struct {
	Head
	Replacement     string      `msgpack:"replacement_order_id,omitempty"`
	Total           money.Money `msgpack:"total"`
	ShipFirst       bool        `msgpack:"ship_first"`
	SecurityPayment string      `msgpack:"security_payment_id,omitempty"`
	Security        money.Money `msgpack:"security"`
}

// ReturnID implements [Command].
func (c LinkReplacement) ReturnID() ID { return c.ID }

// CommandType implements [Command].
func (LinkReplacement) CommandType() string { return CommandLinkReplacement }

// EventType implements [Event].
func (ReplacementLinked) EventType() string { return TypeReplacementLinked }

func (r *Return) mayLink() bool {
	return r.Status().open() && r.Replacement == nil && r.replaces()
}

// replaces reports whether the customer asked for other goods.
func (r *Return) replaces() bool {
	return r.Resolution == ResolutionExchange || r.Resolution == ResolutionReplacement
}

func (c LinkReplacement) decide(r *Return) ([]Event, error) {
	if c.Security == (money.Money{}) {
		c.Security = money.New(0, r.Currency)
	}
	if err := c.check(r); err != nil {
		return nil, err
	}
	if old := r.Replacement; old != nil {
		if old.OrderID != c.OrderID || old.Total != c.Total || old.ShipFirst != c.ShipFirst ||
			old.SecurityPayment != c.SecurityPayment || old.Security != c.Security {
			return nil, Conflict{What: WhatReplacement, ID: old.OrderID}
		}
		return nil, nil
	}
	if !r.replaces() {
		return nil, NoReplacement{Resolution: r.Resolution}
	}
	if !r.Status().open() {
		return nil, transition(r, c)
	}
	return []Event{ReplacementLinked{
		Head: r.head(c.Now), Replacement: c.OrderID, Total: c.Total, ShipFirst: c.ShipFirst, SecurityPayment: c.SecurityPayment, Security: c.Security,
	}}, nil
}

func (c LinkReplacement) check(r *Return) error {
	f := new(fields)
	f.id("order_id", c.OrderID)
	if c.OrderID == r.OrderID {
		f.invalid("order_id", "is the order that is returned")
	}
	f.amount("total", c.Total, r.Currency)
	f.amount("security", c.Security, r.Currency)
	switch {
	case c.ShipFirst:
		f.id("security_payment_id", c.SecurityPayment)
		if c.Security.IsZero() {
			f.invalid("security", "is missing: what ships first needs one")
		}
	case c.SecurityPayment != "" || !c.Security.IsZero():
		f.invalid("security", "is given, and nothing ships first")
	}
	return f.err
}

func (e ReplacementLinked) apply(r *Return) {
	r.Replacement = &Replacement{
		OrderID: e.Replacement, Total: e.Total, ShipFirst: e.ShipFirst, SecurityPayment: e.SecurityPayment, Security: e.Security, At: e.At,
	}
	r.UpdatedAt = e.At
}

// ReplacementBalance returns what the replacement costs beyond what was granted so far: above zero the customer owes it, below
// zero it is given back. ok is false if there is no replacement.
func (r *Return) ReplacementBalance() (balance money.Money, ok bool) {
	if r.Replacement == nil {
		return money.Money{}, false
	}
	return money.New(r.Replacement.Total.Minor-r.Granted.Minor, r.Currency), true
}
