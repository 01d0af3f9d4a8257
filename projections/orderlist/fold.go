package orderlist

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"waybill/domain"
	"waybill/domain/order"
	"waybill/projections"
)

// row is a [Row] with what only the fold needs.
type row struct {
	Row

	lifecycle order.Lifecycle
	open      []order.Hold // the holds that are not released: id, kind and blocks
	progress  progress
}

// progress is what has happened to the money and the goods of an order since it was placed. Most orders in a list have
// none, or little. Units are summed over all lines that are shipped: no status needs to know of which they are.
type progress struct {
	Services  []string                `msgpack:"services,omitempty"`  // lines that are not shipped
	Unshipped int64                   `msgpack:"unshipped,omitempty"` // units of those, less cancelled
	Dropped   int64                   `msgpack:"dropped,omitempty"`   // units of those that were cancelled
	Cancelled int64                   `msgpack:"cancelled,omitempty"` // units of the others
	Assigned  int64                   `msgpack:"assigned,omitempty"`
	Shipped   int64                   `msgpack:"shipped,omitempty"`
	Delivered int64                   `msgpack:"delivered,omitempty"`
	Returned  int64                   `msgpack:"returned,omitempty"`
	Payments  []order.PaymentPosition `msgpack:"payments,omitempty"`
	Asked     string                  `msgpack:"asked,omitempty"`   // the cancellation of the whole order that waits
	Before    order.Lifecycle         `msgpack:"before,omitempty"`  // where the order stood when that was asked for
	Returns   []openReturn            `msgpack:"returns,omitempty"` // those that have units
}

// openReturn is a return that has units.
type openReturn struct {
	ID    string `msgpack:"id"`
	Left  int64  `msgpack:"left"`
	Begun bool   `msgpack:"begun"` // others of it are graded
}

// rows are the orders of a batch, in the order in which it names them first.
type rows struct {
	list []*row
	byID map[string]*row
}

func (rs *rows) add(r *row) {
	rs.list = append(rs.list, r)
	rs.byID[r.OrderID] = r
}

// fold brings one event into its row.
func (rs *rows) fold(e *projections.Event, ev order.Event) error {
	id, _ := order.ParseStream(e.Stream)
	r := rs.byID[string(id)]
	if placed, ok := ev.(order.Placed); ok && r == nil {
		r = newRow(string(id), e, &placed)
		rs.add(r)
	} else if r == nil {
		return fmt.Errorf("event %d: %s of order %s, which the list does not have", e.Position, e.Type, id)
	}
	r.fold(ev)
	r.UpdatedAt, r.Version, r.Position = e.RecordedAt, e.Version, e.Position
	return nil
}

