package bench

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"waybill/commands"
	"waybill/domain/order"
)

const eventsOfLoad = 100

const selectStream = `
SELECT position, version, recorded_at, event_id, command_id, schema, stream, type, data, meta
FROM waybill.events
WHERE stream = $1
ORDER BY version`

func load() Workload {
	return Workload{
		Name: "load", Measures: "reads and folds an order of 100 events, by a command that changes nothing, on a bus without a cache and without snapshots",
		Yardstick: "SELECT of the same rows, prepared, a connection a client, folded by nobody",
		Clients:   []int{1, 16, 64}, Quick: []int{1, 64},
		Contests: loadContests,
	}
}

func loadContests(ctx context.Context, e *Env) ([]Contest, error) {
	log, err := e.Log(ctx)
	if err != nil {
		return nil, err
	}
	h, err := newHistory(ctx, e, log)
	if err != nil {
		return nil, err
	}
	ids := make([]order.ID, e.Pick(2000, 500, 5))
	for i := range ids {
		if ids[i], err = h.longOrder(ctx, eventsOfLoad); err != nil {
			return nil, fmt.Errorf("make the streams: %w", err)
		}
	}
	bus, err := commands.New(commands.Config{Log: log, CacheEntries: 1})
	if err != nil {
		return nil, err
	}
	var contests []Contest
	for _, clients := range e.Clients {
		contests = append(contests, Contest{Clients: clients, Unit: "streams/s", Open: func(ctx context.Context, e *Env) ([]Side, error) {
			conns, err := connections(ctx, e, clients)
			if err != nil {
				return nil, err
			}
			raw := make([]*pgconn.PgConn, clients)
			for i, conn := range conns {
				raw[i] = conn.PgConn()
				if _, err := raw[i].Prepare(ctx, "stream", selectStream, nil); err != nil {
					return nil, fmt.Errorf("prepare the yardstick: %w", err)
				}
			}
			return []Side{
				eachStream("load", ids, clients, func(ctx context.Context, _ int, id order.ID) error { return loadOrder(ctx, bus, id) }),
				eachStream("SELECT", ids, clients, func(ctx context.Context, client int, id order.ID) error {
					return readRows(context.WithoutCancel(ctx), raw[client], order.Stream(id)) // as in bareWriter.insert
				}),
			}, nil
		}})
	}
	return contests, nil
}

// eachStream lets clients go round the streams, each from another one on.
func eachStream(name string, ids []order.ID, clients int, do func(ctx context.Context, client int, id order.ID) error) Side {
	return Side{Name: name, Run: func(ctx context.Context, r Round) (Measurement, error) {
		next := make([]int, clients)
		for client := range next {
			next[client] = client * len(ids) / clients
		}
		return EachClient(ctx, clients, r.For, func(ctx context.Context, client int) error {
			id := ids[next[client]%len(ids)]
			next[client]++
			return do(ctx, client, id)
		})
	}}
}

// loadOrder has an order loaded, by a tag that it has already, and wants all its events to be in what was decided on.
func loadOrder(ctx context.Context, bus *commands.Bus, id order.ID) error {
	c := commands.OnOrder(newID(), order.Tag{ID: id, Tags: []string{loadTag}, Now: clock()})
	c.DryRun = true
	result, err := bus.Execute(ctx, c)
	if err != nil {
		return err
	}
	if len(result.Events) != 0 || len(result.Streams) != 1 || result.Streams[0].Version != eventsOfLoad {
		return fmt.Errorf("order %s was not loaded whole: %d events caused, streams %v", id, len(result.Events), result.Streams)
	}
	return nil
}

// readRows reads the rows of a stream and looks at every byte count of them.
func readRows(ctx context.Context, conn *pgconn.PgConn, stream string) error {
	rows := conn.ExecPrepared(ctx, "stream", [][]byte{[]byte(stream)}, nil, []int16{1})
	n, size := 0, 0
	for rows.NextRow() {
		n++
		for _, v := range rows.Values() {
			size += len(v)
		}
	}
	if _, err := rows.Close(); err != nil {
		return err
	}
	if n != eventsOfLoad || size == 0 {
		return fmt.Errorf("stream %s has %d rows of %d bytes, not %d rows", stream, n, size, eventsOfLoad)
	}
	return nil
}
