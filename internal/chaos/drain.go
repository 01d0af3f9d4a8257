package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
)

// behind asks for everything that is not where the log is.
const behind = `
WITH head AS (SELECT position FROM waybill.log_head)
SELECT format('read model %s at %s of %s', v.name, v.position, h.position)
FROM projections.versions v, head h WHERE v.state = 'live' AND v.position <> h.position
UNION ALL
SELECT format('process %s at %s of %s', c.process, c.position, h.position) FROM processes.checkpoints c, head h WHERE c.position <> h.position
UNION ALL
SELECT format('read model %s parked position %s: %s', name, position, error) FROM projections.parked
UNION ALL
SELECT format('process %s parked %s: %s', process, key, reason) FROM processes.parked
UNION ALL
SELECT format('%s orders are pending', count(*)) FROM readmodel.order_list WHERE lifecycle = 'pending' HAVING count(*) > 0
UNION ALL
SELECT format('%s read models were ever folded', count(*)) FROM projections.versions WHERE state = 'live' HAVING count(*) = 0
UNION ALL
SELECT 'no process was ever run' FROM processes.checkpoints HAVING count(*) = 0`

// Drain waits until the stream, every read model and every process are where the log is, nothing is parked, and neither an
// order nor a command in the intake waits. The error says what was missing at the end of the limit.
func (c *Cluster) Drain(ctx context.Context) error {
	return until(ctx, c.cfg.DrainLimit, func(ctx context.Context) error {
		for _, s := range c.Servers {
			if !s.Running() {
				return fmt.Errorf("%s does not run", s.Name)
			}
		}
		conn, err := c.Database.Connect(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		rows, err := conn.Query(ctx, behind)
		if err != nil {
			return err
		}
		missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			return errors.New(strings.Join(missing, "; "))
		}
		var head uint64
		if err := conn.QueryRow(ctx, `SELECT position FROM waybill.log_head`).Scan(&head); err != nil {
			return err
		}
		state, err := c.streamState(ctx, eventStream)
		if err != nil {
			return err
		}
		queue, err := c.streamState(ctx, commandStream)
		if err != nil {
			return err
		}
		if queue.Msgs > 0 {
			return fmt.Errorf("%d commands wait in the intake", queue.Msgs)
		}
		if state.LastSeq != head {
			return fmt.Errorf("the stream ends at %d, the log at %d", state.LastSeq, head)
		}
		return nil
	})
}

func (c *Cluster) streamState(ctx context.Context, name string) (jetstream.StreamState, error) {
	conn, err := c.Broker.Connect("admin")
	if err != nil {
		return jetstream.StreamState{}, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return jetstream.StreamState{}, err
	}
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return jetstream.StreamState{}, fmt.Errorf("look at stream %s: %w", name, err)
	}
	return stream.CachedInfo().State, nil
}

// MendStream does what docs/operations.md asks a person to do when a file of JetStream was damaged, and only that: if
// `waybill doctor` names it. It reports whether it had to.
func (c *Cluster) MendStream(ctx context.Context) (bool, error) {
	all, err := c.findings(ctx)
	if err != nil {
		return false, err
	}
	for _, f := range all {
		if f.State != "ok" && f.Area == "stream" && f.Next == "waybill doctor --rebuild-stream" {
			_, err := c.must(ctx, "doctor", "--rebuild-stream", "--yes")
			return true, err
		}
	}
	return false, nil
}
