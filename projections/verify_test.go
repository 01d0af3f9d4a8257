package projections_test

import (
	"errors"
	"strings"
	"testing"

	"waybill/projections"
	"waybill/projections/projectiontest"
)

// What somebody did to the tables by hand is found: by table, key and field.
func TestVerifyNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 60, 5)...)
	projectiontest.Fold(t, pool, tally{}, log)
	clean := exact(t, pool, tally{}, log)
	if clean.Position != 60 || len(clean.Tables) != 2 || clean.Tables[0].Rows == 0 || clean.Tables[1].Rows != 48 {
		t.Fatalf("verified is %+v, want two tables at position 60", clean)
	}
	for _, sql := range []string{
		"UPDATE tally_v1.tally SET events = events + 1, types = array_append(types, 'thing.invented') WHERE key = 'k1'",
		"DELETE FROM tally_v1.tally_entries WHERE position = 1",
		"INSERT INTO tally_v1.tally_entries VALUES (1000, 'k1', 99)",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	cfg := projections.VerifyConfig{Projection: tally{}, Pool: pool, Log: log, PageEvents: 7}
	found, err := projections.Verify(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	type place struct{ table, key, field string }
	want := map[place]bool{
		{"tally", `["k1"]`, "events"}: true, {"tally", `["k1"]`, "types"}: true,
		{"tally_entries", `[1]`, ""}: true, {"tally_entries", `[1000]`, ""}: true,
	}
	for _, d := range found.Differences {
		if !want[place{d.Table, d.Key, d.Field}] {
			t.Errorf("found %v, which nobody did", d)
		}
		delete(want, place{d.Table, d.Key, d.Field})
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	cfg.MaxDifferences = 1
	if found, err = projections.Verify(t.Context(), cfg); err != nil || len(found.Differences) != 1 {
		t.Errorf("found %v, %v, want no more than one", found.Differences, err)
	}
	var schemas int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%verify'").Scan(&schemas); err != nil || schemas != 0 {
		t.Errorf("%d scratch schemas are left, %v", schemas, err)
	}
	cfg.Projection = tally{version: 9}
	if _, err := projections.Verify(t.Context(), cfg); !errors.Is(err, projections.ErrUnknown) {
		t.Errorf("verify of a version that there is not says %v", err)
	}
}

// A table that is gone, or not the one that the projection makes, is a difference: it is not passed over.
func TestVerifyNamesWhichTablesDiffer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ sql, want string }{
		"table dropped":  {"DROP TABLE tally_v1.tally CASCADE", "tally: table is missing"},
		"schema dropped": {"DROP SCHEMA tally_v1 CASCADE", "tally: table is missing\ntally_entries: table is missing"},
		"column dropped": {
			"ALTER TABLE tally_v1.tally DROP COLUMN events CASCADE",
			"tally: columns: key, last, version, types, want key, events, last, version, types",
		},
		"key dropped":   {"ALTER TABLE tally_v1.tally DROP CONSTRAINT tally_pkey", "tally: primary key: (none), want key"},
		"table renamed": {"ALTER TABLE tally_v1.tally RENAME TO other", "tally: table is missing\nother: table should not be there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
			projectiontest.Fold(t, pool, tally{}, log)
			if _, err := pool.Exec(t.Context(), c.sql); err != nil {
				t.Fatal(err)
			}
			found, err := projections.Verify(t.Context(), projections.VerifyConfig{Projection: tally{}, Pool: pool, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			lines := make([]string, len(found.Differences))
			for i, d := range found.Differences {
				lines[i] = d.String()
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}
