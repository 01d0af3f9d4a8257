package projections_test

import (
	"errors"
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
