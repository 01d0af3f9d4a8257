package processes

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/eventstore"
	"waybill/internal/failpoint"
)

//go:embed migration/*.sql
var migrationFiles embed.FS

// Migrations is the set of tables in which processes keep their state. They need those of the log.
func Migrations() eventstore.MigrationSet {
	files, err := fs.Sub(migrationFiles, "migration")
	if err != nil {
		panic(fmt.Sprintf("embedded migrations: %v", err)) // the folder is compiled in
	}
	return eventstore.MigrationSet{Name: "processes", FS: files}
}

// PoolConfig is the pool that a runner needs. A save that a crash takes back is repeated by the events that led to it,
// with the same command ids, so it does not wait for the disk.
func PoolConfig() eventstore.PoolConfig {
	return eventstore.PoolConfig{Role: eventstore.RoleProcess, MaxConns: 8, Settings: map[string]string{"synchronous_commit": "off"}}
}

// instance is what is kept of one instance of a process.
type instance struct {
	key      string
	position int64 // of the last event that was handled
	state    []byte
	waiting  Waiting
	done     bool
}

// change is everything that one turn leaves behind; it is saved as a whole, or not at all.
type change struct {
	instance
	now    time.Time
	set    []Timer
	cancel []string
	fired  *Fired // the timer that was handled, to be taken out
}

// errFenced says that another process leads now: nothing was saved.
var errFenced = errors.New("another instance leads this process now")

// store keeps the state of one process in Postgres. Changes that are saved at the same time share one transaction.
//
// Those transactions need not wait for the disk ([PoolConfig]): what a crash takes away is taken away as a whole, state, timers and
// checkpoint alike, and the events are handled again, with the same command ids and so without a second effect.
type store struct {
	pool    *pgxpool.Pool
	process string
	epoch   uuid.UUID
	term    int64 // fencing token of the lease
	mark    *mark // how far the process has come

	queue chan saving
	kept  int64 // checkpoint that is stored; of the goroutine that runs
}

type saving struct {
	change change
	done   chan<- error
}

func newStore(pool *pgxpool.Pool, process string, epoch uuid.UUID, term int64) *store {
	return &store{pool: pool, process: process, epoch: epoch, term: term, queue: make(chan saving, Shares)}
}

// keepEvery is how often the checkpoint is kept while there is nothing else to save.
const keepEvery = time.Second

// run saves what is queued until ctx ends, and the checkpoint with it or from time to time.
func (s *store) run(ctx context.Context, logger *slog.Logger) {
	idle := time.NewTicker(keepEvery)
	defer idle.Stop()
	for {
		var batch []saving
		select {
		case first := <-s.queue:
			batch = append(batch, first)
		case <-idle.C:
			if s.mark.position() == s.kept {
				continue
			}
		case <-ctx.Done():
			return
		}
		for more := true; more; {
			select {
			case next := <-s.queue:
				batch = append(batch, next)
			default:
				more = false
			}
		}
		err := s.write(context.WithoutCancel(ctx), batch)
		if err != nil && len(batch) == 0 {
			logger.WarnContext(ctx, "the checkpoint of a process could not be kept", slog.String("process", s.process), slog.Any("error", err))
		}
		for _, b := range batch {
			b.done <- err
		}
	}
}

// save keeps c and returns when it is kept.
func (s *store) save(ctx context.Context, c change) error {
	done := make(chan error, 1)
	select {
	case s.queue <- saving{change: c, done: done}:
	case <-ctx.Done():
		return fmt.Errorf("save %s %s: %w", s.process, c.key, context.Cause(ctx))
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("save %s %s: %w", s.process, c.key, context.Cause(ctx))
	}
}

