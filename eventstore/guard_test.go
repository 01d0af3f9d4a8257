package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

const (
	allowed     = ""
	noPrivilege = "42501"
	appendOnly  = "23000"
)

// TestWhoMayDoWhat tries every kind of change as every role, as the superuser, and as a superuser in replica role,
// which switches ordinary triggers off.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	s := openLog(t, dsn)
	c := single("order-1", 0)
	c.Claims = []string{"k"}
	if _, err := s.Append(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), refusal("no")); err != nil {
		t.Fatal(err)
	}
	const insertEvent = `INSERT INTO waybill.events (position, version, recorded_at, event_id, schema, stream, type, data, meta)
		VALUES (2, 1, now(), gen_random_uuid(), 1, 'x', 'x', '', '')`
	const lease = `INSERT INTO waybill.leases VALUES (1, 1, now(), 'x', 'x')`

	who := map[string][]string{
		"superuser": {}, "replica": {"SET session_replication_role = replica"},
	}
	for _, r := range eventstore.Roles() {
		who[string(r)] = []string{"SET ROLE " + string(r)}
	}
	for _, c := range []struct {
		statement string
		want      map[string]string // by who; "*" for the rest
	}{
		{"UPDATE waybill.events SET data = 'x'", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"UPDATE waybill.events SET data = 'x' WHERE false", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"DELETE FROM waybill.events", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"TRUNCATE waybill.events", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"UPDATE waybill.claims SET key = 'x'", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"DELETE FROM waybill.claims", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"TRUNCATE waybill.claims", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"UPDATE waybill.outcomes SET code = 'x'", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"DELETE FROM waybill.outcomes", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"TRUNCATE waybill.outcomes", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"TRUNCATE waybill.events, waybill.claims, waybill.outcomes CASCADE", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"DELETE FROM waybill.log_head", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"TRUNCATE waybill.log_head", map[string]string{"superuser": appendOnly, "replica": appendOnly, "*": noPrivilege}},
		{"UPDATE waybill.log_head SET position = position - 1", map[string]string{"superuser": appendOnly, "replica": appendOnly, "waybill_append": appendOnly, "*": noPrivilege}},
		{"UPDATE waybill.log_head SET recorded_at = '2001-01-01'", map[string]string{"superuser": appendOnly, "replica": appendOnly, "waybill_append": appendOnly, "*": noPrivilege}},
		{"INSERT INTO waybill.log_head VALUES (0, now(), gen_random_uuid(), false)", map[string]string{"superuser": "23514", "replica": "23514", "*": noPrivilege}},
		{"INSERT INTO waybill.log_head VALUES (0, now(), gen_random_uuid())", map[string]string{"superuser": "23505", "replica": "23505", "*": noPrivilege}},
		{"UPDATE waybill.log_head SET epoch = gen_random_uuid()", map[string]string{"superuser": allowed, "replica": allowed, "*": noPrivilege}},
		{"UPDATE waybill.log_head SET position = position + 1", map[string]string{"superuser": allowed, "replica": allowed, "waybill_append": allowed, "*": noPrivilege}},
		{insertEvent, map[string]string{"superuser": allowed, "replica": allowed, "waybill_append": allowed, "*": noPrivilege}},
		{lease, map[string]string{"waybill_read": noPrivilege, "*": allowed}},
		{"DELETE FROM waybill.leases", map[string]string{"superuser": allowed, "replica": allowed, "*": noPrivilege}},
		{"SELECT * FROM waybill.events", map[string]string{"*": allowed}},
		{"SELECT * FROM waybill.outcomes", map[string]string{"*": allowed}},
		{"SELECT * FROM waybill.log_head", map[string]string{"*": allowed}},
		{"SELECT * FROM waybill.migration_eventstore", map[string]string{"*": allowed}},
		{"CREATE TABLE waybill.mine (i int)", map[string]string{"superuser": allowed, "replica": allowed, "*": noPrivilege}},
		{"ALTER TABLE waybill.events DISABLE TRIGGER append_only", map[string]string{"superuser": allowed, "replica": allowed, "*": noPrivilege}},
	} {
		for name, setup := range who {
			want, ok := c.want[name]
			if !ok {
				want = c.want["*"]
			}
			if got := try(t, dsn, setup, c.statement); got != want {
				t.Errorf("%s: %s: SQLSTATE %q, want %q", name, c.statement, got, want)
			}
		}
	}
}

