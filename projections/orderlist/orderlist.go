// Package orderlist is the read model behind lists of orders: one row an order, with the derived statuses as stored
// columns, so that any mix of filters is answered by an index.
//
// It holds no lines and no personal data (package orderdetail has the lines), and it does not count rows without a bound.
package orderlist

import (
	"slices"
	"strings"
	"time"

	"waybill/domain/money"
	"waybill/projections/keyset"
)

// Row is one order in the list.
type Row struct {
	OrderID    string `json:"order_id"`
	Number     string `json:"number"`
	Channel    string `json:"channel"`
	SourceRef  string `json:"source_ref,omitempty"`
	CustomerID string `json:"customer_id,omitempty"`

	Lifecycle        string `json:"lifecycle"`
	PaymentStatus    string `json:"payment_status"`
	FulfilmentStatus string `json:"fulfilment_status"`
	ReturnStatus     string `json:"return_status"`

	Holds []string `json:"holds"` // kinds of the active holds, sorted, each once
	Tags  []string `json:"tags"`  // sorted
	SKUs  []string `json:"skus"`  // sorted, each once

	Total   money.Money `json:"total"` // what it costs: ordered less cancelled and refunded
	Country string      `json:"country,omitempty"`
	Lines   int         `json:"lines"`
	Units   int64       `json:"units"` // ordered less cancelled

	PlacedAt  time.Time `json:"placed_at"`  // as the order says
	UpdatedAt time.Time `json:"updated_at"` // when the log took the last event of the order
	Version   int64     `json:"version"`    // of the order's stream
	Position  int64     `json:"position"`   // of the last event that is folded in

	seq int64 // position of the order's first event: breaks ties, and is unique
}

// Sort is the order of a list. All but the first are also good for filters without an order of their own.
type Sort string

// The orders of a list. Rows that are equal in the first column follow in the order in which they were placed. Sorting
// by total needs a filter on one currency: amounts of different currencies never meet.
const (
	PlacedDesc  Sort = "-placed_at" // the default: newest first
	PlacedAsc   Sort = "placed_at"
	UpdatedDesc Sort = "-updated_at"
	UpdatedAsc  Sort = "updated_at"
	TotalDesc   Sort = "-total"
	TotalAsc    Sort = "total"
	NumberDesc  Sort = "-number"
	NumberAsc   Sort = "number"
)

// Filter says which orders a list has. All conditions must hold; the zero value is all orders, newest first. Of the
// lists of values, one must match, unless the field says that all must.
type Filter struct {
	Lifecycle        []string `json:"lifecycle,omitempty"`
	PaymentStatus    []string `json:"payment_status,omitempty"`
	FulfilmentStatus []string `json:"fulfilment_status,omitempty"`
	ReturnStatus     []string `json:"return_status,omitempty"`
	Channels         []string `json:"channel,omitempty"`
	Countries        []string `json:"country,omitempty"`
	CustomerID       string   `json:"customer_id,omitempty"`
	Number           string   `json:"number,omitempty"`     // exact
	SourceRef        string   `json:"source_ref,omitempty"` // exact
	Holds            []string `json:"hold,omitempty"`       // kinds of active holds
	OnHold           *bool    `json:"on_hold,omitempty"`    // with any active hold, or with none
	Tags             []string `json:"tag,omitempty"`        // all of them
	SKUs             []string `json:"sku,omitempty"`        // all of them

	Currency string `json:"currency,omitempty"`
	TotalMin *int64 `json:"total_min,omitempty"` // minor units, inclusive; needs Currency
	TotalMax *int64 `json:"total_max,omitempty"` // minor units, inclusive; needs Currency

	PlacedFrom    time.Time `json:"placed_from,omitzero"`    // inclusive
	PlacedBefore  time.Time `json:"placed_before,omitzero"`  // exclusive
	UpdatedFrom   time.Time `json:"updated_from,omitzero"`   // inclusive
	UpdatedBefore time.Time `json:"updated_before,omitzero"` // exclusive

	Sort   Sort   `json:"sort,omitempty"` // empty: [PlacedDesc]
	Limit  int    `json:"-"`              // rows of a page; 0: [keyset.DefaultLimit]
	Cursor string `json:"-"`              // NextCursor of the page before; empty: the first page
}

// Page is one page of the list.
type Page = keyset.Page[Row]

