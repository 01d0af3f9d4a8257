package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/cmd/waybill/engine"
	"waybill/eventstore"
	"waybill/projections"
)

// pageOfRebuild is the page of the runners.
const pageOfRebuild = 4000

const selectPage = `
SELECT position, version, recorded_at, event_id, command_id, schema, stream, type, data, meta
FROM waybill.events
WHERE position >= $1
ORDER BY position
LIMIT 4000`

func rebuild() Workload {
	return Workload{
		Name: "rebuild", Measures: "rebuilds a read model from an empty table, by its runner; counted are the events of the log",
		Yardstick: "SELECT of the log, page by page, folded by nobody; besides, COPY of the rows that come out, into a table with the same indexes",
		Contests: func(ctx context.Context, e *Env) ([]Contest, error) {
			log, err := e.Log(ctx)
			if err != nil {
				return nil, err
			}
			h, err := newHistory(ctx, e, log)
			if err != nil {
				return nil, err
			}
			head, err := h.grow(ctx, log, e.Pick(200_000, 40_000, 600))
			if err != nil {
				return nil, err
			}
			var contests []Contest
			for _, p := range engine.Projections() {
				contests = append(contests, Contest{Case: p.Name(), Unit: "events/s", Open: func(ctx context.Context, e *Env) ([]Side, error) {
					m, err := newReadModel(ctx, e, p, log, head)
					if err != nil {
						return nil, err
					}
					return []Side{{Name: "rebuild", Run: m.rebuild}, {Name: "SELECT", Run: m.read}, {Name: "COPY", Run: m.copy}}, nil
				}})
			}
			return contests, nil
		},
	}
}

// readModel is one that is rebuilt, and its yardsticks.
type readModel struct {
	projection projections.Projection
	log        *eventstore.Postgres
	head       int64
	wanted     int64 // events of its types
	pool       *pgxpool.Pool
	conn       *pgconn.PgConn // of the yardsticks
	tables     []copiedTable
	content    []projections.TableDump // of the first rebuild: every other one comes to the same
}

// copiedTable is a table of the read model, as COPY has it.
type copiedTable struct {
	name string // quoted, of the copy
	rows []byte
}

func newReadModel(ctx context.Context, e *Env, p projections.Projection, log *eventstore.Postgres, head int64) (*readModel, error) {
	pool, err := e.Pool(ctx, eventstore.RoleProject, 3)
	if err != nil {
		return nil, err
	}
	conns, err := connections(ctx, e, 1)
	if err != nil {
		return nil, err
	}
	m := &readModel{projection: p, log: log, head: head, pool: pool, conn: conns[0].PgConn()}
	if _, err := m.conn.Prepare(ctx, "page", selectPage, nil); err != nil {
		return nil, fmt.Errorf("prepare the yardstick: %w", err)
	}
	err = conns[0].QueryRow(ctx, `SELECT count(*) FROM waybill.events WHERE type = ANY ($1)`, p.Types()).Scan(&m.wanted)
	if err != nil {
		return nil, fmt.Errorf("count the events of %s: %w", p.Name(), err)
	}
	if _, err := m.fold(ctx); err != nil {
		return nil, err
	}
	if m.content, err = projections.Dump(ctx, pool, p); err != nil {
		return nil, err
	}
	return m, m.keep(ctx, conns[0])
}