// try runs a statement and takes it back; it returns the SQLSTATE, empty for success.
func try(t *testing.T, dsn string, setup []string, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, s := range append(setup, "BEGIN") {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	_, err = conn.Exec(t.Context(), statement)
	if err == nil {
		return ""
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		t.Fatalf("%s: %v", statement, err)
	}
	return pgErr.Code
}

func TestRefusesADatabaseThatMayForget(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	database := waiting(t, dsn, "SELECT current_database()")
	for name, c := range map[string]struct {
		apply, undo, dsn string
		want             []string
	}{
		"database": {
			"ALTER DATABASE " + database + " SET synchronous_commit = off", "ALTER DATABASE " + database + " RESET synchronous_commit", dsn,
			[]string{"synchronous_commit is off", "set by: database", "ALTER DATABASE"},
		},
		"connection string": {"SELECT 1", "SELECT 1", dsn + "&synchronous_commit=local", []string{"synchronous_commit is local", "connection string"}},
	} {
		exec(t, dsn, c.apply)
		_, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: c.dsn})
		if !errors.Is(err, eventstore.ErrNotDurable) {
			t.Errorf("%s: got %v, want ErrNotDurable", name, err)
		} else {
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%s: %q does not say %q", name, err, w)
				}
			}
		}
		var heard strings.Builder
		s, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{
			DSN: c.dsn, AllowDataLoss: true, Logger: slog.New(slog.NewTextHandler(&heard, nil)),
		})
		if err != nil {
			t.Fatalf("%s, with data loss allowed: %v", name, err)
		}
		s.Close()
		if !strings.Contains(heard.String(), "level=WARN") || !strings.Contains(heard.String(), "synchronous_commit") {
			t.Errorf("%s: no warning that names the setting: %q", name, heard.String())
		}
		exec(t, dsn, c.undo)
	}
	s, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: dsn})
	if err != nil {
		t.Fatalf("the same database, durable again: %v", err)
	}
	s.Close()
}

func TestRefusesAServerThatMayForget(t *testing.T) {
	t.Parallel()
	pg := devtest.Cluster(t, map[string]string{"fsync": "off", "full_page_writes": "off"})
	dsn := pg.URL("postgres")
	if err := eventstore.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	_, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: dsn})
	if !errors.Is(err, eventstore.ErrNotDurable) {
		t.Fatalf("got %v, want ErrNotDurable", err)
	}
	for _, want := range []string{"fsync is off", "full_page_writes is off", "command line"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestRefusesAnotherSchema(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	exec(t, dsn, "INSERT INTO waybill.migration_eventstore (version_id, is_applied) VALUES (99, true)")
	if _, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: dsn}); !errors.Is(err, eventstore.ErrSchemaAhead) {
		t.Errorf("a newer schema: got %v, want ErrSchemaAhead", err)
	}
	exec(t, dsn, "DELETE FROM waybill.migration_eventstore WHERE version_id > 0")
	if _, err := eventstore.OpenPostgres(t.Context(), eventstore.PostgresConfig{DSN: dsn}); !errors.Is(err, eventstore.ErrSchemaBehind) {
		t.Errorf("an older schema: got %v, want ErrSchemaBehind", err)
	}
}

