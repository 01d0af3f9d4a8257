package projections_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
	"waybill/projections"
	"waybill/projections/projectiontest"
)

// look reads both views in one transaction: which version they are of, and whether they belong together.
func look(ctx context.Context, q projections.Querier) (version int, err error) {
	var sum, entries int64
	err = q.QueryRow(ctx, `
SELECT max(version), coalesce(sum(events), 0), (SELECT count(*) FROM readmodel.tally_entries) FROM readmodel.tally`).Scan(&version, &sum, &entries)
	if err == nil && sum != entries {
		err = errors.New("the views show different versions")
	}
	return version, err
}

// A new version is built beside the live one, goes live in one moment and goes back, while readers read and writers write.
func TestFlipUnderReaders(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	pool, reader := projectiontest.Connect(t, dsn, eventstore.RoleProject), projectiontest.Connect(t, dsn, eventstore.RoleRead)
	log := projectiontest.Log(t, history(t, 300, 7)...)
	admin := projections.Admin{Pool: pool, Log: log}
	old, next := tally{version: 1}, tally{version: 2}
	start(t, projections.Config{Projection: old, Pool: pool, Log: log, Feed: &projectiontest.Feed{Log: log}})
	waitFor(t, pool, 300)

	var seen [3]atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				version, err := look(ctx, reader)
				if err != nil && ctx.Err() == nil {
					t.Errorf("a reader is disturbed: %v", err)
					return
				}
				seen[version].Add(1)
			}
		})
	}
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			projectiontest.Append(t, log, projectiontest.Commit("thing-busy", int64(i), happened(t, "busy", "thing.happened")))
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	defer wg.Wait()
	defer cancel()
	sees := func(version int) {
		t.Helper()
		before := seen[version].Load()
		until(t, "readers see the version", func() bool { return seen[version].Load() > before+5 })
	}
	sees(1)
	if err := admin.Flip(t.Context(), "tally", 2); !errors.Is(err, projections.ErrUnknown) {
		t.Errorf("flip to a version that nobody built: %v", err)
	}
	r := start(t, projections.Config{Projection: next, Pool: pool, Log: log, Feed: &projectiontest.Feed{Log: log}})
	until(t, "the new version is there", func() bool { return r.Position() >= 300 })
	sees(1)
	for range 3 {
		if err := admin.Flip(t.Context(), "tally", 2); err != nil {
			t.Fatal(err)
		}
		sees(2)
		if err := admin.Rollback(t.Context(), "tally"); err != nil {
			t.Fatal(err)
		}
		sees(1)
	}
	cancel()
	wg.Wait()
	waitFor(t, pool, head(t, log))
	exact(t, pool, old, log)
	exact(t, pool, next, log)
}

func TestFlipRefusesWhatIsBehind(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 100, 7)...)
	admin := projections.Admin{Pool: pool, Log: log}
	projectiontest.Fold(t, pool, tally{version: 2}, log)
	projectiontest.Append(t, log, projectiontest.Commit("thing-late", 0, happened(t, "late", "thing.happened")))
	projectiontest.Fold(t, pool, tally{version: 1}, log)
	if err := admin.Flip(t.Context(), "tally", 1); err != nil {
		t.Fatal(err)
	}
	err := admin.Rollback(t.Context(), "tally")
	if behind, ok := errors.AsType[*projections.BehindError](err); !ok || behind.Position != 100 || behind.Want != 101 {
		t.Errorf("rollback to a version that nobody kept up says %v", err)
	}
	projectiontest.Fold(t, pool, tally{version: 2}, log)
	if err := admin.Rollback(t.Context(), "tally"); err != nil {
		t.Errorf("rollback once it is up to date: %v", err)
	}
	if version, err := look(t.Context(), pool); err != nil || version != 2 {
		t.Errorf("readers see version %d, %v, want 2", version, err)
	}
}

// Versions with other tables: views come and go with them.
func TestFlipToOtherTables(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
	projectiontest.Fold(t, pool, tally{version: 1}, log)
	projectiontest.Fold(t, pool, tally{version: 2, suffix: "_new"}, log)
	if err := (projections.Admin{Pool: pool, Log: log}).Flip(t.Context(), "tally", 2); err != nil {
		t.Fatal(err)
	}
	rows, err := pool.Query(t.Context(), "SELECT viewname::text FROM pg_views WHERE schemaname = 'readmodel' ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	views, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(views) != 2 || views[0] != "tally_entries_new" || views[1] != "tally_new" {
		t.Errorf("views are %v, %v, want those of the new version alone", views, err)
	}
}

