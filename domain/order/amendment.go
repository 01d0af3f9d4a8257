package order

import (
	"fmt"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// AmendKind says what an operation of an amendment does.
type AmendKind string

// The operations of an amendment. They name whole lines and charges as they shall be: the engine never prices.
const (
	AmendAddLine        AmendKind = "add_line"        // Line
	AmendChangeQuantity AmendKind = "change_quantity" // Line, with the id, SKU and price of one that is there
	AmendRemoveLine     AmendKind = "remove_line"     // LineID, of which all units are open
	AmendApplyDiscount  AmendKind = "apply_discount"  // Line, with the quantity and price of one that is there; shipped or not
	AmendChangeShipping AmendKind = "change_shipping" // Shipping, all of it
	AmendAddSurcharge   AmendKind = "add_surcharge"   // Surcharge
)

// AmendOp is one operation of an amendment.
type AmendOp struct {
	Kind      AmendKind      `msgpack:"kind"`
	LineID    string         `msgpack:"line_id,omitempty"`
	Line      *Line          `msgpack:"line,omitempty"`
	Shipping  []ShippingLine `msgpack:"shipping,omitempty"`
	Surcharge *Surcharge     `msgpack:"surcharge,omitempty"`
}

// Amendment is a change of what was agreed. At most one is open.
type Amendment struct {
	AmendmentID  string      `msgpack:"amendment_id,omitempty"`
	BaseVersion  int64       `msgpack:"base_version"`
	Ops          []AmendOp   `msgpack:"ops,omitempty"`
	Totals       Totals      `msgpack:"totals"` // of the order as amended
	Reason       string      `msgpack:"reason,omitempty"`
	BalanceDelta money.Money `msgpack:"balance_delta"` // what it makes the order cost more
	ProposedAt   domain.Time `msgpack:"proposed_at"`
	AcceptedAt   domain.Time `msgpack:"accepted_at,omitempty"`
	WithdrawnAt  domain.Time `msgpack:"withdrawn_at,omitempty"`
}

// Open reports whether a is neither accepted nor withdrawn.
func (a *Amendment) Open() bool { return a.AcceptedAt.IsZero() && a.WithdrawnAt.IsZero() }

// ProposeAmendment proposes a change of what was agreed. A hold on [VerbAmend] refuses it.
type ProposeAmendment struct {
	ID          ID
	AmendmentID string // unique in the order
	BaseVersion int64  // version of the order that it was made from
	Ops         []AmendOp
	Totals      Totals // of the order as amended
	Reason      string // for people, not personal
	PricesOnly  bool   // refuse what changes units or costs more, as in [AcceptAmendment]
	Now         domain.Time
}

// AcceptAmendment carries a proposed amendment out.
type AcceptAmendment struct {
	ID          ID
	AmendmentID string
	// PricesOnly refuses an amendment that changes which units come from where, that makes the order cost more, or that was
	// made for other units than the order has now. It is for a caller behind whom nobody reserves or releases stock, or takes money.
	PricesOnly bool
	Now        domain.Time
}

// WithdrawAmendment gives a proposed amendment up: the order stays as it is.
type WithdrawAmendment struct {
	ID          ID
	AmendmentID string
	Now         domain.Time
}

// AmendmentProposed records a change that is proposed.
type AmendmentProposed struct {
	AmendmentID  string      `msgpack:"amendment_id,omitempty"`
	BaseVersion  int64       `msgpack:"base_version"`
	Ops          []AmendOp   `msgpack:"ops,omitempty"`
	Totals       Totals      `msgpack:"totals"`
	Reason       string      `msgpack:"reason,omitempty"`
	BalanceDelta money.Money `msgpack:"balance_delta"`
	At           domain.Time `msgpack:"at"`
}

// Amended records what is agreed from now on: all lines and charges.
type Amended struct {
	AmendmentID  string         `msgpack:"amendment_id,omitempty"`
	Lines        []Line         `msgpack:"lines,omitempty"`
	Shipping     []ShippingLine `msgpack:"shipping,omitempty"`
	Surcharges   []Surcharge    `msgpack:"surcharges,omitempty"`
	Before       Totals         `msgpack:"before"`
	After        Totals         `msgpack:"after"`
	BalanceDelta money.Money    `msgpack:"balance_delta"`
	At           domain.Time    `msgpack:"at"`
}

// AmendmentWithdrawn records that a proposed change was given up.
type AmendmentWithdrawn struct {
	AmendmentID string      `msgpack:"amendment_id,omitempty"`
	At          domain.Time `msgpack:"at"`
}

// OrderID implements [Command].
func (c ProposeAmendment) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (ProposeAmendment) CommandType() string { return CommandProposeAmendment }

// OrderID implements [Command].
func (c AcceptAmendment) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (AcceptAmendment) CommandType() string { return CommandAcceptAmendment }

// OrderID implements [Command].
func (c WithdrawAmendment) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (WithdrawAmendment) CommandType() string { return CommandWithdrawAmendment }

// EventType implements [Event].
func (AmendmentProposed) EventType() string { return TypeAmendmentProposed }

// SchemaVersion implements [Event].
func (AmendmentProposed) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (Amended) EventType() string { return TypeAmended }

// SchemaVersion implements [Event].
func (Amended) SchemaVersion() int16 { return schemaFirst }

// EventType implements [Event].
func (AmendmentWithdrawn) EventType() string { return TypeAmendmentWithdrawn }

// SchemaVersion implements [Event].
func (AmendmentWithdrawn) SchemaVersion() int16 { return schemaFirst }

func (c ProposeAmendment) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	f := &fields{names: true}
	f.id("amendment_id", c.AmendmentID)
	f.text("reason", c.Reason, MaxTitle)
	if len(c.Ops) == 0 {
		f.check(domain.InvalidField{Field: "ops", Reason: "are missing"})
	}
	f.count("ops", len(c.Ops), MaxCharges, "operations")
	if f.err != nil {
		return nil, f.err
	}
	if i := o.amendmentIndex(c.AmendmentID); i >= 0 {
		return nil, c.repeats(&o.Amendments[i])
	}
	if !o.mayCancel() {
		return nil, transition(o, c)
	}
	if err := o.blocked(VerbAmend, c.Now); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(o.Amendments, func(a Amendment) bool { return a.Open() }); i >= 0 {
		return nil, AmendmentOpen{AmendmentID: o.Amendments[i].AmendmentID}
	}
	if c.BaseVersion < o.Changed || c.BaseVersion > o.Version {
		return nil, AmendmentStale{AmendmentID: c.AmendmentID, BaseVersion: c.BaseVersion, Changed: o.Changed, Version: o.Version}
	}
	if len(o.Amendments) >= MaxAmendments {
		return nil, domain.LimitExceeded{Field: "amendments", Limit: MaxAmendments, Actual: MaxAmendments + 1, Unit: "amendments"}
	}
	d, err := o.amend(c.Ops, c.Totals)
	if err != nil {
		return nil, err
	}
	if err := o.pricesOnly(c.AmendmentID, &d); c.PricesOnly && err != nil {
		return nil, err
	}
	return []Event{AmendmentProposed{
		AmendmentID: c.AmendmentID, BaseVersion: c.BaseVersion, Ops: c.Ops, Totals: c.Totals, Reason: c.Reason,
		BalanceDelta: money.New(d.Totals.Grand.Minor-o.Details.Totals.Grand.Minor, o.Details.Currency), At: c.Now,
	}}, nil
}

