package fulfilment

import (
	"fmt"
	"slices"
	"strconv"

	"waybill/domain"
)

// Limits of one fulfilment.
const (
	MaxLines         = 1_000         // lines
	MaxQuantity      = 1_000_000_000 // units of a line
	MaxParcels       = 1_000         // parcels ever packed
	MaxReports       = 1_000         // reports of the location about its units
	MaxOperations    = 1_000         // operations on labels
	MaxCancellations = 100           // cancellations ever asked for
	MaxHolds         = 100           // holds ever placed
	MaxTracking      = 20            // tracking numbers of a parcel
	MaxMeasure       = 1_000_000_000 // grams, or millimetres, of a parcel
	MaxName          = 128           // bytes of a reference, a carrier, a service, a code or a tracking number
	MaxText          = 4_096         // bytes of a note or a detail
	FactMemory       = 1_024         // facts of the carrier that are remembered
	AnomalyMemory    = 256           // anomalies that are remembered
)

// fields checks fields one after the other and keeps the first refusal.
type fields struct{ err error }

// at returns the path of the i-th entry of list.
func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func (f *fields) check(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) id(field, id string)             { f.check(domain.CheckID(field, id)) }
func (f *fields) text(field, s string, limit int) { f.check(domain.CheckText(field, s, limit)) }

// name checks a short text that must be given.
func (f *fields) name(field, s string) {
	if s == "" {
		f.check(domain.InvalidField{Field: field, Reason: "is missing"})
	}
	f.text(field, s, MaxName)
}

func (f *fields) count(field string, n, limit int, unit string) {
	if n > limit {
		f.check(domain.LimitExceeded{Field: field, Limit: int64(limit), Actual: int64(n), Unit: unit})
	}
}

// units checks a number of units of a line.
func (f *fields) units(field string, n int64) {
	if n < 1 {
		f.check(domain.InvalidField{Field: field, Reason: fmt.Sprintf("is %d, at least 1 is needed", n)})
	}
	if n > MaxQuantity {
		f.check(domain.LimitExceeded{Field: field, Limit: MaxQuantity, Actual: n, Unit: "units"})
	}
}

// measure checks a weight or a length, zero for one that is not known.
func (f *fields) measure(field string, n int64) {
	if n < 0 {
		f.check(domain.InvalidField{Field: field, Reason: "is negative"})
	}
	if n > MaxMeasure {
		f.check(domain.LimitExceeded{Field: field, Limit: MaxMeasure, Actual: n, Unit: "grams or millimetres"})
	}
}

// quantities checks numbers of units, each line once.
func (f *fields) quantities(field string, lines []LineQuantity) {
	f.count(field, len(lines), MaxLines, "lines")
	for i, l := range lines {
		f.id(at(field, i)+".line_id", l.LineID)
		f.units(at(field, i)+".quantity", l.Quantity)
	}
	unique(f, field, lines, func(l *LineQuantity) string { return l.LineID })
}

// tracking checks the tracking numbers of a parcel.
func (f *fields) tracking(numbers []string) {
	f.count("tracking", len(numbers), MaxTracking, "tracking numbers")
	for i, n := range numbers {
		f.name(at("tracking", i), n)
	}
	unique(f, "tracking", numbers, func(n *string) string { return *n })
}

// oneOf refuses a value that is not listed.
func oneOf[T ~string](f *fields, field string, v T, known ...T) {
	if !slices.Contains(known, v) {
		f.check(domain.InvalidField{Field: field, Reason: fmt.Sprintf("is %q, not one of %q", string(v), known)})
	}
}

// unique refuses an id that stands twice.
func unique[T any](f *fields, field string, items []T, id func(*T) string) {
	if len(items) < 2 {
		return
	}
	seen := make(map[string]struct{}, len(items))
	for i := range items {
		v := id(&items[i])
		if _, twice := seen[v]; twice {
			f.check(domain.InvalidField{Field: at(field, i), Reason: "repeats the id " + v})
			return
		}
		seen[v] = struct{}{}
	}
}