func newRow(id string, e *projections.Event, p *order.Placed) *row {
	d := &p.Details
	r := &row{Row: Row{
		OrderID: id, Number: d.Number, Channel: d.Channel, SourceRef: d.SourceRef, CustomerID: d.CustomerID,
		Tags: unique(slices.Clone(d.Tags)), Total: d.Totals.Grand, Country: d.Contact.Delivery.Country, Lines: len(d.Lines),
		PlacedAt: d.PlacedAt.Time(), seq: e.Position,
	}}
	r.Total.Currency = d.Currency
	if d.PlacedAt.IsZero() {
		r.PlacedAt = p.At.Time()
	}
	skus := make([]string, len(d.Lines))
	for i := range d.Lines {
		skus[i] = d.Lines[i].SKU
		r.Units += d.Lines[i].Quantity
		if !d.Lines[i].RequiresShipping {
			r.progress.Services = append(r.progress.Services, d.Lines[i].ID)
			r.progress.Unshipped += d.Lines[i].Quantity
		}
	}
	r.SKUs = unique(skus)
	return r
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// fold changes r by one event of its order.
func (r *row) fold(ev order.Event) {
	switch ev := ev.(type) {
	case order.Placed:
		r.lifecycle = order.LifecyclePending
	case order.Confirmed:
		r.lifecycle = order.LifecycleConfirmed
	case order.Rejected:
		r.lifecycle = order.LifecycleRejected
	case order.Expired:
		r.lifecycle = order.LifecycleExpired
	case order.HoldPlaced:
		r.open = append(r.open, order.Hold{ID: ev.HoldID, Kind: ev.Kind, Blocks: ev.Blocks})
	case order.HoldReleased:
		r.open = slices.DeleteFunc(r.open, func(h order.Hold) bool { return h.ID == ev.HoldID })
	case order.LinesCancelled:
		for _, l := range ev.Lines {
			r.cancel(l.LineID, l.Quantity)
		}
		r.answered(ev.CancellationID)
		r.Total.Minor -= ev.Credit.Minor
	case order.Cancelled:
		r.lifecycle = order.LifecycleCancelled
		r.Total.Minor -= ev.Credit.Minor
	case order.Tagged:
		r.Tags = unique(append(r.Tags, ev.Tags...))
	case order.Untagged:
		r.Tags = slices.DeleteFunc(r.Tags, func(t string) bool { return slices.Contains(ev.Tags, t) })
	case order.PaymentPositionChanged:
		r.pay(order.PaymentPosition(ev))
	case order.FulfilmentAssigned:
		r.progress.Assigned += total(ev.Lines)
	case order.FulfilmentUnassigned:
		r.progress.Assigned -= total(ev.Lines)
	case order.LinesShipped:
		r.progress.Assigned -= total(ev.Lines)
		r.progress.Shipped += total(ev.Lines)
	case order.LinesDelivered:
		r.progress.Delivered += total(ev.Lines)
	case order.Completed:
		r.lifecycle = order.LifecycleCompleted
	case order.CancellationRequested:
		if ev.Whole {
			r.progress.Asked, r.progress.Before, r.lifecycle = ev.CancellationID, r.lifecycle, order.LifecycleCancelling
		}
	case order.CancellationDeclined:
		if ev.Final {
			r.answered(ev.CancellationID)
		}
	case order.Amended:
		r.amend(&ev)
	case order.ShippingAddressChanged:
		r.Country = ev.Address.Country
	case order.CustomerLinked:
		r.CustomerID = ev.CustomerID
	case order.RefundGranted:
		if ev.Basis.Entitles() {
			r.Total.Minor -= ev.Amount.Minor
		}
	case order.ReturnAuthorised:
		r.progress.Returns = append(r.progress.Returns, openReturn{ID: ev.ReturnID, Left: total(ev.Lines)})
	case order.ReturnReleased:
		r.comesBack(ev.ReturnID, total(ev.Lines), false)
	case order.LinesReturned:
		for _, l := range ev.Lines {
			r.comesBack(ev.ReturnID, l.Quantity, true)
			if l.Outcome != order.OutcomeRejectedSentBack {
				r.progress.Returned += l.Quantity
			}
		}
	case order.NoteAdded, order.AnomalyDetected, order.Archived, order.RefundSettled, order.RefundSettlementFailed,
		order.AmendmentProposed, order.AmendmentWithdrawn:
	}
	r.derive()
}

func total(lines []order.LineQuantity) (n int64) {
	for _, l := range lines {
		n += l.Quantity
	}
	return n
}

// comesBack takes units off a return: they were graded, or do not come.
func (r *row) comesBack(id string, units int64, graded bool) {
	p := &r.progress
	i := slices.IndexFunc(p.Returns, func(t openReturn) bool { return t.ID == id })
	if i < 0 {
		return
	}
	p.Returns[i].Left -= units
	p.Returns[i].Begun = p.Returns[i].Begun || graded
	if p.Returns[i].Left == 0 {
		p.Returns = slices.Delete(p.Returns, i, i+1)
	}
}

// amend sets what follows from all lines. What was cancelled of them stays so.
func (r *row) amend(e *order.Amended) {
	p := &r.progress
	p.Services, p.Unshipped, r.Units, r.Lines = nil, -p.Dropped, -p.Dropped-p.Cancelled, len(e.Lines)
	skus := make([]string, len(e.Lines))
	for i := range e.Lines {
		l := &e.Lines[i]
		skus[i] = l.SKU
		r.Units += l.Quantity
		if !l.RequiresShipping {
			p.Services = append(p.Services, l.ID)
			p.Unshipped += l.Quantity
		}
	}
	r.SKUs = unique(skus)
	r.Total.Minor += e.BalanceDelta.Minor
}

// answered ends the cancellation of the whole order, if it is that: the order stands where it stood.
func (r *row) answered(cancellation string) {
	if p := &r.progress; p.Asked != "" && p.Asked == cancellation {
		r.lifecycle, p.Asked, p.Before = p.Before, "", order.LifecycleNone
	}
}

// cancel takes units of a line off.
func (r *row) cancel(line string, units int64) {
	r.Units -= units
	if slices.Contains(r.progress.Services, line) {
		r.progress.Unshipped -= units
		r.progress.Dropped += units
	} else {
		r.progress.Cancelled += units
	}
}

func (r *row) pay(p order.PaymentPosition) {
	payments := r.progress.Payments
	if i := slices.IndexFunc(payments, func(known order.PaymentPosition) bool { return known.PaymentID == p.PaymentID }); i >= 0 {
		payments[i] = p
	} else {
		r.progress.Payments = append(payments, p)
	}
}

// derive sets the columns that follow from others, by the rules of the domain. A hold counts until it is released: there
// is no clock.
func (r *row) derive() {
	r.Lifecycle = r.lifecycle.String()
	state := order.Order{
		Lifecycle: r.lifecycle, Holds: r.open, Payments: r.progress.Payments,
		Details: order.Details{Currency: r.Total.Currency, Totals: order.Totals{Grand: r.Total}},
		Lines:   r.goods(),
		Returns: r.tokens(),
	}
	r.PaymentStatus = string(state.PaymentStatus())
	r.FulfilmentStatus = string(state.FulfilmentStatus(0))
	r.ReturnStatus = string(state.ReturnStatus())
	kinds := make(map[string]bool, len(r.open))
	for i := range r.open {
		kinds[string(r.open[i].Kind)] = true
	}
	r.Holds = slices.Sorted(maps.Keys(kinds))
}

// goods returns all that is shipped as one line: the statuses follow from sums.
func (r *row) goods() []order.LineState {
	p := &r.progress
	return []order.LineState{{
		Line:      order.Line{Quantity: r.Units - p.Unshipped + p.Cancelled, RequiresShipping: true},
		Cancelled: p.Cancelled, Assigned: p.Assigned, Shipped: p.Shipped, Delivered: p.Delivered,
		Returned: p.Returned,
	}}
}

// tokens returns the open returns with all their units on one line.
func (r *row) tokens() []order.ReturnToken {
	tokens := make([]order.ReturnToken, len(r.progress.Returns))
	for i, t := range r.progress.Returns {
		tokens[i] = order.ReturnToken{ReturnID: t.ID, Lines: []order.LineQuantity{{Quantity: t.Left}}}
		if t.Begun {
			tokens[i].Outcomes = make([]order.ReturnOutcome, 1)
		}
	}
	return tokens
}

// values returns the rows in the order of the table's columns.
func (rs *rows) values() ([][]any, error) {
	values := make([][]any, len(rs.list))
	for i, r := range rs.list {
		progress, err := r.progress.encode()
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", r.OrderID, err)
		}
		values[i] = []any{
			r.seq, r.PlacedAt, r.UpdatedAt, r.Version, r.Position, r.Total.Minor, r.Units, int32(r.Lines), r.OrderID,
			r.Number, r.Channel, r.SourceRef, r.CustomerID, r.Lifecycle, r.PaymentStatus, r.FulfilmentStatus, r.ReturnStatus,
			string(r.Total.Currency), r.Country, r.Holds, r.Tags, r.SKUs, holdTexts(r.open),
			progress,
		}
	}
	return values, nil
}