// repeats refuses c if its id was used for another amendment.
func (c ProposeAmendment) repeats(a *Amendment) error {
	asked, err := domain.Marshal(Amendment{BaseVersion: c.BaseVersion, Ops: c.Ops, Totals: c.Totals, Reason: c.Reason})
	if err != nil {
		return fmt.Errorf("compare amendment %s: %w", c.AmendmentID, err)
	}
	known, err := domain.Marshal(Amendment{BaseVersion: a.BaseVersion, Ops: a.Ops, Totals: a.Totals, Reason: a.Reason})
	if err != nil {
		return fmt.Errorf("compare amendment %s: %w", c.AmendmentID, err)
	}
	if !slices.Equal(asked, known) {
		return AmendmentConflict{AmendmentID: a.AmendmentID}
	}
	return nil
}

func (e AmendmentProposed) apply(o *Order) {
	o.Amendments = append(o.Amendments, Amendment{
		AmendmentID: e.AmendmentID, BaseVersion: e.BaseVersion, Ops: e.Ops, Totals: e.Totals, Reason: e.Reason,
		BalanceDelta: e.BalanceDelta, ProposedAt: e.At,
	})
	o.UpdatedAt = e.At
}

func (c AcceptAmendment) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	i := o.amendmentIndex(c.AmendmentID)
	switch {
	case i < 0:
		return nil, UnknownAmendment{AmendmentID: c.AmendmentID}
	case !o.Amendments[i].AcceptedAt.IsZero():
		return nil, nil
	case !o.Amendments[i].WithdrawnAt.IsZero():
		return nil, AmendmentClosed{AmendmentID: c.AmendmentID, ClosedAt: o.Amendments[i].WithdrawnAt}
	case !o.mayCancel():
		return nil, transition(o, c)
	}
	if err := o.blocked(VerbAmend, c.Now); err != nil {
		return nil, err
	}
	a := &o.Amendments[i]
	if c.PricesOnly && a.BaseVersion < o.Changed { // its price was made for other units
		return nil, AmendmentStale{AmendmentID: a.AmendmentID, BaseVersion: a.BaseVersion, Changed: o.Changed, Version: o.Version}
	}
	d, err := o.amend(a.Ops, a.Totals) // units may have been claimed meanwhile
	if err != nil {
		return nil, err
	}
	if err := o.pricesOnly(a.AmendmentID, &d); c.PricesOnly && err != nil {
		return nil, err
	}
	return []Event{Amended{
		AmendmentID: a.AmendmentID, Lines: d.Lines, Shipping: d.Shipping, Surcharges: d.Surcharges, Before: o.Details.Totals,
		After: d.Totals, BalanceDelta: a.BalanceDelta, At: c.Now,
	}}, nil
}

