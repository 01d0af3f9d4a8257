package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
	"waybill/internal/devstack"
	"waybill/internal/devstack/devtest"
)

func refusal(code string, guards ...eventstore.StreamEvents) eventstore.Commit {
	return eventstore.Commit{
		CommandID: uuid.New(), Fingerprint: []byte("print"), Streams: guards,
		Verdict: &eventstore.Verdict{Refused: true, Code: code, Key: "order-1", Type: "order.cancel", Data: []byte("{}")},
	}
}

// TestConnectionCutInCommit cuts the connection at the two worst moments: before the request has reached the server,
// and after it was carried out. The caller must be told of success, and the log must hold the commit once.
func TestConnectionCutInCommit(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]cutMode{"request lost": cutRequest, "answer lost": cutAnswer} {
		for kind, build := range map[string]func() eventstore.Commit{
			"events": func() eventstore.Commit { return single("order-1", 1) },
			"verdict": func() eventstore.Commit {
				return refusal("sold-out", eventstore.StreamEvents{ID: "order-1", Expected: 1})
			},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				p, dsn := startProxy(t, devtest.Database(t))
				s := openLog(t, dsn)
				if _, err := s.Append(t.Context(), single("order-1", 0)); err != nil { // prepares the statements
					t.Fatal(err)
				}
				c := build()
				p.arm(mode)
				r, err := s.Append(t.Context(), c)
				if err != nil {
					t.Fatalf("append: %v", err)
				}
				if p.cuts.Load() != 1 {
					t.Fatal("nothing was cut")
				}
				o, ok, err := s.Outcome(t.Context(), c.CommandID)
				if err != nil || !ok || o.Receipt != r {
					t.Errorf("outcome %+v, %v, %v; receipt %+v", o, ok, err, r)
				}
				want := int64(1 + len(c.Streams[0].Events))
				if h, err := s.Head(t.Context()); err != nil || h.Position != want {
					t.Errorf("head %+v, %v; want position %d", h, err, want)
				}
				var dup *eventstore.DuplicateCommandError
				if _, err = s.Append(t.Context(), c); !errors.As(err, &dup) || dup.Outcome.Receipt != r {
					t.Errorf("the same again: %v", err)
				}
			})
		}
	}
}

