package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

const (
	eventsOfBatch = 100
	rowsOfBulk    = 1000
)

// insertMany adds rows in one statement. Arrays beat a long list of values by far: there is nothing to parse and plan.
const insertMany = `
INSERT INTO bare (stream, version, event_id, command_id, schema, commit_size, type, data, meta)
SELECT stream, version, event_id, nullif(command_id, '00000000-0000-0000-0000-000000000000'), 1, CASE WHEN version = 1 THEN cardinality($1::text[]) END, type, data, meta
FROM unnest($1::text[], $2::int8[], $3::uuid[], $4::uuid[], $5::text[], $6::bytea[], $7::bytea[]) AS e (stream, version, event_id, command_id, type, data, meta)`

const copyRows = `COPY bare (stream, version, event_id, command_id, schema, commit_size, type, data, meta) FROM STDIN BINARY`

func batch() Workload {
	return Workload{
		Name: "batch", Measures: "appends 100 events of 300 bytes to a new stream in one commit",
		Yardstick: "100 rows in one INSERT, a transaction each, into a bare table with the same columns and unique keys; besides, 1,000 rows in one INSERT, and COPY of 1,000 rows",
		Clients:   []int{1, 16}, Quick: []int{1},
		Contests: func(ctx context.Context, e *Env) ([]Contest, error) {
			log, err := e.Log(ctx)
			if err != nil {
				return nil, err
			}
			if err := makeBare(ctx, e); err != nil {
				return nil, err
			}
			var contests []Contest
			for _, clients := range e.Clients {
				contests = append(contests, Contest{Clients: clients, Unit: "events/s", Open: func(ctx context.Context, e *Env) ([]Side, error) {
					bulk, err := bulkWriters(ctx, e, clients)
					if err != nil {
						return nil, err
					}
					ours := Side{Name: "batch", Run: func(ctx context.Context, r Round) (Measurement, error) {
						c, err := newCensus(ctx, log)
						if err != nil {
							return Measurement{}, err
						}
						m, err := EachClient(ctx, clients, r.For, func(ctx context.Context, _ int) error {
							receipt, err := log.Append(ctx, commit(newStream(), 0, eventsOfBatch))
							c.add(receipt)
							return err
						})
						if err != nil {
							return Measurement{}, err
						}
						if err := c.check(ctx, m.Count, eventsOfBatch); err != nil {
							return Measurement{}, err
						}
						m.Count *= eventsOfBatch
						return m, nil
					}}
					return []Side{
						ours,
						bulkSide(fmt.Sprintf("INSERT of %d rows", eventsOfBatch), bulk, eventsOfBatch, (*bulkWriter).insert),
						bulkSide(fmt.Sprintf("INSERT of %d rows", rowsOfBulk), bulk, rowsOfBulk, (*bulkWriter).insert),
						bulkSide(fmt.Sprintf("COPY of %d rows", rowsOfBulk), bulk, rowsOfBulk, (*bulkWriter).copy),
					}, nil
				}})
			}
			return contests, nil
		},
	}
}

func bulkSide(name string, writers []*bulkWriter, rows int, write func(w *bulkWriter, ctx context.Context, rows int) error) Side {
	return Side{Name: name, Run: func(ctx context.Context, r Round) (Measurement, error) {
		before, err := bareEnd(ctx, writers[0].conn)
		if err != nil {
			return Measurement{}, err
		}
		m, err := EachClient(ctx, len(writers), r.For, func(ctx context.Context, client int) error {
			return write(writers[client], context.WithoutCancel(ctx), rows) // as in bareWriter.insert
		})
		if err != nil {
			return Measurement{}, err
		}
		m.Count *= int64(rows)
		return m, checkBare(ctx, writers[0].conn, before, m.Count)
	}}
}

// bulkWriter writes many rows at once, over a connection of its own.
type bulkWriter struct {
	conn   *pgconn.PgConn
	binary []int16
	buffer []byte
}

func bulkWriters(ctx context.Context, e *Env, n int) ([]*bulkWriter, error) {
	conns, err := connections(ctx, e, n)
	if err != nil {
		return nil, err
	}
	writers := make([]*bulkWriter, 0, n)
	for _, conn := range conns {
		w := &bulkWriter{conn: conn.PgConn(), binary: []int16{1}}
		if _, err := w.conn.Prepare(ctx, "many", insertMany, nil); err != nil {
			return nil, fmt.Errorf("prepare the yardstick: %w", err)
		}
		writers = append(writers, w)
	}
	return writers, nil
}

func (w *bulkWriter) insert(ctx context.Context, rows int) error {
	stream := newStream()
	data, meta := payload()
	array := func(oid uint32, value func(b []byte, row int) []byte) []byte {
		b := make([]byte, 0, 20+rows*20)
		for _, n := range []uint32{1, 0, oid, uint32(rows), 1} { // dimensions, no NULL, type, length, first index
			b = binary.BigEndian.AppendUint32(b, n)
		}
		for row := range rows {
			at := len(b)
			b = value(binary.BigEndian.AppendUint32(b, 0), row)
			binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
		}
		return b
	}
	_, err := w.conn.ExecPrepared(ctx, "many", [][]byte{
		array(pgtype.TextOID, func(b []byte, _ int) []byte { return append(b, stream...) }),
		array(pgtype.Int8OID, func(b []byte, row int) []byte { return binary.BigEndian.AppendUint64(b, uint64(row+1)) }),
		array(pgtype.UUIDOID, func(b []byte, _ int) []byte { id := newID(); return append(b, id[:]...) }),
		array(pgtype.UUIDOID, func(b []byte, row int) []byte { id := commandOf(row); return append(b, id[:]...) }),
		array(pgtype.TextOID, func(b []byte, _ int) []byte { return append(b, happened...) }),
		array(pgtype.ByteaOID, func(b []byte, _ int) []byte { return append(b, data...) }),
		array(pgtype.ByteaOID, func(b []byte, _ int) []byte { return append(b, meta...) }),
	}, w.binary, nil).Close()
	return err
}

// commandOf is a command's id on the first row alone.
func commandOf(row int) (id [16]byte) {
	if row == 0 {
		id = newID()
	}
	return id
}

func (w *bulkWriter) copy(ctx context.Context, rows int) error {
	stream := newStream()
	data, meta := payload()
	b := append(w.buffer[:0], "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	for row := range rows {
		event, command := newID(), commandOf(row)
		b = binary.BigEndian.AppendUint16(b, 9)
		b = field(b, []byte(stream))
		b = field(b, int8bytes(int64(row+1)))
		b = field(b, event[:])
		if row == 0 {
			b = field(field(field(b, command[:]), int2bytes(1)), int2bytes(uint16(rows)))
		} else {
			b = field(field(field(b, nil), int2bytes(1)), nil)
		}
		b = field(field(field(b, []byte(happened)), data), meta)
	}
	b = binary.BigEndian.AppendUint16(b, 0xffff)
	w.buffer = b
	_, err := w.conn.CopyFrom(ctx, bytes.NewReader(b), copyRows)
	return err
}

// field is a value as COPY has it in binary; nil is NULL.
func field(b, value []byte) []byte {
	if value == nil {
		return binary.BigEndian.AppendUint32(b, 0xffffffff)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
}
