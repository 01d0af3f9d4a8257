package eventstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	eventColumns = `position, stream, version, event_id, command_id, type, schema, data, meta, recorded_at`

	selectStream = `SELECT ` + eventColumns + ` FROM waybill.events WHERE stream = $1 AND version >= $2 ORDER BY version LIMIT $3`
	// Positions are dense, so the page has an upper bound as well: a reader at the end asks for nothing.
	selectLog  = `SELECT ` + eventColumns + ` FROM waybill.events WHERE position >= $1 AND position < $1 + $2::int8 ORDER BY position`
	selectHead = `SELECT position, epoch FROM waybill.log_head`

	selectCommand = `
SELECT command_id, event_id, position, commit_size, fingerprint, recorded_at
FROM waybill.events
WHERE command_id = $1 AND command_id IS NOT NULL`
	selectOutcome = `
SELECT command_id, position, epoch, refused, code, key, type, fingerprint, data, meta, recorded_at
FROM waybill.outcomes
WHERE command_id = $1`
	selectOutcomesByKey = `
SELECT command_id, position, epoch, refused, code, key, type, fingerprint, data, meta, recorded_at
FROM waybill.outcomes
WHERE key = $1 AND key <> ''
ORDER BY recorded_at DESC
LIMIT $2`

	selectSnapshot = `SELECT version, schema, data FROM waybill.snapshots WHERE stream = $1`
	upsertSnapshot = `
INSERT INTO waybill.snapshots AS s (stream, version, schema, data)
VALUES ($1, $2, $3, $4)
ON CONFLICT (stream) DO UPDATE
SET version = EXCLUDED.version, schema = EXCLUDED.schema, data = EXCLUDED.data
WHERE s.version < EXCLUDED.version`
)

// streamPage is how many events of a stream are read at once.
const streamPage = 1000

// ReadStream implements [Reader]. It reads page by page, and holds no connection while the caller works.
func (s *Postgres) ReadStream(ctx context.Context, stream string, from int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if validText(stream) != nil {
			return // no commit can ever have made it
		}
		from := max(from, 1)
		for {
			page, err := s.readEvents(ctx, selectStream, stream, from, int64(streamPage))
			if err != nil {
				yield(Event{}, fmt.Errorf("read stream %s from %d: %w", stream, from, err))
				return
			}
			for i := range page {
				if page[i].Version != from {
					yield(Event{}, fmt.Errorf("read stream %s: version %d where %d belongs: the log is damaged", stream, page[i].Version, from))
					return
				}
				from++
				if !yield(page[i], nil) {
					return
				}
			}
			if len(page) < streamPage {
				return
			}
		}
	}
}

// ReadLog implements [Reader].
func (s *Postgres) ReadLog(ctx context.Context, from int64, limit int) ([]Event, error) {
	if err := validPage(from, limit); err != nil {
		return nil, err
	}
	page, err := s.readEvents(ctx, selectLog, from, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("read log from %d: %w", from, err)
	}
	for i := range page {
		if want := from + int64(i); page[i].Position != want {
			return nil, fmt.Errorf("read log: position %d where %d belongs: the log is damaged", page[i].Position, want)
		}
	}
	return page, nil
}

// reading runs a read, and runs it again on new connections if the one it had turned out to be broken: that a server was
// restarted shows only when a pooled connection is used, and to read twice harms nobody.
func reading[T any](ctx context.Context, s *Postgres, read func() (T, error)) (T, error) {
	v, err := read()
	if err == nil || ctx.Err() != nil || !isBroken(err) {
		return v, err
	}
	s.reader.Reset()
	return read()
}

// isBroken tells whether err is the end of a connection that had been made.
func isBroken(err error) bool {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgErr.SeverityUnlocalized != "ERROR"
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false
	}
	_, network := errors.AsType[net.Error](err)
	return network || pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

func (s *Postgres) readEvents(ctx context.Context, sql string, args ...any) ([]Event, error) {
	return reading(ctx, s, func() ([]Event, error) { return s.readEventsOnce(ctx, sql, args...) })
}

