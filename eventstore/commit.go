package eventstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"waybill/internal/failpoint"
)

// Verdicts on one attempt to commit a batch. Everything else is an error of the database.
var (
	// errLost: something that the batch took for granted does not hold; nothing was committed.
	errLost = errors.New("batch was overtaken")
	// errUnreplicated: committed here, but a failover may lose it.
	errUnreplicated = errors.New("wait for the synchronous standby was cancelled")
)

// committed says where a batch went.
type committed struct {
	base       int64 // head of the log before it
	recordedAt time.Time
}

// prepared are the statements of one connection.
type prepared struct{ lock, plain, full *pgconn.StatementDescription }

const preparedKey = "waybill.prepared"

// prepare returns the statements of a connection, prepared when it is first used.
func prepare(ctx context.Context, c *pgconn.PgConn) (*prepared, error) {
	if p, ok := c.CustomData()[preparedKey].(*prepared); ok {
		return p, nil
	}
	if failpoint.On(failpoint.BugPublishBeforeCommit) {
		_, _ = c.Exec(ctx, "SET synchronous_commit = off").ReadAll()
	}
	p := &prepared{}
	for _, s := range []struct {
		into      **pgconn.StatementDescription
		name, sql string
	}{{&p.lock, "waybill_lock", lockHead}, {&p.plain, "waybill_append_plain", appendPlain}, {&p.full, "waybill_append_full", appendFull}} {
		d, err := c.Prepare(ctx, s.name, s.sql, nil)
		if err != nil {
			return nil, fmt.Errorf("prepare append: %w", err)
		}
		*s.into = d
	}
	c.CustomData()[preparedKey] = p
	return p, nil
}

func binaryFormats(n int) []int16 {
	f := make([]int16, n)
	for i := range f {
		f[i] = 1
	}
	return f
}

func (p *prepared) queueAppend(to *pgconn.Batch, b *batch, epoch uuid.UUID) {
	d := p.full
	if b.plain() {
		d = p.plain
	}
	params := b.params(epoch)
	to.ExecStatement(d, params, binaryFormats(len(params)), binaryFormats(5))
}

// commitFast sends a batch whose checks the database makes: lock and append travel in one round trip and are one
// transaction, since Postgres ends it only at the Sync after the last of them.
func commitFast(ctx context.Context, conn *pgx.Conn, b *batch, epoch uuid.UUID) (committed, error) {
	pc := conn.PgConn()
	stmts, err := prepare(ctx, pc)
	if err != nil {
		return committed{}, err
	}
	var request pgconn.Batch
	request.ExecStatement(stmts.lock, nil, nil, binaryFormats(2))
	stmts.queueAppend(&request, b, epoch)
	results, err := pc.ExecBatch(ctx, &request).ReadAll()
	if err != nil {
		return committed{}, err
	}
	if len(results) != 2 || len(results[0].Rows) != 1 {
		return committed{}, fmt.Errorf("append: got %d results; log_head has not one row", len(results))
	}
	if err := checkEpoch(results[0].Rows[0][1], epoch); err != nil {
		return committed{}, err
	}
	if len(results[1].Rows) == 0 {
		return committed{}, errLost
	}
	return b.read(results[1].Rows[0])
}

func checkEpoch(raw []byte, want uuid.UUID) error {
	actual, err := uuid.FromBytes(raw)
	if err != nil {
		return fmt.Errorf("append: read epoch: %w", err)
	}
	if actual != want {
		return &FencedError{Expected: want, Actual: actual}
	}
	return nil
}

// read checks that the append wrote what it had to.
func (b *batch) read(row [][]byte) (committed, error) {
	var n [5]int64
	for i := range n {
		if len(row) != len(n) || len(row[i]) != 8 {
			return committed{}, errors.New("append: the answer has another form")
		}
		n[i] = int64(binary.BigEndian.Uint64(row[i]))
	}
	if n[2] != b.events || n[3] != int64(b.verdict.command.n) || n[4] != int64(b.claim.key.n) {
		return committed{}, fmt.Errorf("append: wrote %d events, %d outcomes, %d claims; want %d, %d, %d",
			n[2], n[3], n[4], b.events, b.verdict.command.n, b.claim.key.n)
	}
	return committed{base: n[0], recordedAt: pgTime(n[1])}, nil
}

