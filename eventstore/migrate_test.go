package eventstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

// exec runs statements as the superuser.
func exec(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func extraSet(names ...string) eventstore.MigrationSet {
	files := fstest.MapFS{}
	for _, n := range names {
		files[n+".sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE waybill.t" + n[:5] + " (i bigint);\n-- +goose Down\nDROP TABLE waybill.t" + n[:5] + ";\n")}
	}
	return eventstore.MigrationSet{Name: "extra", FS: files}
}

func TestMigrateTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t) // migrated once already
	before := catalog(t, dsn)
	if err := eventstore.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	if after := catalog(t, dsn); after != before {
		t.Errorf("the second run changed the schema:\n%s\nbefore:\n%s", after, before)
	}
	if err := eventstore.CheckSchema(t.Context(), dsn); err != nil {
		t.Errorf("check schema: %v", err)
	}
}

// catalog describes tables, constraints, triggers and grants of the log's schema.
func catalog(t *testing.T, dsn string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	rows, err := conn.Query(t.Context(), `
		SELECT format('%s %s %s %s', oid, relname, relacl, reloptions) FROM pg_class WHERE relnamespace = 'waybill'::regnamespace
		UNION ALL SELECT format('%s %s', tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
		UNION ALL SELECT format('%s %s', m.version_id, m.id) FROM waybill.migration_eventstore m
		UNION ALL SELECT h::text FROM waybill.log_head h
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func TestMigrateSetsInOrder(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	one, two := extraSet("00001_one"), extraSet("00001_one", "00002_two")

	pending, err := eventstore.PendingSQL(t.Context(), dsn, two)
	if err != nil {
		t.Fatal(err)
	}
	if len(pending) != 2 || pending[0].File != "00001_one.sql" || !strings.Contains(pending[1].SQL, "t00002") {
		t.Fatalf("pending: %+v", pending)
	}
	if err := eventstore.CheckSchema(t.Context(), dsn, one); !errors.Is(err, eventstore.ErrSchemaBehind) {
		t.Errorf("check before: %v, want ErrSchemaBehind", err)
	}
	if err := eventstore.Migrate(t.Context(), dsn, two); err != nil {
		t.Fatal(err)
	}
	if err := eventstore.CheckSchema(t.Context(), dsn, two); err != nil {
		t.Errorf("check after: %v", err)
	}
	if err := eventstore.CheckSchema(t.Context(), dsn, one); !errors.Is(err, eventstore.ErrSchemaAhead) {
		t.Errorf("check by the older program: %v, want ErrSchemaAhead", err)
	}
	exec(t, dsn, "SET ROLE waybill_read", "SELECT * FROM waybill.migration_extra")
	status, err := eventstore.MigrationStatus(t.Context(), dsn, two)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range status {
		if d := time.Since(m.AppliedAt); d < -time.Minute || d > time.Hour {
			t.Errorf("%s/%s applied at %s", m.Set, m.File, m.AppliedAt)
		}
	}
}

func TestMigrateRefusesASetWithoutAName(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	bad := extraSet("00001_one")
	bad.Name = "drop table; --"
	if err := eventstore.Migrate(t.Context(), dsn, bad); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("got %v, want an error that names the field", err)
	}
}

func TestManyProcessesMigrateManyDatabases(t *testing.T) {
	t.Parallel()
	pg := devtest.Cluster(t, nil) // its own cluster: the roles must not exist yet
	admin := pg.URL("postgres")
	databases := []string{"a", "b", "c"}
	for _, d := range databases {
		exec(t, admin, "CREATE DATABASE "+d)
	}
	var wg sync.WaitGroup
	for i := range 9 {
		wg.Go(func() {
			if err := eventstore.Migrate(t.Context(), pg.URL(databases[i%3])); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for _, d := range databases {
		if err := eventstore.CheckSchema(t.Context(), pg.URL(d)); err != nil {
			t.Errorf("database %s: %v", d, err)
		}
	}

	// A user without the right to create roles may migrate when they are there and it is a member of them ...
	exec(t, admin, "CREATE ROLE clerk LOGIN", "CREATE DATABASE d OWNER clerk",
		"GRANT waybill_append, waybill_relay, waybill_project, waybill_process, waybill_read TO clerk")
	asClerk := withUser(t, pg.URL("d"), "clerk")
	if err := eventstore.Migrate(t.Context(), asClerk); err != nil {
		t.Errorf("migrate as a member: %v", err)
	}
	// ... and is told what to ask for when it is not.
	exec(t, admin, "CREATE ROLE stranger LOGIN", "CREATE DATABASE e OWNER stranger")
	err := eventstore.Migrate(t.Context(), withUser(t, pg.URL("e"), "stranger"))
	if err == nil || !strings.Contains(err.Error(), `GRANT "waybill_append" TO "stranger"`) {
		t.Errorf("migrate as a stranger: %v, want the statements that a superuser has to run", err)
	}
}