func (e Amended) apply(o *Order) {
	none := money.New(0, o.Details.Currency)
	lines := make([]LineState, len(e.Lines))
	for i := range lines {
		lines[i] = LineState{Credited: none, Granted: none}
		if j := o.lineIndex(e.Lines[i].ID); j >= 0 {
			lines[i] = o.Lines[j]
		}
		l := &lines[i]
		l.Line = e.Lines[i]
		l.BaseUnits, l.BaseMinor = l.given(), l.Credited.Minor+l.Granted.Minor
	}
	o.Lines = lines
	o.Details.Shipping, o.Details.Surcharges, o.Details.Totals = e.Shipping, e.Surcharges, e.After
	if i := o.amendmentIndex(e.AmendmentID); i >= 0 {
		o.Amendments[i].AcceptedAt = e.At
	}
	o.Changed, o.UpdatedAt = o.Version+1, e.At
}

func (c WithdrawAmendment) decide(o *Order) ([]Event, error) {
	if o.Lifecycle == LifecycleNone {
		return nil, transition(o, c)
	}
	i := o.amendmentIndex(c.AmendmentID)
	switch {
	case i < 0:
		return nil, UnknownAmendment{AmendmentID: c.AmendmentID}
	case !o.Amendments[i].WithdrawnAt.IsZero():
		return nil, nil
	case !o.Amendments[i].AcceptedAt.IsZero():
		return nil, AmendmentClosed{AmendmentID: c.AmendmentID, ClosedAt: o.Amendments[i].AcceptedAt}
	}
	return []Event{AmendmentWithdrawn{AmendmentID: c.AmendmentID, At: c.Now}}, nil
}

func (e AmendmentWithdrawn) apply(o *Order) {
	if i := o.amendmentIndex(e.AmendmentID); i >= 0 {
		o.Amendments[i].WithdrawnAt = e.At
	}
	o.UpdatedAt = e.At
}

func (o *Order) amendmentIndex(id string) int {
	return slices.IndexFunc(o.Amendments, func(a Amendment) bool { return a.AmendmentID == id })
}

// amend returns the details of o after ops, which must come to the stated totals.
func (o *Order) amend(ops []AmendOp, totals Totals) (Details, error) {
	d := o.Details
	d.Lines = make([]Line, len(o.Lines))
	for i := range o.Lines {
		d.Lines[i] = o.Lines[i].Line
		d.Lines[i].Net = money.Money{}
	}
	d.Surcharges, d.Totals = slices.Clone(d.Surcharges), totals
	for i := range ops {
		if err := o.operate(&d, &ops[i], names(true).at("ops", i)); err != nil {
			return Details{}, err
		}
	}
	if err := named(func(n names) error { return checkDetails(&d, n) }); err != nil {
		return Details{}, err
	}
	if err := named(func(n names) error { return checkTotals(&d, n) }); err != nil {
		return Details{}, err
	}
	var err error
	if d.Lines, err = netLines(&d); err != nil {
		return Details{}, err
	}
	return d, o.stillGiven(&d)
}