// pgTime converts microseconds since 2000-01-01, the binary form of timestamptz.
func pgTime(us int64) time.Time {
	const epoch2000 = 946_684_800 // seconds
	return time.Unix(epoch2000, 0).Add(time.Duration(us) * time.Microsecond).UTC()
}

// commitSlow decides the proposals of old under the lock, with what the log says, and commits those that stand as
// into. It writes even if none does: whatever it saw of other commits is then as durable as its own, so that it may be
// told. resolving says that an earlier attempt may have gone through.
func commitSlow(ctx context.Context, conn *pgx.Conn, old, into *batch, epoch uuid.UUID, resolving bool) (committed, error) {
	stmts, err := prepare(ctx, conn.PgConn())
	if err != nil {
		return committed{}, err
	}
	known, err := lookUp(ctx, conn, old, epoch)
	if err == nil {
		err = failpoint.Hit(ctx, failpoint.LogAfterRead)
	}
	if err != nil {
		return committed{}, rollBack(ctx, conn, err)
	}
	known.resolving = resolving
	into.reset()
	into.known = known
	for i := range old.items {
		into.add(old.items[i].p, old.items[i].firstID)
	}
	for i := range into.items { // of the ones that do not stand now, an attempt may still turn up
		if into.items[i].firstID == uuid.Nil {
			into.items[i].firstID = old.items[i].firstID
		}
	}
	var request pgconn.Batch
	stmts.queueAppend(&request, into, epoch)
	request.ExecParams("COMMIT", nil, nil, nil, nil)
	results, err := conn.PgConn().ExecBatch(ctx, &request).ReadAll()
	if err != nil {
		return committed{}, rollBack(ctx, conn, err)
	}
	if len(results) != 2 || len(results[0].Rows) != 1 || results[1].CommandTag.String() != "COMMIT" {
		return committed{}, errors.New("append under the lock: did not write what it had just decided")
	}
	return into.read(results[0].Rows[0])
}

