package returns

import (
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// Return is the state folded from the events of one return. Its zero value is a return nobody asked for. It belongs to
// whoever folds; what the events brought in is shared with them and is never changed.
type Return struct {
	ID            ID              `msgpack:"id"`
	OrderID       string          `msgpack:"order_id,omitempty"`
	Currency      money.Currency  `msgpack:"currency"`                 // of all amounts
	Resolution    Resolution      `msgpack:"resolution"`               // what the customer asked for
	Evidence      []string        `msgpack:"evidence,omitempty"`       // references to pictures and papers
	Note          domain.Personal `msgpack:"note,omitempty"`           // what the customer said
	WindowEnds    domain.Time     `msgpack:"window_ends,omitempty"`    // until when it could be asked for, zero for ever
	Lines         []LineState     `msgpack:"lines,omitempty"`          // in the order in which they were asked for
	Approval      *Approval       `msgpack:"approval,omitempty"`       // nil until it is approved
	End           *End            `msgpack:"end,omitempty"`            // nil until it is declined, cancelled or closed
	Labels        []Label         `msgpack:"labels,omitempty"`         // all ever requested, in order
	Parcels       []Parcel        `msgpack:"parcels,omitempty"`        // all that are tracked, in order
	Receipts      []Receipt       `msgpack:"receipts,omitempty"`       // in order
	Inspections   []Inspection    `msgpack:"inspections,omitempty"`    // in order
	Regrades      []Regrading     `msgpack:"regrades,omitempty"`       // in order
	Restocks      []Restocking    `msgpack:"restocks,omitempty"`       // in order
	Refunds       []Refund        `msgpack:"refunds,omitempty"`        // in order
	Replacement   *Replacement    `msgpack:"replacement,omitempty"`    // the order that replaces the goods, nil if there is none
	ManualRefunds []ManualRefund  `msgpack:"manual_refunds,omitempty"` // flags, in order
	Anomalies     []Anomaly       `msgpack:"anomalies,omitempty"`      // in order
	Granted       money.Money     `msgpack:"granted"`                  // total of all refunds
	FeesCharged   money.Money     `msgpack:"fees_charged"`             // part of the fees that refunds were reduced by
	Shipping      money.Money     `msgpack:"shipping"`                 // part of the refunds that is for outbound delivery
	RequestedAt   domain.Time     `msgpack:"requested_at"`
	ExpiredAt     domain.Time     `msgpack:"expired_at,omitempty"` // when units were last given up because they did not come
	UpdatedAt     domain.Time     `msgpack:"updated_at"`           // time of the last event
}

// LineState is a line and the ledger of its units.
type LineState struct {
	Line       Line              `msgpack:"line"`               // as asked for
	Expired    int64             `msgpack:"expired"`            // units that did not come in time
	Received   int64             `msgpack:"received"`           // units that came in
	Outcomes   []OutcomeQuantity `msgpack:"outcomes,omitempty"` // units by outcome, none with zero units, in the order of first use
	Shelves    []Shelf           `msgpack:"shelves,omitempty"`  // where the restocked units go, in the order of first use
	Granted    int64             `msgpack:"granted"`            // units that were refunded
	Amount     money.Money       `msgpack:"amount"`             // refunded for them, before fees
	Recovering int64             `msgpack:"recovering"`         // units told by a [RecoveryRequired]
}

// LineQuantity is a number of units of one line.
type LineQuantity struct {
	LineID   string `json:"line_id"  msgpack:"line_id,omitempty"`
	Quantity int64  `json:"quantity" msgpack:"quantity"`
}

// OutcomeQuantity is a number of units with one outcome.
type OutcomeQuantity struct {
	Outcome  Outcome `msgpack:"outcome"`
	Quantity int64   `msgpack:"quantity"`
}

// Shelf is a location that units go back into stock at.
type Shelf struct {
	Location  string `msgpack:"location,omitempty"`
	Graded    int64  `msgpack:"graded"`    // units with the outcome restocked
	Restocked int64  `msgpack:"restocked"` // units of Graded that stock has taken
}

// RestockLine is a number of units of one line for one location.
type RestockLine struct {
	LineID   string `json:"line_id"  msgpack:"line_id,omitempty"`
	SKU      string `json:"sku"      msgpack:"sku,omitempty"`
	Location string `json:"location" msgpack:"location,omitempty"`
	Quantity int64  `json:"quantity" msgpack:"quantity"`
}

// Due is what a refund may be granted for now: whole units, the fees that it is to be reduced by, and the outbound
// delivery that the approval promised.
type Due struct {
	Lines    []LineQuantity
	Fees     money.Money // still to be charged: min(Fees, amounts + delivery) of them reduces the next refund
	Shipping money.Money // still to be refunded at most
}

// Units returns how many units are still to be dealt with: requested − expired.
func (l *LineState) Units() int64 { return l.Line.Quantity - l.Expired }

// Count returns how many units have outcome o.
func (l *LineState) Count(o Outcome) int64 {
	return l.sum(func(other Outcome) bool { return other == o })
}

func (l *LineState) sum(which func(Outcome) bool) (n int64) {
	for _, o := range l.Outcomes {
		if which(o.Outcome) {
			n += o.Quantity
		}
	}
	return n
}

func anyOutcome(Outcome) bool { return true }

// Graded returns how many units have an outcome, final or not.
func (l *LineState) Graded() int64 { return l.sum(anyOutcome) }

// inHand returns how many units have an outcome that only units that came in can have.
func (l *LineState) inHand() int64 { return l.sum(Outcome.InHand) }

// missingInHand returns how many of the missing units were counted when they came in: as many as can be.
func (l *LineState) missingInHand() int64 {
	return max(0, min(l.Count(OutcomeMissing), l.Received-l.inHand()))
}

// Outstanding returns how many units may still come.
func (l *LineState) Outstanding() int64 {
	elsewhere := l.Count(OutcomeKeepIt) + l.Count(OutcomeLostInTransit) + l.Count(OutcomeMissing) - l.missingInHand()
	return max(0, l.Units()-l.Received-elsewhere)
}

// move takes n units (less than zero: gives back) to outcome o.
func (l *LineState) move(o Outcome, n int64) {
	i := slices.IndexFunc(l.Outcomes, func(q OutcomeQuantity) bool { return q.Outcome == o })
	if i < 0 {
		l.Outcomes = append(l.Outcomes, OutcomeQuantity{Outcome: o, Quantity: n})
		return
	}
	if l.Outcomes[i].Quantity += n; l.Outcomes[i].Quantity == 0 {
		l.Outcomes = slices.Delete(l.Outcomes, i, i+1)
	}
}

// shelf returns what goes back into stock at location, for a change.
func (l *LineState) shelf(location string) *Shelf {
	i := slices.IndexFunc(l.Shelves, func(s Shelf) bool { return s.Location == location })
	if i < 0 {
		l.Shelves = append(l.Shelves, Shelf{Location: location})
		i = len(l.Shelves) - 1
	}
	return &l.Shelves[i]
}

// waiting returns how many units stock at location has not taken yet.
func (l *LineState) waiting(location string) int64 {
	for _, s := range l.Shelves {
		if s.Location == location {
			return s.Graded - s.Restocked
		}
	}
	return 0
}

// Line returns the line with that id; ok is false if the return has none.
func (r *Return) Line(id string) (line *LineState, ok bool) {
	i := slices.IndexFunc(r.Lines, func(l LineState) bool { return l.Line.ID == id })
	if i < 0 {
		return nil, false
	}
	return &r.Lines[i], true
}

// total adds up what of returns for each line.
func (r *Return) total(of func(*LineState) int64) (n int64) {
	for i := range r.Lines {
		n += of(&r.Lines[i])
	}
	return n
}

// Status derives where r stands.
func (r *Return) Status() Status {
	units := r.total((*LineState).Units)
	switch {
	case r.ID == "":
		return StatusNone
	case r.End != nil:
		return r.End.Kind.status()
	case !r.ExpiredAt.IsZero() && units == 0:
		return StatusExpired
	case r.Approval == nil:
		return StatusRequested
	case r.total(func(l *LineState) int64 { return l.sum(Outcome.Final) }) == units:
		return StatusInspected
	case r.total((*LineState).Outstanding) == 0:
		return StatusReceived
	case r.total(func(l *LineState) int64 { return l.Received }) > 0:
		return StatusPartiallyReceived
	case len(r.Parcels) > 0:
		return StatusInTransit
	}
	return StatusApproved
}

// RestockDue returns the units that are graded to go back into stock and that stock has not taken yet. Moving them and
// [RecordRestocked] belong into one commit.
func (r *Return) RestockDue() []RestockLine {
	var due []RestockLine
	for i := range r.Lines {
		l := &r.Lines[i]
		for _, s := range l.Shelves {
			if n := s.Graded - s.Restocked; n > 0 {
				due = append(due, RestockLine{LineID: l.Line.ID, SKU: l.Line.SKU, Location: s.Location, Quantity: n})
			}
		}
	}
	return due
}

// RefundDue returns what a refund is due for by the trigger of the approval: no lines if there is nothing, or if a person has
// taken it over (see [FlagManualRefund]). The order's grant and [RecordRefundGranted] belong into one commit.
func (r *Return) RefundDue() Due {
	d := Due{Fees: r.openFees(), Shipping: r.openShipping()}
	if len(r.ManualRefunds) == 0 {
		d.Lines = r.refundable()
	}
	return d
}

// refundable returns the units that a refund may be granted for, whoever does it.
func (r *Return) refundable() []LineQuantity {
	return r.quantities(r.due)
}

// quantities returns the lines for which of says more than zero units.
func (r *Return) quantities(of func(*LineState) int64) []LineQuantity {
	var lines []LineQuantity
	for i := range r.Lines {
		if n := of(&r.Lines[i]); n > 0 {
			lines = append(lines, LineQuantity{LineID: r.Lines[i].Line.ID, Quantity: n})
		}
	}
	return lines
}

// due returns how many units of l a refund may be granted for now.
func (r *Return) due(l *LineState) int64 { return max(0, r.entitled(l)-l.Granted) }

// entitled returns how many units of l deserve a refund by now, granted or not.
func (r *Return) entitled(l *LineState) int64 {
	if r.Approval == nil {
		return 0
	}
	refunded := func(o Outcome) bool { return r.Approval.refunds(o) }
	n := r.deserved(l)
	switch r.Approval.Trigger {
	case TriggerApproval:
	case TriggerReceipt:
		refused := l.sum(func(o Outcome) bool { return o.InHand() && o.Final() && !refunded(o) })
		elsewhere := l.sum(func(o Outcome) bool { return !o.InHand() && refunded(o) })
		n = min(n, max(0, l.Received-l.missingInHand()-refused+elsewhere))
	case TriggerInspection:
		n = min(n, l.sum(refunded))
	default:
		n = 0
	}
	return n
}

// deserved returns how many units of l a refund was or may be deserved for: all but those whose outcome rules it out.
func (r *Return) deserved(l *LineState) int64 {
	if r.Approval == nil || r.End != nil && r.End.Kind != EndClosed {
		return 0
	}
	return max(0, l.Units()-l.sum(func(o Outcome) bool { return o.Final() && !r.Approval.refunds(o) }))
}

// openFees returns what of the fees no refund was reduced by yet.
func (r *Return) openFees() money.Money {
	open := money.New(0, r.Currency)
	if r.Approval != nil {
		for _, f := range r.Approval.Fees {
			open.Minor += f.Amount.Minor
		}
	}
	open.Minor -= r.FeesCharged.Minor
	return open
}

// openShipping returns what of the outbound delivery may still be refunded.
func (r *Return) openShipping() money.Money {
	open := money.New(0, r.Currency)
	if r.Approval != nil {
		open.Minor = r.Approval.RefundShipping.Minor - r.Shipping.Minor
	}
	return open
}

// settled reports whether nothing is due: no unit for stock, and no refund, or a person has taken it over.
func (r *Return) settled() bool { return len(r.RestockDue()) == 0 && len(r.RefundDue().Lines) == 0 }