const (
	saveTimeout = 10 * time.Second
	fencedCode  = "WB001" // raised by processes.check_term

	upsertInstances = `
INSERT INTO processes.instances AS i (process, key, position, state, waiting_for, waiting_until, done, updated_at)
SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bytea[], $5::text[], $6::timestamptz[], $7::boolean[], $8::timestamptz[])
ON CONFLICT (process, key) DO UPDATE
SET position = greatest(i.position, excluded.position), state = excluded.state, waiting_for = excluded.waiting_for,
    waiting_until = excluded.waiting_until, done = excluded.done, updated_at = excluded.updated_at`

	// The timer that fired goes first: the turn may have set it again.
	deleteFired = `
DELETE FROM processes.timers t USING unnest($2::text[], $3::text[], $4::timestamptz[]) AS f(key, name, due_at)
WHERE t.process = $1 AND t.key = f.key AND t.name = f.name AND t.due_at = f.due_at`

	deleteTimers = `
DELETE FROM processes.timers t USING unnest($2::text[], $3::text[]) AS c(key, name)
WHERE t.process = $1 AND t.key = c.key AND t.name = c.name`

	upsertTimers = `
INSERT INTO processes.timers (process, key, name, due_at)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::timestamptz[])
ON CONFLICT (process, key, name) DO UPDATE SET due_at = excluded.due_at`

	upsertCheckpoint = `
INSERT INTO processes.checkpoints AS c (process, epoch, position) VALUES ($1, $2, $3)
ON CONFLICT (process) DO UPDATE SET position = greatest(c.position, excluded.position), epoch = excluded.epoch`
)

// write saves a batch in one transaction and one round trip.
func (s *store) write(ctx context.Context, batch []saving) error {
	// What this batch saves is still open in the mark, so the checkpoint stays before it.
	position := s.mark.position()
	b := s.statements(batch)
	if position > s.kept {
		b.Queue(upsertCheckpoint, s.process, s.epoch, position)
	}
	err := failpoint.Hit(ctx, failpoint.ProcessBeforeState)
	if err == nil {
		err = s.send(ctx, b)
	}
	if err != nil {
		return fmt.Errorf("save state of %s: %w", s.process, err)
	}
	s.kept = position
	return failpoint.Hit(ctx, failpoint.ProcessAfterState)
}

// send carries out a batch whose first statement is begin: all of it, or nothing.
func (s *store) send(ctx context.Context, b *pgx.Batch) error {
	ctx, cancel := context.WithTimeoutCause(ctx, saveTimeout, fmt.Errorf("not saved within %s", saveTimeout))
	defer cancel()
	err := s.pool.SendBatch(ctx, b).Close()
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == fencedCode {
		return errFenced
	}
	return err
}

// begin makes a batch that fails as a whole if another instance leads the process by now.
func (s *store) begin() *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(`SELECT processes.check_term($1, $2)`, s.process, s.term)
	return b
}

func (s *store) statements(batch []saving) *pgx.Batch {
	var (
		keys, waitingFor        []string
		positions               []int64
		states                  [][]byte
		until                   []*time.Time
		done                    []bool
		updated                 []time.Time
		firedKeys, firedNames   []string
		firedDue                []time.Time
		cancelKeys, cancelNames []string
		setKeys, setNames       []string
		setDue                  []time.Time
	)
	for i := range batch {
		c := &batch[i].change
		keys, waitingFor = append(keys, c.key), append(waitingFor, c.waiting.For)
		positions, states = append(positions, c.position), append(states, c.state)
		done, updated = append(done, c.done), append(updated, c.now)
		until = append(until, nullTime(c.waiting.Until))
		if c.fired != nil {
			firedKeys, firedNames = append(firedKeys, c.key), append(firedNames, c.fired.Name)
			firedDue = append(firedDue, c.fired.Due)
		}
		for _, name := range c.cancel {
			cancelKeys, cancelNames = append(cancelKeys, c.key), append(cancelNames, name)
		}
		for _, t := range c.set {
			setKeys, setNames, setDue = append(setKeys, c.key), append(setNames, t.Name), append(setDue, t.Due)
		}
	}
	b := s.begin()
	if len(keys) > 0 {
		b.Queue(upsertInstances, s.process, keys, positions, states, waitingFor, until, done, updated)
	}
	if len(firedKeys) > 0 {
		b.Queue(deleteFired, s.process, firedKeys, firedNames, firedDue)
	}
	if len(cancelKeys) > 0 {
		b.Queue(deleteTimers, s.process, cancelKeys, cancelNames)
	}
	if len(setKeys) > 0 {
		b.Queue(upsertTimers, s.process, setKeys, setNames, setDue)
	}
	return b
}