// rollBack leaves the transaction after err. A connection on which that fails is of no further use, and closed.
func rollBack(ctx context.Context, conn *pgx.Conn, err error) error {
	if conn.IsClosed() {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, rollErr := conn.Exec(ctx, "ROLLBACK"); rollErr != nil {
		_ = conn.Close(ctx)
	}
	return err
}

// lookUp begins a transaction, takes the lock, and reads everything that the proposals of b depend on.
func lookUp(ctx context.Context, conn *pgx.Conn, b *batch, epoch uuid.UUID) (*truth, error) {
	var commands [][16]byte
	var claims, streams []string
	seen := map[string]bool{}
	for i := range b.items {
		c := &b.items[i].p.Commit
		commands = append(commands, c.CommandID)
		claims = append(claims, c.Claims...)
		for j := range c.Streams {
			if id := c.Streams[j].ID; !seen[id] {
				seen[id] = true
				streams = append(streams, id)
			}
		}
	}
	t := &truth{outcomes: map[uuid.UUID]storedOutcome{}, claims: map[string]int64{}, versions: map[string]int64{}}
	var request pgx.Batch
	request.Queue("BEGIN")
	request.Queue(lockHead).QueryRow(func(row pgx.Row) error {
		var position int64
		var actual [16]byte
		if err := row.Scan(&position, &actual); err != nil {
			return err
		}
		return checkEpoch(actual[:], epoch)
	})
	request.Queue(findCommands, commands).Query(func(rows pgx.Rows) error { return t.readCommands(rows, epoch) })
	request.Queue(findOutcomes, commands).Query(t.readOutcomes)
	request.Queue(findClaims, claims).Query(func(rows pgx.Rows) error { return readPairs(rows, t.claims) })
	request.Queue(findVersions, streams).Query(func(rows pgx.Rows) error { return readPairs(rows, t.versions) })
	if err := conn.SendBatch(ctx, &request).Close(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *truth) readCommands(rows pgx.Rows, epoch uuid.UUID) error {
	for rows.Next() {
		var first [16]byte
		o, err := scanCommit(rows, &first, epoch)
		if err != nil {
			return err
		}
		t.outcomes[o.CommandID] = storedOutcome{Outcome: o, firstID: first}
	}
	return rows.Err()
}

func (t *truth) readOutcomes(rows pgx.Rows) error {
	for rows.Next() {
		o, err := scanVerdict(rows)
		if err != nil {
			return err
		}
		t.outcomes[o.CommandID] = storedOutcome{Outcome: o}
	}
	return rows.Err()
}

func readPairs(rows pgx.Rows, into map[string]int64) error {
	var k string
	var v int64
	_, err := pgx.ForEachRow(rows, []any{&k, &v}, func() error {
		into[k] = v
		return nil
	})
	return err
}

// scanCommit reads a row of [findCommands].
func scanCommit(row pgx.Row, firstID *[16]byte, epoch uuid.UUID) (Outcome, error) {
	var command [16]byte
	var size int16
	var o Outcome
	if err := row.Scan(&command, firstID, &o.Receipt.First, &size, &o.Fingerprint, &o.RecordedAt); err != nil {
		return Outcome{}, err
	}
	o.CommandID = command
	o.RecordedAt = o.RecordedAt.UTC()
	o.Receipt.Last, o.Receipt.Epoch = o.Receipt.First+int64(size)-1, epoch
	return o, nil
}

// scanVerdict reads a row of [findOutcomes].
func scanVerdict(row pgx.Row) (Outcome, error) {
	var command, epoch [16]byte
	var v Verdict
	var o Outcome
	err := row.Scan(&command, &o.Receipt.First, &epoch, &v.Refused, &v.Code, &v.Key, &v.Type, &o.Fingerprint, &v.Data, &v.Meta, &o.RecordedAt)
	if err != nil {
		return Outcome{}, err
	}
	o.CommandID, o.Verdict = command, &v
	o.RecordedAt = o.RecordedAt.UTC()
	o.Receipt.Last, o.Receipt.Epoch = o.Receipt.First, epoch
	return o, nil
}

// failure says what an error means for the batch that met it.
type failure int

const (
	failLost      failure = iota // nothing committed; the slow path finds out who lost
	failRetry                    // nothing committed; the same again may go through
	failPermanent                // nothing committed, and the same again would fail again
	failUnknown                  // it may be committed
)

// classify sorts errors by what is known afterwards. Only an ERROR of the server is proof that nothing was committed:
// after a FATAL one, as from a shutdown while it waits for the standby, the commit may stand. pgconn.SafeToRetry is no
// proof: pgx 5.12 says so of a batch whose answer was lost, because by then it finds its own connection closed.
func classify(err error) failure {
	if errors.Is(err, errLost) {
		return failLost
	}
	if _, ok := errors.AsType[*FencedError](err); ok {
		return failPermanent
	}
	if _, ok := errors.AsType[*notSentError](err); ok {
		return failRetry
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pgErr.SeverityUnlocalized != "ERROR" {
		return failUnknown
	}
	switch {
	case pgErr.Code == "23505": // unique_violation
		return failLost
	case pgErr.Code == "25006", // read_only_sql_transaction: the server became a standby
		pgErr.Code == "55P03",  // lock_not_available
		pgErr.Code[:2] == "40", // serialization, deadlock
		pgErr.Code[:2] == "53", // disk full, out of memory, too many connections
		pgErr.Code[:2] == "57", // cancelled, time-out, shutting down
		pgErr.Code[:2] == "58", // I/O error
		pgErr.Code[:2] == "08": // connection
		return failRetry
	}
	return failPermanent
}
