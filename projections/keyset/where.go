package keyset

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Where collects the conditions of a query and their arguments. Conditions are constant text; what comes from outside
// is only ever an argument.
type Where struct {
	conditions []string
	args       []any
}

// Add adds a condition in which every "?" stands for the next argument.
func (w *Where) Add(condition string, args ...any) {
	var b strings.Builder
	for _, a := range args {
		before, after, _ := strings.Cut(condition, "?")
		b.WriteString(before)
		b.WriteString(w.Arg(a))
		condition = after
	}
	b.WriteString(condition)
	w.conditions = append(w.conditions, b.String())
}

// Arg adds an argument that stands in no condition, and returns its place, such as "$3".
func (w *Where) Arg(a any) string {
	w.args = append(w.args, a)
	return "$" + strconv.Itoa(len(w.args))
}

// Args returns the arguments in order.
func (w *Where) Args() []any { return w.args }

// String returns the clause, with its keyword and a space in front, or "" without conditions.
func (w *Where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

// Limits of the texts in a filter.
const (
	MaxText   = 256 // bytes of one
	MaxValues = 50  // texts in one field
)

// CheckText refuses texts that no row can hold, by a [*FilterError] for the field: those that are longer than [MaxText],
// those that Postgres does not take as text, and more than [MaxValues] of them.
func CheckText(field string, texts ...string) error {
	if len(texts) > MaxValues {
		return &FilterError{Field: field, Reason: fmt.Sprintf("has more than %d values", MaxValues)}
	}
	for _, t := range texts {
		if len(t) > MaxText || !utf8.ValidString(t) || strings.ContainsRune(t, 0) {
			return &FilterError{Field: field, Reason: fmt.Sprintf("must be text of at most %d bytes", MaxText)}
		}
	}
	return nil
}

// PrefixEnd returns a text behind all that begin with prefix, in the collation "C": in it, a prefix is a range.
func PrefixEnd(prefix string) string { return prefix + "\U0010ffff" }
