package returns

import (
	"fmt"
	"slices"
	"strconv"

	"waybill/domain"
	"waybill/domain/money"
)

// Limits of one return.
const (
	MaxLines     = 1_000         // lines, and lines of one receipt, inspection, restock or refund
	MaxQuantity  = 1_000_000_000 // units of a line
	MaxSteps     = 1_000         // receipts, inspections, regrades, restocks and refunds: of each
	MaxParcels   = 100           // parcels that are tracked, and labels
	MaxFees      = 100           // fees
	MaxEvidence  = 100           // references to evidence
	MaxFlags     = 100           // flags for a manual refund
	MaxAnomalies = 1_000         // anomalies that are told
	MaxLineID    = 64            // bytes of a line's id
	MaxName      = 128           // bytes of an RMA number, a carrier, a tracking number or a code
	MaxTitle     = 512           // bytes of the title of a fee, a reference, a detail, and of a note on a line
	MaxText      = 4_096         // bytes of a note
)

// fields checks fields one after the other and keeps the first refusal.
type fields struct {
	err error
}

// at returns the path of the i-th entry of list.
func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func (f *fields) check(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) invalid(field, reason string) {
	f.check(domain.InvalidField{Field: field, Reason: reason})
}

func (f *fields) id(field, id string)             { f.check(domain.CheckID(field, id)) }
func (f *fields) text(field, s string, limit int) { f.check(domain.CheckText(field, s, limit)) }
func (f *fields) note(field string, p domain.Personal, limit int) {
	f.check(domain.CheckPersonal(field, p, limit))
}

// name checks a short text that must be given.
func (f *fields) name(field, s string) {
	if s == "" {
		f.invalid(field, "is missing")
	}
	f.text(field, s, MaxName)
}

func (f *fields) lineID(field, id string) {
	f.id(field, id)
	f.text(field, id, MaxLineID)
}

func (f *fields) count(field string, n, limit int, unit string) {
	if n > limit {
		f.check(domain.LimitExceeded{Field: field, Limit: int64(limit), Actual: int64(n), Unit: unit})
	}
}

// lines refuses a list of lines that is empty or too long.
func (f *fields) lines(n int) {
	if n == 0 {
		f.invalid("lines", "are missing")
	}
	f.count("lines", n, MaxLines, "lines")
}

func (f *fields) quantity(field string, n int64) {
	if n < 1 {
		f.invalid(field, fmt.Sprintf("is %d, at least 1 is needed", n))
	}
	if n > MaxQuantity {
		f.check(domain.LimitExceeded{Field: field, Limit: MaxQuantity, Actual: n, Unit: "units"})
	}
}

// amount refuses an amount that is negative, or in another currency than the return.
func (f *fields) amount(field string, m money.Money, c money.Currency) {
	if m.Currency != c {
		f.check(CurrencyMismatch{Field: field, Expected: c, Actual: m.Currency})
	}
	if m.Sign() < 0 {
		f.invalid(field, "is negative")
	}
}

// room refuses one step more than there is room for.
func (f *fields) room(field string, have, limit int) { f.count(field, have+1, limit, field) }

// oneOf refuses a value that is not listed.
func oneOf[T ~string](f *fields, field string, v T, known ...T) {
	if !slices.Contains(known, v) {
		f.invalid(field, fmt.Sprintf("is %q, not one of %q", string(v), known))
	}
}

// unique refuses a key that stands twice.
func unique[T any](f *fields, field string, items []T, key func(*T) string) {
	seen := make(map[string]struct{}, len(items))
	for i := range items {
		k := key(&items[i])
		if _, twice := seen[k]; twice {
			f.invalid(at(field, i), "repeats "+k)
			return
		}
		seen[k] = struct{}{}
	}
}

// quantities checks a list of lines and units.
func (f *fields) quantities(field string, lines []LineQuantity) {
	for i := range lines {
		f.lineID(at(field, i)+".line_id", lines[i].LineID)
		f.quantity(at(field, i)+".quantity", lines[i].Quantity)
	}
	unique(f, field, lines, func(l *LineQuantity) string { return l.LineID })
}

// sameSet reports whether a and b hold the same entries, in whatever order.
func sameSet[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	count := make(map[T]int, len(a))
	for _, v := range a {
		count[v]++
	}
	for _, v := range b {
		if count[v]--; count[v] < 0 {
			return false
		}
	}
	return true
}