func TestPoolSettings(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	pool, err := eventstore.NewPool(t.Context(), dsn, eventstore.PoolConfig{
		Role: eventstore.RoleRelay, StatementTimeout: 3 * time.Second, LockTimeout: -1, Settings: map[string]string{"work_mem": "5MB"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for name, want := range map[string]string{
		"role": "waybill_relay", "statement_timeout": "3s", "lock_timeout": "0", "idle_in_transaction_session_timeout": "10s",
		"timezone": "UTC", "work_mem": "5MB", "application_name": "waybill waybill_relay",
	} {
		var got string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", name, got, err, want)
		}
	}
	if _, err := eventstore.NewPool(t.Context(), dsn, eventstore.PoolConfig{Role: "postgres"}); err == nil || !strings.Contains(err.Error(), "Role") {
		t.Errorf("a role that is none of ours: %v", err)
	}
}

// TestHotQueriesUseIndexes explains them on a table that has been analysed, and with nothing to find: the poll of a reader
// that has caught up is the most frequent query of all.
func TestHotQueriesUseIndexes(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	s := openLog(t, dsn)
	for i := range 20 {
		c := single(fmt.Sprintf("order-%d", i), 0)
		for range 499 {
			c.Streams[0].Events = append(c.Streams[0].Events, c.Streams[0].Events[0])
		}
		if _, err := s.Append(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	var refusals []*eventstore.Proposal
	for range 3000 {
		c := refusal("no")
		c.Verdict.Key = "order-" + c.CommandID.String()
		p, err := s.Propose(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		refusals = append(refusals, p)
	}
	for _, p := range refusals {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, dsn, "VACUUM ANALYZE waybill.events, waybill.outcomes")

	const nobody = "01920000-0000-7000-8000-000000000000"
	type query struct {
		sql, index string
		buffers    int // that it may touch at most
	}
	reader := map[string]query{
		"page":       {"EXECUTE log (1000, 100)", "events_pkey", 40},
		"empty poll": {"EXECUTE log (10001, 100)", "events_pkey", 6},
		"stream":     {"EXECUTE stream ('order-3', 490, 1000)", "events_stream_version_key", 30},
		"no stream":  {"EXECUTE stream ('order-99', 1, 1000)", "events_stream_version_key", 6},
		"command":    {"EXECUTE command ('" + nobody + "')", "events_command_id_key", 6},
		"outcome":    {"EXECUTE outcome ('" + nobody + "')", "outcomes_pkey", 6},
		"timeline":   {"EXECUTE timeline ('order-1', 100)", "outcomes_key_idx", 6},
	}
	writer := map[string]query{
		"known commands": {"EXECUTE commands ('{" + nobody + "}')", "events_command_id_key", 6},
		"known outcomes": {"EXECUTE outcomes ('{" + nobody + "}')", "outcomes_pkey", 6},
		"known claims":   {"EXECUTE claims ('{a,b}')", "claims_pkey", 8},
		"versions":       {"EXECUTE versions ('{order-1,order-2,order-99}')", "events_stream_version_key", 20},
		"append": {"EXECUTE append ('" + s.Epoch().String() + `', 1, '{order-1}', '{500}', '{order-2}', '{501}',
			'{order-1}', '{501}', '{` + nobody + `}', '{` + nobody + `}', '{1}', '{t}', '{1}', '{x}', '{x}', '{x}',
			'{01920000-0000-7000-8000-000000000001}', '{x}', '{1}', '{t}', '{c}', '{k}', '{t}', '{x}', '{x}', '{k}', '{1}')`, "events_stream_version_key", 80},
	}
	forReader, forWriter := eventstore.HotQueries()
	check := func(setup []string, queries map[string]query) {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
		for _, p := range setup {
			if _, err := conn.Exec(t.Context(), p); err != nil {
				t.Fatalf("%s: %v", p, err)
			}
		}
		for name, q := range queries {
			plan := explain(t, conn, q.sql)
			if !strings.Contains(plan.text, q.index) || strings.Contains(strings.ReplaceAll(plan.text, "Seq Scan on log_head", ""), "Seq Scan") {
				t.Errorf("%s: want an index scan of %s:\n%s", name, q.index, plan.text)
			}
			if plan.buffers > q.buffers {
				t.Errorf("%s: touches %d buffers, want at most %d:\n%s", name, plan.buffers, q.buffers, plan.text)
			}
		}
	}
	check(append(forReader, "SET plan_cache_mode = force_generic_plan"), reader)
	check(append(forReader, "SET plan_cache_mode = force_custom_plan"), reader)
	check(forWriter, writer)
}

type plan struct {
	text    string
	buffers int
}

func explain(t *testing.T, conn *pgx.Conn, query string) plan {
	t.Helper()
	rows, err := conn.Query(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) "+query, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	p := plan{text: strings.Join(lines, "\n")}
	for _, l := range lines {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, "Buffers:") { // the first is the sum
			for f := range strings.FieldsSeq(l) {
				var n int
				if _, err := fmt.Sscanf(f, "hit=%d", &n); err == nil {
					p.buffers += n
				}
				if _, err := fmt.Sscanf(f, "read=%d", &n); err == nil {
					p.buffers += n
				}
			}
			break
		}
	}
	return p
}

func TestLeases(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	pool, err := eventstore.NewPool(t.Context(), dsn, eventstore.PoolConfig{Role: eventstore.RoleRelay})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	l := eventstore.NewLeases(pool)
	a, err := l.AcquireLease(t.Context(), "relay", "a", time.Hour, 5)
	if err != nil || a.Term != 1 || a.Upto != 5 || time.Until(a.ExpiresAt) < 50*time.Minute {
		t.Fatalf("acquire: %+v, %v", a, err)
	}
	_, err = l.AcquireLease(t.Context(), "relay", "b", time.Hour, 0)
	if held, ok := errors.AsType[*eventstore.LeaseHeldError](err); !ok || held.Holder != "a" || !errors.Is(err, eventstore.ErrLeaseHeld) {
		t.Fatalf("acquire by another: %v", err)
	}
	if a, err = l.RenewLease(t.Context(), a, time.Millisecond, 9); err != nil || a.Upto != 9 || a.Term != 1 {
		t.Fatalf("renew: %+v, %v", a, err)
	}
	var b eventstore.Lease
	eventually(t, "the lease to expire", func() bool {
		b, err = l.AcquireLease(t.Context(), "relay", "b", time.Hour, 7)
		return err == nil
	})
	if b.Term != 2 || b.Upto != 9 {
		t.Errorf("after the change of hands: %+v, want term 2, and upto never goes back", b)
	}
	if _, err := l.RenewLease(t.Context(), a, time.Hour, 10); !errors.Is(err, eventstore.ErrLeaseLost) {
		t.Errorf("renew a lost lease: %v", err)
	}
	if err := l.ReleaseLease(t.Context(), a); err != nil { // not theirs any more: does nothing
		t.Fatal(err)
	}
	if _, err := l.AcquireLease(t.Context(), "relay", "a", time.Hour, 0); !errors.Is(err, eventstore.ErrLeaseHeld) {
		t.Errorf("acquire: %v, want held by b", err)
	}
	if err := l.ReleaseLease(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if a, err = l.AcquireLease(t.Context(), "relay", "a", time.Hour, 0); err != nil || a.Term != 3 {
		t.Errorf("acquire a released lease: %+v, %v", a, err)
	}
	if a, err = l.AcquireLease(t.Context(), "relay", "a", time.Hour, 0); err != nil || a.Term != 4 {
		t.Errorf("acquire again after a restart: %+v, %v; the earlier term has to end", a, err)
	}
}

func TestSnapshots(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	for name, s := range map[string]eventstore.Snapshots{"postgres": openLog(t, dsn), "memory": eventstore.NewMemory()} {
		if _, ok, err := s.LoadSnapshot(t.Context(), "order-1"); ok || err != nil {
			t.Errorf("%s: a snapshot of nothing: %v, %v", name, ok, err)
		}
		for _, snap := range []eventstore.Snapshot{
			{Stream: "order-1", Version: 5, Schema: 2, Data: []byte("five")},
			{Stream: "order-1", Version: 4, Schema: 9, Data: []byte("four")}, // late
			{Stream: "order-2", Version: 1, Schema: 1, Data: []byte("other")},
		} {
			if err := s.SaveSnapshot(t.Context(), snap); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		got, ok, err := s.LoadSnapshot(t.Context(), "order-1")
		if err != nil || !ok || got.Version != 5 || got.Schema != 2 || string(got.Data) != "five" || got.Stream != "order-1" {
			t.Errorf("%s: %+v, %v, %v; want the newest", name, got, ok, err)
		}
	}
}

func TestOutcomesByKey(t *testing.T) {
	t.Parallel()
	s := openLog(t, devtest.Database(t))
	for _, code := range []string{"first", "second", "third"} {
		if _, err := s.Append(t.Context(), refusal(code)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.OutcomesByKey(t.Context(), "order-1", 2)
	if err != nil || len(list) != 2 || list[0].Verdict.Code != "third" || list[1].Verdict.Code != "second" {
		t.Errorf("got %+v, %v; want the newest two", list, err)
	}
	if list, err := s.OutcomesByKey(t.Context(), "order-2", 2); err != nil || len(list) != 0 {
		t.Errorf("another key: %+v, %v", list, err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s := openLogWith(t, eventstore.PostgresConfig{DSN: devtest.Database(t), Registerer: reg})
	if _, err := s.Append(t.Context(), single("order-1", 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), single("order-1", 0)); !errors.Is(err, eventstore.ErrConflict) {
		t.Fatal(err)
	}
	got := map[string]float64{}
	gather := func() {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			m := f.GetMetric()[0]
			got[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	eventually(t, "a duration is observed after the verdicts are told", func() bool {
		gather()
		return got["waybill_append_duration_seconds"] == 2
	})
	for name, want := range map[string]float64{
		"waybill_append_batch_events": 2, "waybill_append_duration_seconds": 2, "waybill_append_conflicts_total": 1,
		"waybill_append_slow_total": 1, "waybill_append_unknown_total": 0, "waybill_log_position": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

func TestBatchLimits(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	for name, c := range map[string]struct {
		cfg     eventstore.PostgresConfig
		batches uint64
	}{
		"events":         {eventstore.PostgresConfig{MaxBatchEvents: 4}, 3},
		"bytes":          {eventstore.PostgresConfig{MaxBatchBytes: 1}, 10},
		"without limits": {eventstore.PostgresConfig{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			c.cfg.DSN, c.cfg.Registerer = dsn, reg
			s, err := eventstore.OpenPostgres(t.Context(), c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for i := range int64(10) {
				if _, err := s.Propose(t.Context(), single("order-"+name, i)); err != nil {
					t.Fatal(err)
				}
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Run(ended); err != nil {
				t.Fatal(err)
			}
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if h := f.GetMetric()[0].GetHistogram(); f.GetName() == "waybill_append_batch_events" && (h.GetSampleCount() != c.batches || h.GetSampleSum() != 10) {
					t.Errorf("%v events in %d batches, want 10 in %d", h.GetSampleSum(), h.GetSampleCount(), c.batches)
				}
			}
		})
	}
}