// operate carries one operation out on d.
func (o *Order) operate(d *Details, op *AmendOp, field string) error {
	id := op.LineID
	switch op.Kind {
	case AmendAddLine, AmendChangeQuantity, AmendApplyDiscount:
		if op.Line == nil {
			return domain.InvalidField{Field: field + ".line", Reason: "is missing"}
		}
		id = op.Line.ID
	case AmendAddSurcharge:
		if op.Surcharge == nil {
			return domain.InvalidField{Field: field + ".surcharge", Reason: "is missing"}
		}
		d.Surcharges = append(d.Surcharges, *op.Surcharge)
		return nil
	case AmendChangeShipping:
		d.Shipping = op.Shipping
		return nil
	case AmendRemoveLine:
	default:
		return domain.InvalidField{Field: field + ".kind", Reason: fmt.Sprintf("is %q, not an operation", string(op.Kind))}
	}
	i := slices.IndexFunc(d.Lines, func(l Line) bool { return l.ID == id })
	if op.Kind == AmendAddLine {
		d.Lines = append(d.Lines, *op.Line)
		return nil // an id that is there already is found with the other fields
	}
	known, ok := o.Line(id)
	if i < 0 || !ok {
		return UnknownLine{LineID: id}
	}
	claimed := known.Cancelled + known.Assigned + known.Shipped + known.CancelRequested
	if op.Kind == AmendRemoveLine {
		if claimed > 0 {
			return known.exceeds(known.Ordered())
		}
		d.Lines = slices.Delete(d.Lines, i, i+1)
		return nil
	}
	was, is := &d.Lines[i], op.Line
	switch {
	case is.SKU != was.SKU || is.RequiresShipping != was.RequiresShipping || is.UnitPrice != was.UnitPrice:
		return domain.InvalidField{Field: field + ".line", Reason: "is other goods, or has another price, than line " + id}
	case op.Kind == AmendApplyDiscount && is.Quantity != was.Quantity:
		return domain.InvalidField{Field: field + ".line.quantity", Reason: "is another one: a discount changes no units"}
	case is.Quantity < claimed:
		return known.exceeds(known.Ordered() - is.Quantity)
	}
	d.Lines[i] = *is
	return nil
}

// pricesOnly refuses details that need other stock than o does, or more money.
func (o *Order) pricesOnly(amendmentID string, d *Details) error {
	same := len(d.Lines) == len(o.Lines)
	for i := range d.Lines {
		is := &d.Lines[i]
		l, ok := o.Line(is.ID)
		same = same && ok && is.SKU == l.Line.SKU && is.Quantity == l.Line.Quantity && is.Location == l.Line.Location &&
			is.AllowBackorder == l.Line.AllowBackorder && is.RequiresShipping == l.Line.RequiresShipping
	}
	delta := money.New(d.Totals.Grand.Minor-o.Details.Totals.Grand.Minor, o.Details.Currency)
	if !same || delta.Minor > 0 {
		return AmendmentOutOfReach{AmendmentID: amendmentID, ChangesUnits: !same, BalanceDelta: delta}
	}
	return nil
}

// stillGiven refuses details that are worth less than was given back already, for a line, for delivery, or as a whole.
func (o *Order) stillGiven(d *Details) error {
	for i := range d.Lines {
		if l, ok := o.Line(d.Lines[i].ID); ok && d.Lines[i].Net.Minor < l.Credited.Minor+l.Granted.Minor {
			return domain.InvalidField{Field: "ops", Reason: "leave line " + l.Line.ID + " worth less than was given back for it"}
		}
	}
	paid := o.shippingPaid()
	for i := range o.Details.Shipping {
		paid -= o.Details.Shipping[i].Total.Minor
	}
	for i := range d.Shipping {
		paid += d.Shipping[i].Total.Minor
	}
	if paid < 0 || d.Totals.Grand.Minor < o.Credited.Minor+o.Granted.Minor {
		return domain.InvalidField{Field: "totals", Reason: "are less than was given back already"}
	}
	return nil
}