func (s *Postgres) readEventsOnce(ctx context.Context, sql string, args ...any) ([]Event, error) {
	rows, err := s.reader.Query(ctx, sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []Event
	types := map[string]string{} // a page has few types: their names are made once
	var stream string
	for rows.Next() {
		e, err := decodeEvent(rows.RawValues(), types, &stream)
		if err != nil {
			return nil, err
		}
		page = append(page, e)
	}
	return page, rows.Err()
}

// decodeEvent reads one row of [eventColumns] in binary form. It is most of what a rebuild does, so it goes without
// reflection and with one allocation for data and metadata. stream is the name of the row before.
func decodeEvent(raw [][]byte, types map[string]string, stream *string) (Event, error) {
	if len(raw) != 10 || len(raw[0]) != 8 || len(raw[2]) != 8 || len(raw[3]) != 16 || len(raw[6]) != 2 || len(raw[9]) != 8 {
		return Event{}, errors.New("event row has another form")
	}
	if *stream != string(raw[1]) {
		*stream = string(raw[1])
	}
	kind, ok := types[string(raw[5])]
	if !ok {
		kind = string(raw[5])
		types[kind] = kind
	}
	body := make([]byte, 0, len(raw[7])+len(raw[8]))
	body = append(append(body, raw[7]...), raw[8]...)
	split := len(raw[7])
	e := Event{
		Position:   int64(binary.BigEndian.Uint64(raw[0])),
		Stream:     *stream,
		Version:    int64(binary.BigEndian.Uint64(raw[2])),
		ID:         uuid.UUID(raw[3]),
		Type:       kind,
		Schema:     int16(binary.BigEndian.Uint16(raw[6])),
		Data:       body[:split:split],
		Meta:       body[split:],
		RecordedAt: pgTime(int64(binary.BigEndian.Uint64(raw[9]))),
	}
	if len(raw[4]) == 16 {
		e.CommandID = uuid.UUID(raw[4])
	}
	return e, nil
}

// Head implements [Reader].
func (s *Postgres) Head(ctx context.Context) (Head, error) { return s.readHead(ctx) }

func (s *Postgres) readHead(ctx context.Context) (Head, error) {
	h, err := reading(ctx, s, func() (Head, error) {
		var h Head
		err := s.reader.QueryRow(ctx, selectHead).Scan(&h.Position, (*[16]byte)(&h.Epoch))
		return h, err
	})
	if err != nil {
		return Head{}, fmt.Errorf("read head of the log: %w", err)
	}
	return h, nil
}

// Outcome implements [Outcomes]. The receipt of a commit carries the epoch that the log has now: where it is found, it
// is valid.
func (s *Postgres) Outcome(ctx context.Context, commandID uuid.UUID) (Outcome, bool, error) {
	id := [16]byte(commandID)
	o, err := reading(ctx, s, func() (Outcome, error) {
		var firstID [16]byte
		o, err := scanCommit(s.reader.QueryRow(ctx, selectCommand, id), &firstID, s.epoch)
		if errors.Is(err, pgx.ErrNoRows) {
			o, err = scanVerdict(s.reader.QueryRow(ctx, selectOutcome, id))
		}
		return o, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Outcome{}, false, nil
	}
	if err != nil {
		return Outcome{}, false, fmt.Errorf("look up command %s: %w", commandID, err)
	}
	return o, true, nil
}

// OutcomesByKey returns the verdicts that concern key, newest first, at most limit of them (1 to [MaxPage]). These are
// the commands that added no event; the others are in the log.
func (s *Postgres) OutcomesByKey(ctx context.Context, key string, limit int) ([]Outcome, error) {
	if limit < 1 || limit > MaxPage {
		return nil, fmt.Errorf("outcomes of %s: limit %d: a page has 1 to %d", key, limit, MaxPage)
	}
	list, err := reading(ctx, s, func() ([]Outcome, error) {
		rows, err := s.reader.Query(ctx, selectOutcomesByKey, key, limit)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Outcome, error) { return scanVerdict(row) })
	})
	if err != nil {
		return nil, fmt.Errorf("outcomes of %s: %w", key, err)
	}
	return list, nil
}

// LoadSnapshot implements [Snapshots].
func (s *Postgres) LoadSnapshot(ctx context.Context, stream string) (Snapshot, bool, error) {
	snap, err := reading(ctx, s, func() (Snapshot, error) {
		snap := Snapshot{Stream: stream}
		err := s.reader.QueryRow(ctx, selectSnapshot, stream).Scan(&snap.Version, &snap.Schema, &snap.Data)
		return snap, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return Snapshot{}, false, nil
	}
	if err != nil {
		return Snapshot{}, false, fmt.Errorf("load snapshot of %s: %w", stream, err)
	}
	return snap, true, nil
}

// SaveSnapshot implements [Snapshots].
func (s *Postgres) SaveSnapshot(ctx context.Context, snap Snapshot) error {
	if _, err := s.writer.Exec(ctx, upsertSnapshot, snap.Stream, snap.Version, snap.Schema, snap.Data); err != nil {
		return fmt.Errorf("save snapshot of %s: %w", snap.Stream, err)
	}
	return nil
}