// normalised returns f with its lists sorted and its times in UTC, so that filters that mean the same have one scope; or a
// [*keyset.FilterError].
func normalised(f Filter) (Filter, error) {
	for _, l := range f.lists() {
		if err := keyset.CheckText(l.field, *l.values...); err != nil {
			return Filter{}, err
		}
		*l.values = slices.Compact(slices.Sorted(slices.Values(*l.values)))
	}
	for _, e := range f.equal() {
		if err := keyset.CheckText(e.field, e.value); err != nil {
			return Filter{}, err
		}
	}
	byTotal := f.Sort == TotalAsc || f.Sort == TotalDesc
	if f.Currency == "" && (f.TotalMin != nil || f.TotalMax != nil || byTotal) {
		return Filter{}, &keyset.FilterError{Field: "currency", Reason: "is needed to compare totals"}
	}
	for _, t := range []*time.Time{&f.PlacedFrom, &f.PlacedBefore, &f.UpdatedFrom, &f.UpdatedBefore} {
		*t = t.UTC()
	}
	if f.Sort == "" {
		f.Sort = PlacedDesc
	}
	if _, ok := f.Sort.order(); !ok {
		return Filter{}, &keyset.FilterError{Field: "sort", Reason: "must be placed_at, updated_at, total or number, with - in front for the largest first"}
	}
	var err error
	f.Limit, err = keyset.Limit(f.Limit)
	return f, err
}

// list is one of the lists of values of a filter.
type list struct {
	field  string
	column string
	values *[]string
}

// anyOf returns the lists of values of f of which the one value of an order must be one.
func (f *Filter) anyOf() []list {
	return []list{
		{"lifecycle", "lifecycle", &f.Lifecycle},
		{"payment_status", "payment_status", &f.PaymentStatus},
		{"fulfilment_status", "fulfilment_status", &f.FulfilmentStatus},
		{"return_status", "return_status", &f.ReturnStatus},
		{"channel", "channel", &f.Channels},
		{"country", "country", &f.Countries},
	}
}

// lists returns all lists of values of f.
func (f *Filter) lists() []list {
	return append(f.anyOf(), list{"hold", "holds", &f.Holds}, list{"tag", "tags", &f.Tags}, list{"sku", "skus", &f.SKUs})
}

// exact is a column that must have a value, unless that is empty.
type exact struct{ field, value string }

// equal returns the conditions of f on single values; the fields are named as the columns.
func (f *Filter) equal() []exact {
	return []exact{
		{"customer_id", f.CustomerID},
		{"number", f.Number},
		{"source_ref", f.SourceRef},
		{"currency", f.Currency},
	}
}

// ordering is how a sort becomes SQL.
type ordering struct {
	column     string
	descending bool
}

func (s Sort) order() (ordering, bool) {
	name, descending := strings.CutPrefix(string(s), "-")
	column := name
	switch s {
	case PlacedDesc, PlacedAsc, UpdatedDesc, UpdatedAsc, NumberDesc, NumberAsc:
	case TotalDesc, TotalAsc:
		column = "total_minor"
	default:
		return ordering{}, false
	}
	return ordering{column: column, descending: descending}, true
}

// sql returns the condition for rows behind a place, and the ORDER BY.
func (o ordering) sql() (after, by string) {
	if o.descending {
		return "(" + o.column + ", seq) < (?, ?)", o.column + " DESC, seq DESC"
	}
	return "(" + o.column + ", seq) > (?, ?)", o.column + ", seq"
}

// keys returns the keys of the place of a row.
func (o ordering) keys(r *Row) []keyset.Key {
	seq := keyset.Int(r.seq)
	switch o.column {
	case "updated_at":
		return []keyset.Key{keyset.Int(r.UpdatedAt.UnixMicro()), seq}
	case "number":
		return []keyset.Key{keyset.Text(r.Number), seq}
	case "total_minor":
		return []keyset.Key{keyset.Int(r.Total.Minor), seq}
	}
	return []keyset.Key{keyset.Int(r.PlacedAt.UnixMicro()), seq}
}

// arg returns a key as an argument that compares with the column.
func (o ordering) arg(k keyset.Key) any {
	switch o.column {
	case "number":
		return k.Text()
	case "total_minor":
		return k.Int()
	}
	return time.UnixMicro(k.Int()).UTC()
}
