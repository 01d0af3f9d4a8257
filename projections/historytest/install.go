package historytest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
	"waybill/projections"
)

// Migrate brings the template database of a test binary up to date; it is what devtest.Main needs.
func Migrate(ctx context.Context, url string) error {
	return eventstore.Migrate(ctx, url, projections.Migrations())
}

// Install makes the tables and views of p in a database of the test's own, and returns connections whose search path
// leads to the tables, as in a runner.
func Install(tb testing.TB, p projections.Projection) *pgxpool.Pool {
	tb.Helper()
	cfg, err := pgxpool.ParseConfig(devtest.Database(tb))
	if err != nil {
		tb.Fatal(err)
	}
	schema := projections.SchemaName(p.Name(), p.Version())
	cfg.MaxConns = 8
	cfg.ConnConfig.RuntimeParams["search_path"] = schema
	pool, err := pgxpool.NewWithConfig(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	var sql strings.Builder
	sql.WriteString("CREATE SCHEMA " + schema + ";" + p.Schema())
	for _, t := range p.Tables() {
		fmt.Fprintf(&sql, ";CREATE VIEW readmodel.%s AS SELECT * FROM %s.%s", t, schema, t)
	}
	if _, err := pool.Exec(tb.Context(), sql.String()); err != nil {
		tb.Fatalf("make the tables of %s: %v", p.Name(), err)
	}
	return pool
}

// Apply folds the events that p wants into its tables, a transaction for each size of them.
func Apply(tb testing.TB, pool *pgxpool.Pool, p projections.Projection, events []projections.Event, size int) {
	tb.Helper()
	events = Wanted(p, events)
	for len(events) > 0 {
		n := min(size, len(events))
		err := pgx.BeginFunc(tb.Context(), pool, func(tx pgx.Tx) error { return p.Apply(tb.Context(), tx, events[:n]) })
		if err != nil {
			tb.Fatalf("apply events %d to %d: %v", events[0].Position, events[n-1].Position, err)
		}
		events = events[n:]
	}
}
