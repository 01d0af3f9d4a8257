package historytest

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/projections"
)

// AnyBatches folds random logs into the tables of p, cut into batches at random places, and wants the tables that the
// log leaves when it is folded in one go. A seed that fails belongs among those that every run tries.
func AnyBatches(t *testing.T, p projections.Projection) {
	t.Helper()
	inOneGo, inPieces := Install(t, p), Install(t, p)
	seeds := []uint64{1, 2}
	for range 2 {
		seeds = append(seeds, rand.Uint64())
	}
	for _, seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 3))
		log := Random(seed, 20+rng.IntN(160))
		empty(t, inOneGo, p)
		empty(t, inPieces, p)
		events := Wanted(p, log.Events)
		Apply(t, inOneGo, p, events, len(events))
		for most := 1 + rng.IntN(len(events)); len(events) > 0; {
			n := min(1+rng.IntN(most), len(events))
			Apply(t, inPieces, p, events[:n], n)
			events = events[n:]
		}
		if got, want := dump(t, inPieces, p), dump(t, inOneGo, p); !slices.Equal(got, want) {
			t.Errorf("seed %d: in pieces the tables are\n%v\nwant\n%v", seed, got, want)
		}
	}
}

func dump(t *testing.T, pool *pgxpool.Pool, p projections.Projection) []projections.TableDump {
	t.Helper()
	d, err := projections.Dump(t.Context(), pool, p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// empty removes all rows.
func empty(t *testing.T, pool *pgxpool.Pool, p projections.Projection) {
	t.Helper()
	for _, d := range dump(t, pool, p) {
		table := pgx.Identifier{projections.SchemaName(p.Name(), p.Version()), d.Table}.Sanitize()
		if _, err := pool.Exec(t.Context(), "TRUNCATE "+table); err != nil {
			t.Fatal(err)
		}
	}
}