// encode returns the stored form of p: nothing where nothing has happened, which is cheap, as most orders begin so.
func (p *progress) encode() ([]byte, error) {
	if reflect.ValueOf(*p).IsZero() {
		return []byte{}, nil
	}
	return domain.Marshal(p)
}

// scanStored reads a row in the order of the table's columns.
func scanStored(s pgx.CollectableRow) (*row, error) {
	var r row
	var open []string
	var progress []byte
	err := s.Scan(&r.seq, &r.PlacedAt, &r.UpdatedAt, &r.Version, &r.Position, &r.Total.Minor, &r.Units, &r.Lines, &r.OrderID,
		&r.Number, &r.Channel, &r.SourceRef, &r.CustomerID, &r.Lifecycle, &r.PaymentStatus, &r.FulfilmentStatus, &r.ReturnStatus,
		&r.Total.Currency, &r.Country, &r.Holds, &r.Tags, &r.SKUs, &open,
		&progress)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(order.Lifecycles(), func(l order.Lifecycle) bool { return l.String() == r.Lifecycle })
	if i < 0 {
		return nil, fmt.Errorf("order %s has the unknown lifecycle %q", r.OrderID, r.Lifecycle)
	}
	r.lifecycle = order.Lifecycles()[i]
	r.open = parseHolds(open)
	if len(progress) > 0 {
		if err := domain.Unmarshal(progress, &r.progress); err != nil {
			return nil, fmt.Errorf("order %s: %w", r.OrderID, err)
		}
	}
	return &r, nil
}

// holdTexts returns the open holds as they are stored: "kind verb,verb id". The id comes last, as only it may hold spaces.
func holdTexts(open []order.Hold) []string {
	texts := make([]string, len(open))
	for i := range open {
		verbs := make([]string, len(open[i].Blocks))
		for j, v := range open[i].Blocks {
			verbs[j] = string(v)
		}
		texts[i] = string(open[i].Kind) + " " + strings.Join(verbs, ",") + " " + open[i].ID
	}
	return texts
}

// parseHolds is the inverse of holdTexts.
func parseHolds(texts []string) []order.Hold {
	open := make([]order.Hold, len(texts))
	for i, t := range texts {
		kind, rest, _ := strings.Cut(t, " ")
		verbs, id, _ := strings.Cut(rest, " ")
		open[i] = order.Hold{ID: id, Kind: order.HoldKind(kind)}
		for v := range strings.SplitSeq(verbs, ",") {
			open[i].Blocks = append(open[i].Blocks, order.Verb(v))
		}
	}
	return open
}