// A reset beside runner and writers: the runner fills the tables again.
func TestResetUnderTheRunner(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t)
	admin := projections.Admin{Pool: pool, Log: log}
	start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log, Feed: &projectiontest.Feed{Log: log}})
	waitFor(t, pool, 0)
	for i, c := range history(t, 300, 7) {
		projectiontest.Append(t, log, c)
		if i%100 == 50 {
			waitFor(t, pool, int64(i))
			if err := admin.Reset(t.Context(), tally{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	waitFor(t, pool, 300)
	exact(t, pool, tally{}, log)
	if version, err := look(t.Context(), pool); err != nil || version != 1 {
		t.Errorf("readers see version %d, %v", version, err)
	}
}

// A reset of a quiet system: no event comes that would tell the runner that its checkpoint was moved.
func TestResetUnderAnIdleRunner(t *testing.T) {
	t.Parallel()
	for name, feed := range map[string]func(*eventstore.Memory) projections.Feed{
		"without a feed": func(*eventstore.Memory) projections.Feed { return nil },
		"silent feed":    func(log *eventstore.Memory) projections.Feed { return &projectiontest.Feed{Log: log} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
			start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log, Feed: feed(log)})
			waitFor(t, pool, 20)
			if err := (projections.Admin{Pool: pool, Log: log}).Reset(t.Context(), tally{}); err != nil {
				t.Fatal(err)
			}
			waitFor(t, pool, 20)
			exact(t, pool, tally{}, log)
		})
	}
}

// A crash of Postgres takes the last batches with it, which were not on the disk yet: an idle runner folds them again.
func TestLostBatchesUnderAnIdleRunner(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 10, 3)...)
	r := start(t, projections.Config{Projection: tally{}, Pool: pool, Log: log})
	waitFor(t, pool, 10)
	until(t, "the runner has noted its last batch", func() bool { return r.Position() == 10 })
	if _, err := pool.Exec(t.Context(), `
WITH lost AS (UPDATE projections.versions SET position = 0 WHERE name = 'tally'), rows AS (DELETE FROM tally_v1.tally)
DELETE FROM tally_v1.tally_entries`); err != nil {
		t.Fatal(err)
	}
	waitFor(t, pool, 10)
	exact(t, pool, tally{}, log)
}

func TestDrop(t *testing.T) {
	t.Parallel()
	pool, log := projectiontest.Pool(t), projectiontest.Log(t, history(t, 20, 3)...)
	admin := projections.Admin{Pool: pool, Log: log}
	projectiontest.Fold(t, pool, tally{version: 1}, log)
	r := start(t, projections.Config{Projection: tally{version: 2}, Pool: pool, Log: log})
	until(t, "the new version is there", func() bool { return r.Position() == 20 })
	if err := admin.Drop(t.Context(), "tally", 1); !errors.Is(err, projections.ErrLive) {
		t.Errorf("drop of the live version says %v", err)
	}
	if err := admin.Drop(t.Context(), "tally", 3); !errors.Is(err, projections.ErrUnknown) {
		t.Errorf("drop of a version that there is not says %v", err)
	}
	if err := admin.Drop(t.Context(), "tally", 2); err != nil {
		t.Fatal(err)
	}
	projectiontest.Append(t, log, projectiontest.Commit("thing-late", 0, happened(t, "late", "thing.happened")))
	if err := r.fails(t); !errors.Is(err, projections.ErrUnknown) {
		t.Errorf("runner of the dropped version says %v", err)
	}
	all, err := projections.Versions(t.Context(), pool)
	if err != nil || len(all) != 1 || all[0].Version != 1 || all[0].State != projections.StateLive || all[0].Position != 20 {
		t.Errorf("versions are %+v, %v, want the live one alone", all, err)
	}
	var schemas int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tally%'").Scan(&schemas); err != nil || schemas != 1 {
		t.Errorf("%d schemas are left, %v, want 1", schemas, err)
	}
}

// The runner's role may make the schemas of versions, and no others.
func TestRoleMayNotMakeOtherSchemas(t *testing.T) {
	t.Parallel()
	pool := projectiontest.Pool(t)
	for _, name := range []string{"waybill2", "tally_v", "public_v1; DROP SCHEMA waybill", "tally_v1_x"} {
		if _, err := pool.Exec(t.Context(), "SELECT projections.make_schema($1)", name); err == nil {
			t.Errorf("schema %q was made", name)
		}
	}
	if _, err := pool.Exec(t.Context(), "CREATE SCHEMA tally_v1"); err == nil {
		t.Error("the role may create schemas by itself")
	}
	if _, err := pool.Exec(t.Context(), "UPDATE waybill.log_head SET position = 0"); err == nil {
		t.Error("the role may write to the log")
	}
}
