package historytest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Plan is how Postgres answered a query, and what that cost.
type Plan struct {
	Type    string  `json:"Node Type"`
	Index   string  `json:"Index Name"`
	Rows    float64 `json:"Actual Rows"`
	Removed float64 `json:"Rows Removed by Filter"`
	Hit     int64   `json:"Shared Hit Blocks"`
	Read    int64   `json:"Shared Read Blocks"`
	Plans   []Plan  `json:"Plans"`
}

// Explain runs a query and returns its plan.
func Explain(tb testing.TB, pool *pgxpool.Pool, sql string, args ...any) *Plan {
	tb.Helper()
	var b []byte
	if err := pool.QueryRow(tb.Context(), "EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) "+sql, args...).Scan(&b); err != nil {
		tb.Fatalf("explain %s: %v", sql, err)
	}
	var plans []struct {
		Plan Plan `json:"Plan"`
	}
	if err := json.Unmarshal(b, &plans); err != nil || len(plans) != 1 {
		tb.Fatalf("plan %s: %v", b, err)
	}
	return &plans[0].Plan
}

// Pages returns how many pages of tables and indexes the query looked at.
func (p *Plan) Pages() int64 { return p.Hit + p.Read }

func (p *Plan) walk(visit func(*Plan)) {
	visit(p)
	for i := range p.Plans {
		p.Plans[i].walk(visit)
	}
}

// String lists the nodes of the plan.
func (p *Plan) String() string {
	var b strings.Builder
	p.walk(func(n *Plan) {
		fmt.Fprintf(&b, "%s %s rows=%.0f removed=%.0f pages=%d; ", n.Type, n.Index, n.Rows, n.Removed, n.Pages())
	})
	return b.String()
}

// Want wants no scan of a whole table, no sort of more than some rows, and no more than some pages.
func (p *Plan) Want(tb testing.TB, sorted float64, pages int64) {
	tb.Helper()
	p.walk(func(n *Plan) {
		switch {
		case n.Type == "Seq Scan":
			tb.Errorf("reads the whole table: %s", p)
		case strings.Contains(n.Type, "Sort") && len(n.Plans) > 0 && n.Plans[0].Rows > sorted:
			tb.Errorf("sorts %.0f rows: %s", n.Plans[0].Rows, p)
		}
	})
	if got := p.Pages(); got > pages {
		tb.Errorf("looks at %d pages, at most %d were expected: %s", got, pages, p)
	}
}