// keep reads the rows of the read model, and makes empty tables for them.
func (m *readModel) keep(ctx context.Context, conn *pgx.Conn) error {
	schema := projections.SchemaName(m.projection.Name(), m.projection.Version())
	copies := "bench_" + schema
	if _, err := conn.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{copies}.Sanitize()); err != nil {
		return fmt.Errorf("make the tables of the yardstick: %w", err)
	}
	rows, err := conn.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY tablename`, schema)
	if err != nil {
		return fmt.Errorf("list the tables of %s: %w", schema, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list the tables of %s: %w", schema, err)
	}
	for _, name := range names {
		table, like := pgx.Identifier{copies, name}.Sanitize(), pgx.Identifier{schema, name}.Sanitize()
		if _, err := conn.Exec(ctx, "CREATE TABLE "+table+" (LIKE "+like+" INCLUDING ALL)"); err != nil {
			return fmt.Errorf("make the tables of the yardstick: %w", err)
		}
		var content bytes.Buffer
		if _, err := m.conn.CopyTo(ctx, &content, "COPY "+like+" TO STDOUT BINARY"); err != nil {
			return fmt.Errorf("read the rows of %s: %w", like, err)
		}
		m.tables = append(m.tables, copiedTable{name: table, rows: content.Bytes()})
	}
	return nil
}

// fold runs the runner from where its checkpoint is to the end of the log.
func (m *readModel) fold(ctx context.Context) (time.Duration, error) {
	r, err := projections.New(projections.Config{Projection: m.projection, Pool: m.pool, Log: m.log})
	if err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended, gone := make(chan error, 1), make(chan struct{})
	began := time.Now()
	go func() {
		defer close(gone)
		ended <- r.Run(running)
	}()
	err = until(ctx, func() bool {
		select {
		case <-gone: // it says why below
			return true
		default:
			return r.Position() >= m.head
		}
	})
	took := time.Since(began)
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return 0, fmt.Errorf("rebuild %s, at %d of %d: %w", m.projection.Name(), r.Position(), m.head, err)
	}
	return took, nil
}

func (m *readModel) rebuild(ctx context.Context, _ Round) (Measurement, error) {
	if err := (projections.Admin{Pool: m.pool, Log: m.log}).Reset(ctx, m.projection); err != nil {
		return Measurement{}, err
	}
	took, err := m.fold(ctx)
	if err != nil {
		return Measurement{}, err
	}
	var rows int64
	for _, t := range m.content {
		rows += t.Rows
	}
	return Measurement{Count: m.head, Elapsed: took, Figures: map[string]float64{
		"wanted": float64(m.wanted) / float64(m.head), "rows": float64(rows),
	}}, m.check(ctx)
}

// check wants what the first rebuild came to, and nothing put aside.
func (m *readModel) check(ctx context.Context) error {
	content, err := projections.Dump(ctx, m.pool, m.projection)
	if err != nil {
		return err
	}
	if !slices.Equal(content, m.content) {
		return fmt.Errorf("the rebuild of %s came to %v, and the first one to %v", m.projection.Name(), content, m.content)
	}
	versions, err := projections.Versions(ctx, m.pool)
	if err != nil {
		return err
	}
	for _, v := range versions {
		if v.Name == m.projection.Name() && (v.Position != m.head || v.ParkedKeys > 0) {
			return fmt.Errorf("%s is at %d of %d, with %d parked keys", v.Name, v.Position, m.head, v.ParkedKeys)
		}
	}
	return nil
}

// read reads the log as whoever rebuilds has to.
func (m *readModel) read(ctx context.Context, _ Round) (Measurement, error) {
	began := time.Now()
	next, size := int64(1), 0
	for {
		rows := m.conn.ExecPrepared(ctx, "page", [][]byte{int8bytes(next)}, []int16{1}, []int16{1})
		n := 0
		for rows.NextRow() {
			if position := int64(binary.BigEndian.Uint64(rows.Values()[0])); position != next {
				return Measurement{}, fmt.Errorf("position %d comes where %d is due", position, next)
			}
			for _, v := range rows.Values() {
				size += len(v)
			}
			next++
			n++
		}
		if _, err := rows.Close(); err != nil {
			return Measurement{}, err
		}
		if n < pageOfRebuild {
			break
		}
	}
	took := time.Since(began)
	if next != m.head+1 || size == 0 {
		return Measurement{}, fmt.Errorf("%d events were read, of %d", next-1, m.head)
	}
	return Measurement{Count: m.head, Elapsed: took}, nil
}

// copy writes the rows as fast as Postgres takes them, in one transaction. Its rate too is in events of the log, so that
// it can be held against the others.
func (m *readModel) copy(ctx context.Context, _ Round) (Measurement, error) {
	for _, t := range m.tables {
		if _, err := m.conn.Exec(ctx, "TRUNCATE "+t.name).ReadAll(); err != nil {
			return Measurement{}, err
		}
	}
	began := time.Now()
	if _, err := m.conn.Exec(ctx, "BEGIN").ReadAll(); err != nil {
		return Measurement{}, err
	}
	rows := int64(0)
	for _, t := range m.tables {
		tag, err := m.conn.CopyFrom(ctx, bytes.NewReader(t.rows), "COPY "+t.name+" FROM STDIN BINARY")
		if err != nil {
			return Measurement{}, err
		}
		rows += tag.RowsAffected()
	}
	if _, err := m.conn.Exec(ctx, "COMMIT").ReadAll(); err != nil {
		return Measurement{}, err
	}
	took := time.Since(began)
	want := int64(0)
	for _, t := range m.content {
		want += t.Rows
	}
	if rows != want {
		return Measurement{}, fmt.Errorf("%d rows were copied, of %d", rows, want)
	}
	return Measurement{Count: m.head, Elapsed: took}, nil
}
