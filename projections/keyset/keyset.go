// Package keyset pages through read models: opaque cursors, limits, bounded counts, and the WHERE clauses they need.
//
// A page starts after the last row of the one before, by the values of the sort columns, and never by an offset: a page
// costs the same wherever it stands, and rows that are inserted meanwhile make no row appear twice. The package knows
// no read model.
package keyset

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Querier is the part of a Postgres connection, pool or transaction that queries of read models use. Its role needs
// to read the schema readmodel, nothing else.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// The reasons for which a query of a read model is not answered.
var (
	// ErrBadCursor is matched when a cursor was not made by this engine, was changed, or belongs to a list with
	// another filter or order.
	ErrBadCursor = errors.New("bad cursor")
	// ErrBadFilter is matched when a filter cannot be answered; the error is a [*FilterError].
	ErrBadFilter = errors.New("bad filter")
	// ErrNotFound is matched when the read model holds no such row.
	ErrNotFound = errors.New("not found")
)

// FilterError says which field of a filter cannot be answered, and why.
type FilterError struct {
	Field  string `json:"field"`  // name of the field in JSON, such as "limit"
	Reason string `json:"reason"` // such as "must be 1 to 200"
}

func (e *FilterError) Error() string { return e.Field + " " + e.Reason }

// Unwrap makes errors.Is(err, ErrBadFilter) true.
func (e *FilterError) Unwrap() error { return ErrBadFilter }

// Rows of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

// Limit returns the number of rows that a page has: limit, or [DefaultLimit] for 0. Outside 1 to [MaxLimit] it is a
// [*FilterError].
func Limit(limit int) (int, error) {
	switch {
	case limit == 0:
		return DefaultLimit, nil
	case limit < 1 || limit > MaxLimit:
		return 0, &FilterError{Field: "limit", Reason: fmt.Sprintf("must be 1 to %d", MaxLimit)}
	}
	return limit, nil
}

// Page is one page of a list. NextCursor is empty on the last one.
type Page[T any] struct {
	Data       []T    `json:"data"`
	HasMore    bool   `json:"has_more"`
	NextCursor string `json:"next_cursor,omitempty"`
}

// Cut makes a page of the rows that a query for limit+1 rows returned; cursor makes the cursor that stands after a row.
func Cut[T any](rows []T, limit int, cursor func(*T) string) Page[T] {
	p := Page[T]{Data: rows}
	if len(rows) > limit {
		p.Data, p.HasMore = rows[:limit:limit], true
		p.NextCursor = cursor(&p.Data[limit-1])
	}
	if p.Data == nil {
		p.Data = []T{}
	}
	return p
}

// MaxCount is where a count stops.
const MaxCount = 10_000

// Count is a bounded count: counting stops at [MaxCount], because nobody needs to know more and the database pays for it.
type Count struct {
	Total    int64  `json:"total"`
	Relation string `json:"relation"` // "eq": exactly Total; "gte": at least Total
}

// CountOf makes a count of the number of rows that a query limited to [MaxCount]+1 rows found.
func CountOf(n int64) Count {
	if n > MaxCount {
		return Count{Total: MaxCount, Relation: "gte"}
	}
	return Count{Total: n, Relation: "eq"}
}
