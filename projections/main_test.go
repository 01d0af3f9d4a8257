package projections_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/eventstore"
	"waybill/projections"
	"waybill/projections/projectiontest"
)

func TestMain(m *testing.M) { os.Exit(projectiontest.Main(m)) }

// patience bounds what a test waits for.
const patience = 30 * time.Second

// tally counts the events of each key, and keeps them all: whatever is lost, doubled or out of order shows.
type tally struct {
	version int
	suffix  string // of the tables' names
	fail    func(e *projections.Event) error
	before  func(ctx context.Context, tx pgx.Tx, events []projections.Event) error
}

func (p tally) Name() string    { return "tally" }
func (p tally) Version() int    { return max(p.version, 1) }
func (p tally) Types() []string { return []string{"thing.happened", "thing.ended"} }
func (p tally) Tables() []string {
	return []string{"tally" + p.suffix, "tally_entries" + p.suffix}
}
func (p tally) Key(e *projections.Event) string { return e.Meta.Key }

func (p tally) Schema() string {
	return fmt.Sprintf(`
CREATE TABLE tally%[1]s (
    key     text COLLATE "C" NOT NULL PRIMARY KEY,
    events  bigint NOT NULL,
    last    bigint NOT NULL,
    version integer NOT NULL DEFAULT %[2]d,
    types   text[] NOT NULL
);
CREATE TABLE tally_entries%[1]s (
    position bigint NOT NULL PRIMARY KEY,
    key      text NOT NULL,
    nth      bigint NOT NULL
);`, p.suffix, p.Version())
}

func (p tally) tallies() projections.Table {
	return projections.Table{
		Name: "tally" + p.suffix, Key: []string{"key"},
		Columns: []projections.Column{{"key", "text"}, {"events", "bigint"}, {"last", "bigint"}, {"types", "text[]"}},
	}
}

func (p tally) entries() projections.Table {
	return projections.Table{
		Name: "tally_entries" + p.suffix, Key: []string{"position"},
		Columns: []projections.Column{{"position", "bigint"}, {"key", "text"}, {"nth", "bigint"}},
	}
}

type count struct {
	events, last int64
	types        []string
}

func (p tally) Apply(ctx context.Context, tx pgx.Tx, events []projections.Event) error {
	if p.before != nil {
		if err := p.before(ctx, tx, events); err != nil {
			return err
		}
	}
	counts := map[string]*count{}
	var keys [][]any
	for i := range events {
		if p.fail != nil {
			if err := p.fail(&events[i]); err != nil {
				return err
			}
		}
		if key := events[i].Meta.Key; counts[key] == nil {
			counts[key] = &count{}
			keys = append(keys, []any{key})
		}
	}
	table := p.tallies()
	err := table.Load(ctx, tx, keys, func(row pgx.CollectableRow) error {
		var key string
		var c count
		err := row.Scan(&key, &c.events, &c.last, &c.types)
		counts[key] = &c
		return err
	})
	if err != nil {
		return err
	}
	entries := make([][]any, 0, len(events))
	for i := range events {
		e := &events[i]
		c := counts[e.Meta.Key]
		c.events, c.last = c.events+1, e.Position
		if !slices.Contains(c.types, e.Type) {
			c.types = append(c.types, e.Type)
		}
		entries = append(entries, []any{e.Position, e.Meta.Key, c.events})
	}
	rows := make([][]any, 0, len(counts))
	for key, c := range counts {
		rows = append(rows, []any{key, c.events, c.last, c.types})
	}
	if err := table.Upsert(ctx, tx, rows); err != nil {
		return err
	}
	log := p.entries()
	return log.Insert(ctx, tx, entries)
}

// happened is one event of a key. Every stream is a key here.
func happened(tb testing.TB, key, typ string) eventstore.NewEvent {
	tb.Helper()
	meta, err := eventstore.EncodeMeta(eventstore.Meta{Key: key})
	if err != nil {
		tb.Fatal(err)
	}
	return eventstore.NewEvent{Type: typ, Schema: 1, Data: []byte{0x80}, Meta: meta}
}

// history is n events over some keys, every fifth of a type that nobody wants.
func history(tb testing.TB, n, keys int) []eventstore.Commit {
	tb.Helper()
	versions := make([]int64, keys)
	commits := make([]eventstore.Commit, 0, n)
	for i := range n {
		k := (i * i) % keys
		typ := "thing.happened"
		switch i % 5 {
		case 3:
			typ = "thing.ignored"
		case 4:
			typ = "thing.ended"
		}
		key := "k" + strconv.Itoa(k)
		commits = append(commits, projectiontest.Commit("thing-"+key, versions[k], happened(tb, key, typ)))
		versions[k]++
	}
	return commits
}

// running is a runner that a test started.
type running struct {
	*projections.Runner
	cancel context.CancelFunc
	done   chan error
}

func start(tb testing.TB, cfg projections.Config) *running {
	tb.Helper()
	if cfg.PollInterval == 0 {
		cfg.PollInterval = 20 * time.Millisecond
	}
	if cfg.Standby == 0 {
		cfg.Standby = 20 * time.Millisecond
	}
	r, err := projections.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	run := &running{Runner: r, cancel: cancel, done: make(chan error, 1)}
	go func() { run.done <- r.Run(ctx) }()
	tb.Cleanup(func() { run.stop(tb) })
	return run
}

// stop ends the runner, which has to say nothing.
func (r *running) stop(tb testing.TB) {
	tb.Helper()
	r.cancel()
	select {
	case err, ok := <-r.done:
		if ok && err != nil {
			tb.Errorf("runner: %v", err)
		}
		if ok {
			close(r.done)
		}
	case <-time.After(patience):
		tb.Error("runner does not stop")
	}
}

// fails waits for the runner to give up, and returns why.
func (r *running) fails(tb testing.TB) error {
	tb.Helper()
	select {
	case err := <-r.done:
		close(r.done)
		return err
	case <-time.After(patience):
		tb.Fatal("runner did not give up")
		return nil
	}
}

func waitFor(tb testing.TB, pool *pgxpool.Pool, position int64) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	c := projections.NewCheckpoints(pool)
	for {
		err := c.WaitFor(ctx, "tally", position)
		if err == nil {
			return
		}
		if !errors.Is(err, projections.ErrUnknown) || ctx.Err() != nil { // its tables are not there yet
			tb.Fatal(err)
		}
	}
}

// until polls a condition.
func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain for: %s", what)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-tb.Context().Done():
			tb.Fatal(context.Cause(tb.Context()))
		}
	}
}

// exact wants the tables to be the fold of the log.
func exact(tb testing.TB, pool *pgxpool.Pool, p projections.Projection, log eventstore.Reader) projections.Verification {
	tb.Helper()
	v, err := projections.Verify(tb.Context(), projections.VerifyConfig{Projection: p, Pool: pool, Log: log})
	if err != nil {
		tb.Fatal(err)
	}
	for _, d := range v.Differences {
		tb.Error(d)
	}
	return v
}

func head(tb testing.TB, log eventstore.Reader) int64 {
	tb.Helper()
	h, err := log.Head(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return h.Position
}
