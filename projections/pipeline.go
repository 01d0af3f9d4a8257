package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/internal/failpoint"
)

// pipeline is the transaction of a batch in as few round trips as its statements allow. Apply sees an ordinary
// transaction; what [Table] reads and writes by it travels in company:
//
//	begin, move the checkpoint, what is read first    one round trip
//	what is written, commit                           one round trip
//
// Nothing is written before the answer to the compare-and-set is here, so a runner that lost writes nothing, and what it
// read is thrown away unseen. A batch of which nothing is wanted moves the checkpoint by one statement that is a
// transaction of its own. Any other statement than those of Table is sent at once, behind all that waits.
type pipeline struct {
	pgx.Tx // nil until the transaction is begun

	conn *pgx.Conn
	move statement // the compare-and-set
	// writes wait for the next read, or for the commit.
	writes []statement
	// failed is why the transaction could not begin: no fault of Apply, whatever Apply makes of it.
	failed error
	done   bool
}

// statement is one that waits, and what it does, for its error.
type statement struct {
	sql, what string
	args      []any
}

// inPipeline runs do in a transaction of one connection of pool, and commits it unless do returns an error.
func inPipeline(ctx context.Context, pool *pgxpool.Pool, move statement, do func(*pipeline) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	p := &pipeline{conn: conn.Conn(), move: move}
	defer p.rollback(ctx)
	err = do(p)
	if p.failed != nil {
		return p.failed
	}
	if err != nil {
		return err
	}
	return p.commit(ctx)
}

// rollback ends a transaction that was not committed. A connection for which that is not possible is closed by it.
func (p *pipeline) rollback(ctx context.Context) {
	if p.Tx != nil && !p.done {
		_ = p.Tx.Rollback(ctx) // there is an error already
	}
}

func (p *pipeline) commit(ctx context.Context) error {
	if p.Tx == nil && len(p.writes) == 0 {
		moved, err := p.conn.Exec(ctx, p.move.sql, p.move.args...)
		return p.fence(moved, err)
	}
	if p.Tx == nil {
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	b := p.queued()
	b.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		p.done = true
		if tag.String() == "ROLLBACK" {
			return pgx.ErrTxCommitRollback
		}
		return nil
	})
	return sent(p.conn.SendBatch(ctx, b))
}

// fence is [errFenced] if the compare-and-set found another checkpoint.
func (p *pipeline) fence(moved pgconn.CommandTag, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", p.move.what, err)
	}
	if moved.RowsAffected() == 0 && !failpoint.On(failpoint.BugWrittenTwice) {
		return errFenced
	}
	return nil
}

// begin starts the transaction and moves the checkpoint.
func (p *pipeline) begin(ctx context.Context) error { return p.beginWith(ctx, &pgx.Batch{}).Close() }

// beginWith starts the transaction, moves the checkpoint, and sends reads behind, all in one round trip. The results are
// those of reads.
func (p *pipeline) beginWith(ctx context.Context, reads *pgx.Batch) pgx.BatchResults {
	if p.failed != nil {
		return pgx.FailedBatchResults(reads, p.failed)
	}
	b := &pgx.Batch{}
	b.BeginTx(pgx.TxOptions{})
	b.Queue(p.move.sql, p.move.args...)
	sown := 0
	if failpoint.On(failpoint.BugCheckpointOutsideTransaction) {
		b.Queue("commit")
		b.Queue("begin")
		sown = 2
	}
	b.QueuedQueries = append(b.QueuedQueries, reads.QueuedQueries...)
	results := p.conn.SendBatch(ctx, b)
	p.Tx = results.Tx()
	_, err := results.Exec()
	if err == nil {
		err = p.fence(results.Exec())
	}
	for range sown {
		if err == nil {
			_, err = results.Exec()
		}
	}
	if err == nil {
		err = failpoint.Hit(ctx, failpoint.ProjectionMidApply)
	}
	if err == nil {
		return results
	}
	for _, q := range reads.QueuedQueries {
		q.Fn = nil // nobody is to see what was read
	}
	_ = results.Close() // there is an error already
	if _, ok := errors.AsType[pgx.ErrPreprocessingBatch](err); ok {
		p.Tx = nil // nothing was sent: a read is not as it should be, or its table is not
	} else {
		p.failed = err
	}
	return pgx.FailedBatchResults(reads, err)
}

// queued takes out what waits.
func (p *pipeline) queued() *pgx.Batch {
	b := &pgx.Batch{}
	for _, w := range p.writes {
		b.Queue(w.sql, w.args...).Fn = func(results pgx.BatchResults) error {
			if _, err := results.Exec(); err != nil {
				return &applyError{fmt.Errorf("%s: %w", w.what, err)}
			}
			return nil
		}
	}
	p.writes = nil
	return b
}

// sent reads all results. That a value does not fit its column is seen before anything is sent.
func sent(results pgx.BatchResults) error {
	err := results.Close()
	if _, ok := errors.AsType[pgx.ErrPreprocessingBatch](err); ok {
		return &applyError{err}
	}
	return err
}

// flush begins the transaction if it is not, and sends what waits.
func (p *pipeline) flush(ctx context.Context) error {
	if p.failed != nil {
		return p.failed
	}
	if p.Tx == nil {
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	if len(p.writes) == 0 {
		return nil
	}
	return sent(p.conn.SendBatch(ctx, p.queued()))
}

// SendBatch implements [pgx.Tx].
func (p *pipeline) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if p.Tx == nil && len(p.writes) == 0 {
		return p.beginWith(ctx, b)
	}
	if err := p.flush(ctx); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return p.Tx.SendBatch(ctx, b)
}

// Exec implements [pgx.Tx].
func (p *pipeline) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := p.flush(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return p.Tx.Exec(ctx, sql, args...)
}

// Query implements [pgx.Tx].
func (p *pipeline) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := p.flush(ctx); err != nil {
		return nil, err
	}
	return p.Tx.Query(ctx, sql, args...)
}

// QueryRow implements [pgx.Tx].
func (p *pipeline) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := p.flush(ctx); err != nil {
		return noRow{err}
	}
	return p.Tx.QueryRow(ctx, sql, args...)
}

// noRow is the row of a query that was never sent.
type noRow struct{ err error }

func (r noRow) Scan(...any) error { return r.err }

// CopyFrom implements [pgx.Tx].
func (p *pipeline) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	if err := p.flush(ctx); err != nil {
		return 0, err
	}
	return p.Tx.CopyFrom(ctx, table, columns, rows)
}

// Begin implements [pgx.Tx].
func (p *pipeline) Begin(ctx context.Context) (pgx.Tx, error) {
	if err := p.flush(ctx); err != nil {
		return nil, err
	}
	return p.Tx.Begin(ctx)
}

// Prepare implements [pgx.Tx].
func (p *pipeline) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if err := p.flush(ctx); err != nil {
		return nil, err
	}
	return p.Tx.Prepare(ctx, name, sql)
}

var (
	errNotApplys    = errors.New("the transaction of a batch is ended by its runner")
	errLargeObjects = errors.New("read models hold no large objects")
)

// Commit implements [pgx.Tx]. Checkpoint and rows are committed together, by the runner.
func (p *pipeline) Commit(context.Context) error { return errNotApplys }

// Rollback implements [pgx.Tx].
func (p *pipeline) Rollback(context.Context) error { return errNotApplys }

// LargeObjects implements [pgx.Tx].
func (p *pipeline) LargeObjects() pgx.LargeObjects { panic(errLargeObjects) }

// Conn implements [pgx.Tx].
func (p *pipeline) Conn() *pgx.Conn { return p.conn }
