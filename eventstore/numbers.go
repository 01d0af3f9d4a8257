package eventstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Counters hands out whole numbers by name, each once for ever, in blocks. What was taken and never used is a hole:
// a counter only ever goes up, also when the caller comes to nothing.
//
// It keeps no state, so any number of processes may take from one counter at once.
type Counters struct{ pool *pgxpool.Pool }

// NewCounters returns the counters of the database of pool, whose role is [RoleAppend].
func NewCounters(pool *pgxpool.Pool) *Counters { return &Counters{pool: pool} }

// takeNumbers is one statement, so that two callers get different blocks whatever they do at once.
const takeNumbers = `
INSERT INTO waybill.counters AS c (name, taken) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET taken = c.taken + excluded.taken
RETURNING taken`

// Take returns the first of n numbers in a row under name; the first of all is 1. A name has at most [MaxStreamName]
// bytes.
func (c *Counters) Take(ctx context.Context, name string, n int64) (first int64, err error) {
	if err := validText(name); err != nil {
		return 0, fmt.Errorf("take numbers of %q: name %w", name, err)
	}
	if n < 1 {
		return 0, fmt.Errorf("take numbers of %q: %d of them, want at least 1", name, n)
	}
	var taken int64
	if err := c.pool.QueryRow(ctx, takeNumbers, name, n).Scan(&taken); err != nil {
		return 0, fmt.Errorf("take numbers of %q: %w", name, err)
	}
	return taken - n + 1, nil
}