// TestLostAnswerOfARepeatedCommand: what is found after a cut is success only if it is our own commit.
func TestLostAnswerOfARepeatedCommand(t *testing.T) {
	t.Parallel()
	p, dsn := startProxy(t, devtest.Database(t))
	s := openLog(t, dsn)
	first := single("order-1", 0)
	r, err := s.Append(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	again := single("order-2", 0)
	again.CommandID = first.CommandID
	p.arm(cutRequest)
	_, err = s.Append(t.Context(), again)
	dup, ok := errors.AsType[*eventstore.DuplicateCommandError](err)
	if !ok || dup.Outcome.Receipt != r || p.cuts.Load() != 1 {
		t.Errorf("got %v after %d cuts, want a duplicate of the first", err, p.cuts.Load())
	}
}

// TestNemesisOfConnections cuts and terminates connections at random under load.
func TestNemesisOfConnections(t *testing.T) {
	t.Parallel()
	direct := devtest.Database(t)
	p, dsn := startProxy(t, direct)
	s := openLogWith(t, eventstore.PostgresConfig{DSN: dsn, MaxBatchEvents: 8})
	admin, err := pgx.Connect(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.WithoutCancel(t.Context())) }()

	load := startLoad(t, s, 24)
	for i := range 60 {
		target := load.acknowledged.Load() + 20
		eventually(t, "progress", func() bool { return load.acknowledged.Load() >= target })
		switch i % 3 {
		case 0:
			p.arm(cutRequest)
		case 1:
			p.arm(cutAnswer)
		case 2:
			_, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'waybill waybill_append' AND datname = current_database()")
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	load.finish()
	load.check(s)
	if n := load.unknown.Load(); n != 0 {
		t.Errorf("%d outcomes stayed unknown although the database was there", n)
	}
	if p.cuts.Load() < 20 {
		t.Errorf("only %d cuts", p.cuts.Load())
	}
}

// TestPostmasterKilled kills the whole server under load, twice, and starts it again.
func TestPostmasterKilled(t *testing.T) {
	t.Parallel()
	pg := devtest.Cluster(t, nil)
	dsn := pg.URL("postgres")
	if err := eventstore.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	s := openLogWith(t, eventstore.PostgresConfig{DSN: dsn, RetryFor: time.Minute})
	load := startLoad(t, s, 24)
	for range 2 {
		target := load.acknowledged.Load() + 500
		eventually(t, "progress", func() bool { return load.acknowledged.Load() >= target })
		if err := pg.Kill(); err != nil {
			t.Fatal(err)
		}
		pg = restart(t, pg)
	}
	target := load.acknowledged.Load() + 500
	eventually(t, "progress after the restart", func() bool { return load.acknowledged.Load() >= target })
	load.finish()
	load.check(s)
	if n := load.unknown.Load(); n != 0 {
		t.Errorf("%d outcomes stayed unknown although the database came back in time", n)
	}
}

// TestReadOverBrokenConnections reads while every pooled connection is one that the server has ended.
func TestReadOverBrokenConnections(t *testing.T) {
	t.Parallel()
	dsn := devtest.Database(t)
	s := openLog(t, dsn)
	c := single("order-1", 0)
	if _, err := s.Append(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	reads := map[string]func() error{
		"log":      func() error { _, err := s.ReadLog(t.Context(), 1, 10); return err },
		"head":     func() error { _, err := s.Head(t.Context()); return err },
		"outcome":  func() error { _, _, err := s.Outcome(t.Context(), c.CommandID); return err },
		"verdicts": func() error { _, err := s.OutcomesByKey(t.Context(), "order-1", 1); return err },
		"snapshot": func() error { _, _, err := s.LoadSnapshot(t.Context(), "order-1"); return err },
		"stream": func() error {
			for _, err := range s.ReadStream(t.Context(), "order-1", 1) {
				return err
			}
			return errors.New("no event")
		},
	}
	const sessions = "FROM pg_stat_activity WHERE application_name = 'waybill waybill_read' AND datname = current_database()"
	for name, read := range reads {
		if err := read(); err != nil { // there is a connection from now on
			t.Fatal(err)
		}
		exec(t, dsn, "SELECT pg_terminate_backend(pid) "+sessions)
		eventually(t, "the sessions to end", func() bool { return waiting(t, dsn, "SELECT count(*)::text "+sessions) == "0" })
		if err := read(); err != nil {
			t.Errorf("read the %s: %v", name, err)
		}
	}
}

func restart(t *testing.T, pg *devstack.Postgres) *devstack.Postgres {
	t.Helper()
	u, err := url.Parse(pg.TCPURL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	again, err := devstack.StartPostgres(t.Context(), devstack.PostgresConfig{Dir: pg.Dir(), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := again.Kill(); err != nil {
			t.Errorf("end the cluster: %v", err)
		}
	})
	return again
}

// load appends to streams of its own, to a shared one, and stores refusals, until it is told to finish.
type load struct {
	t                     *testing.T
	stop                  context.CancelFunc
	wg                    sync.WaitGroup
	acknowledged, unknown atomic.Int64

	mu       sync.Mutex
	receipts map[uuid.UUID]eventstore.Receipt
	doubtful []uuid.UUID
}

func startLoad(t *testing.T, s *eventstore.Postgres, writers int) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{t: t, stop: stop, receipts: map[uuid.UUID]eventstore.Receipt{}}
	for w := range writers {
		l.wg.Go(func() {
			version, shared := int64(0), int64(0)
			for ctx.Err() == nil {
				own := fmt.Sprintf("order-%d", w)
				if l.append(s, single(own, version)) == nil {
					version++
				}
				_ = l.append(s, refusal("no", eventstore.StreamEvents{ID: own, Expected: version}))
				err := l.append(s, single("shared", shared))
				if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok {
					shared = conflict.Actual
				} else if err == nil {
					shared++
				}
			}
		})
	}
	t.Cleanup(l.finish)
	return l
}

func (l *load) append(s *eventstore.Postgres, c eventstore.Commit) error {
	r, err := s.Append(l.t.Context(), c)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.receipts[c.CommandID] = r
		l.acknowledged.Add(1)
	case errors.Is(err, eventstore.ErrOutcomeUnknown):
		l.doubtful = append(l.doubtful, c.CommandID)
		l.unknown.Add(1)
	case errors.Is(err, eventstore.ErrConflict) && c.Streams[0].ID == "shared":
	default:
		l.t.Errorf("append: %v", err)
	}
	return err
}

func (l *load) finish() {
	l.stop()
	l.wg.Wait()
}

// check holds the log against what the writers were told.
func (l *load) check(s *eventstore.Postgres) {
	l.t.Helper()
	var position int64
	versions := map[string]int64{}
	commands := map[uuid.UUID]int64{}
	for {
		page, err := s.ReadLog(l.t.Context(), position+1, 1000)
		if err != nil {
			l.t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			position++
			if versions[e.Stream]++; e.Position != position || e.Version != versions[e.Stream] {
				l.t.Fatalf("position %d, %s version %d: want position %d, version %d", e.Position, e.Stream, e.Version, position, versions[e.Stream])
			}
			if commands[e.CommandID] != 0 {
				l.t.Errorf("command %s stands at %d and at %d", e.CommandID, commands[e.CommandID], position)
			}
			commands[e.CommandID] = position
		}
	}
	for id, r := range l.receipts {
		o, ok, err := s.Outcome(l.t.Context(), id)
		if err != nil || !ok || o.Receipt != r {
			l.t.Errorf("command %s was acknowledged with %+v, and has %+v, %v, %v", id, r, o.Receipt, ok, err)
		}
		delete(commands, id)
	}
	for _, id := range l.doubtful {
		delete(commands, id)
	}
	if len(commands) > 0 {
		l.t.Errorf("%d commands are in the log and their callers were told otherwise", len(commands))
	}
	l.t.Logf("%d events, %d acknowledged, %d unknown", position, len(l.receipts), len(l.doubtful))
}

// pair sends every second Append to another process' log.
type pair struct {
	*eventstore.Postgres
	other *eventstore.Postgres
	n     atomic.Int64
}

func (p *pair) Append(ctx context.Context, c eventstore.Commit) (eventstore.Receipt, error) {
	if p.n.Add(1)%2 == 0 {
		return p.other.Append(ctx, c)
	}
	return p.Postgres.Append(ctx, c)
}

func TestAcknowledgedButUnreplicated(t *testing.T) {
	t.Parallel()
	pg := devtest.Cluster(t, nil)
	dsn := pg.URL("postgres")
	if err := eventstore.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	s := openLog(t, dsn)
	if _, err := s.Append(t.Context(), single("order-1", 0)); err != nil {
		t.Fatal(err)
	}
	// From now on every commit waits for a standby that is not there.
	exec(t, dsn, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
	eventually(t, "the setting to take hold", func() bool { return waiting(t, dsn, "SHOW synchronous_standby_names") == "nobody" })

	c := single("order-1", 1)
	p, err := s.Propose(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	const waits = "SELECT coalesce(max(pid), 0)::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	eventually(t, "the commit to wait", func() bool { return waiting(t, dsn, waits) != "0" })
	// The wait is cancelled: Postgres answers with success and a warning, and the event is visible.
	first := waiting(t, dsn, "SELECT pg_cancel_backend(pid)::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	if first != "true" {
		t.Fatalf("cancel: %s", first)
	}
	eventually(t, "the event to be visible", func() bool {
		h, err := s.Head(t.Context())
		return err == nil && h.Position == 2
	})
	eventually(t, "the barrier write to wait", func() bool { return waiting(t, dsn, waits) != "0" })
	select {
	case <-p.Done():
		t.Fatal("acknowledged although no standby has it")
	default:
	}
	exec(t, dsn, "SET synchronous_commit = local", "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
	r, err := p.Wait(t.Context())
	if err != nil || r.First != 2 {
		t.Errorf("after the standby came back: %+v, %v", r, err)
	}
	if h, err := s.Head(t.Context()); err != nil || h.Position != 2 {
		t.Errorf("head: %+v, %v", h, err)
	}
}

// waiting runs a query that returns one text.
func waiting(t *testing.T, dsn, query string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var answer string
	if err := conn.QueryRow(t.Context(), query).Scan(&answer); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return answer
}

func TestDatabaseStaysAway(t *testing.T) {
	t.Parallel()
	p, dsn := startProxy(t, devtest.Database(t))
	s := openLogWith(t, eventstore.PostgresConfig{DSN: dsn, RetryFor: 300 * time.Millisecond})
	if _, err := s.Append(t.Context(), single("order-1", 0)); err != nil {
		t.Fatal(err)
	}
	// The answer is lost, and nobody can be asked.
	p.arm(cutAnswer)
	_ = p.listener.Close()
	c := single("order-1", 1)
	if _, err := s.Append(t.Context(), c); !errors.Is(err, eventstore.ErrOutcomeUnknown) {
		t.Errorf("got %v, want ErrOutcomeUnknown", err)
	}
	// Now nothing can even be sent, and that is known.
	if _, err := s.Append(t.Context(), single("order-2", 0)); err == nil || errors.Is(err, eventstore.ErrOutcomeUnknown) {
		t.Errorf("got %v, want an error that is not ErrOutcomeUnknown", err)
	}
}