// load returns the instance with that key; one that nobody started has no state.
func (s *store) load(ctx context.Context, key string) (instance, error) {
	i := instance{key: key}
	err := s.pool.QueryRow(ctx, `SELECT position, state FROM processes.instances WHERE process = $1 AND key = $2`, s.process, key).Scan(&i.position, &i.state)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return instance{}, fmt.Errorf("load %s %s: %w", s.process, key, err)
	}
	return i, nil
}

// head returns where the log ends, by the database in which state is kept: no replica of it may stand behind.
func (s *store) head(ctx context.Context) (int64, error) {
	var position int64
	if err := s.pool.QueryRow(ctx, `SELECT position FROM waybill.log_head`).Scan(&position); err != nil {
		return 0, fmt.Errorf("read the end of the log for %s: %w", s.process, err)
	}
	return position, nil
}

// checkpoint returns how far the process has come, 0 for not at all. A checkpoint of another epoch is an error.
func (s *store) checkpoint(ctx context.Context) (int64, error) {
	var (
		position int64
		epoch    uuid.UUID
	)
	err := s.pool.QueryRow(ctx, `SELECT position, epoch FROM processes.checkpoints WHERE process = $1`, s.process).Scan(&position, &epoch)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("load checkpoint of %s: %w", s.process, err)
	case epoch != s.epoch:
		return 0, fmt.Errorf("checkpoint of %s is of epoch %s, the log has %s: the log was restored; run `waybill doctor`", s.process, epoch, s.epoch)
	}
	return position, nil
}

// due returns timers whose time has come, the earliest first, and how many instances are not done.
func (s *store) due(ctx context.Context, now time.Time, limit int) (fired []Fired, pending int64, err error) {
	b := &pgx.Batch{}
	b.Queue(`SELECT key, name, due_at FROM processes.timers WHERE process = $1 AND due_at <= $2 ORDER BY due_at LIMIT $3`, s.process, now, limit).
		Query(func(rows pgx.Rows) error {
			fired, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (f Fired, err error) {
				err = row.Scan(&f.Key, &f.Name, &f.Due)
				return f, err
			})
			return err
		})
	b.Queue(`SELECT count(*) FROM processes.instances WHERE process = $1 AND NOT done`, s.process).
		QueryRow(func(row pgx.Row) error { return row.Scan(&pending) })
	if err := s.pool.SendBatch(ctx, b).Close(); err != nil {
		return nil, 0, fmt.Errorf("look for due timers of %s: %w", s.process, err)
	}
	return fired, pending, nil
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// parking keeps the inputs that cannot be handled, and which keys wait behind them.
type parking struct {
	store *store
	mu    sync.Mutex
	keys  map[string]bool
}

// loadParking reads which keys are parked.
func loadParking(ctx context.Context, s *store) (*parking, error) {
	rows, err := s.pool.Query(ctx, `SELECT DISTINCT key FROM processes.parked WHERE process = $1`, s.process)
	if err != nil {
		return nil, fmt.Errorf("load parked keys of %s: %w", s.process, err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("load parked keys of %s: %w", s.process, err)
	}
	p := &parking{store: s, keys: make(map[string]bool, len(keys))}
	for _, k := range keys {
		p.keys[k] = true
	}
	return p, nil
}

func (p *parking) parked(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[key]
}

func (p *parking) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.keys)
}

// park keeps t out of the way, with the reason. One that is parked already, before a crash, is parked once.
func (p *parking) park(ctx context.Context, t *trigger, reason string) error {
	s := p.store
	b := s.begin()
	b.Queue(`INSERT INTO processes.parked (process, key, position, name, due_at, reason) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (process, key, position, name) DO NOTHING`,
		s.process, t.key, t.position, t.name, nullTime(t.due), reason)
	if !t.due.IsZero() {
		b.Queue(deleteFired, s.process, []string{t.key}, []string{t.name}, []time.Time{t.due})
	}
	if err := s.send(ctx, b); err != nil {
		return fmt.Errorf("park %s of %s: %w", t.name, t.key, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[t.key] = true
	return nil
}
