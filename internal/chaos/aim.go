package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What is here serves tests that aim at one moment: they have to see that it came, and cannot wait for what runs out by
// itself.

// Said counts the lines that hold a text in what the process has written since its log began.
func (s *Server) Said(text string) (int, error) {
	log, err := os.ReadFile(s.Log)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	return strings.Count(string(log), text), err
}

// Until asks again and again until condition returns nil, for as long as limit.
func Until(ctx context.Context, limit time.Duration, condition func(context.Context) error) error {
	return until(ctx, limit, condition)
}

// Patience changes how long [Cluster.Drain] waits: where something is known to be wrong, and has to be seen soon.
func (c *Cluster) Patience(limit time.Duration) { c.cfg.DrainLimit = limit }

// RunWith is [Cluster.Run] with more environment.
func (c *Cluster) RunWith(ctx context.Context, env []string, args ...string) (stdout, stderr []byte, code int, err error) {
	return runProgram(ctx, c.Program, args, append(env, c.env...), c.Dir)
}

// Configure changes a setting of Postgres, as in "wal_writer_delay = '10s'".
func (d *Database) Configure(ctx context.Context, setting string) error {
	conn, err := d.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "ALTER SYSTEM SET "+setting); err != nil {
		return fmt.Errorf("set %s: %w", setting, err)
	}
	_, err = conn.Exec(ctx, "SELECT pg_reload_conf()")
	return err
}

// EndLeases ends the leases of processes that are no more. They run out by themselves within ten seconds; whoever looks at
// a hundred cases has no time for that, and the nemesis waits for it often enough.
func (c *Cluster) EndLeases(ctx context.Context) error {
	alive := []string{}
	for _, s := range c.Servers {
		if p := s.now(); p != nil && p.running() {
			alive = append(alive, strconv.Itoa(p.pid())) // a holder is named host/pid/…
		}
	}
	conn, err := c.Database.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, `UPDATE waybill.leases SET expires_at = clock_timestamp() WHERE split_part(holder, '/', 2) <> ALL ($1)`, alive)
	return err
}

// Merge adds the operations of another history of the same cluster, in the time of this one.
func (h *History) Merge(other *History) {
	shift := other.began.Sub(h.began)
	for _, o := range other.Operations() {
		for i := range o.Attempts {
			o.Attempts[i].Start += shift
			o.Attempts[i].End += shift
		}
		h.Add(o)
	}
}

// Queue puts n orders into the durable intake, from number from on. They have no reference of their own, so that nothing
// but their key tells a repeated one from a new one. It waits until each has an outcome, for as long as limit, and adds them
// to the history with the answer that their key gets over HTTP.
func (l *Load) Queue(ctx context.Context, from, n int, limit time.Duration) error {
	operations, err := l.enqueue(ctx, from, n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, o := range operations {
		err := until(ctx, limit, func(ctx context.Context) error { return l.known(ctx, o) })
		for err == nil && !l.attempt(ctx, o, l.cluster.Servers[0], l.cfg.Timeout) {
			wait(ctx, 20*time.Millisecond)
			err = ctx.Err()
		}
		l.history.Add(o) // without an outcome it is unknown, and the checker says so
	}
	return nil
}

// enqueue publishes orders, each until the queue has it.
func (l *Load) enqueue(ctx context.Context, from, n int) ([]*Operation, error) {
	conn, err := l.cluster.Broker.Connect("storefront")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	operations := make([]*Operation, n)
	for i := range operations {
		number := from + i
		body := order("", 0, line{coldSKU(number % cold), 1})
		o := l.command(0, 1_000_000+number, "place-queued", nil, strings.Replace(body, `"source_ref":"",`, "", 1))
		m := &nats.Msg{Subject: "waybill.in.order.place", Data: []byte(o.Request), Header: nats.Header{}}
		m.Header.Set("Authorization", "Bearer "+l.cluster.Key)
		m.Header.Set("Idempotency-Key", o.Key)
		m.Header.Set(nats.MsgIdHdr, o.Key)
		sent := Attempt{Server: "queue", Start: l.history.now()}
		if err := until(ctx, startLimit, func(ctx context.Context) error {
			_, err := js.PublishMsg(ctx, m)
			return err
		}); err != nil {
			return nil, fmt.Errorf("put an order into the queue: %w", err)
		}
		sent.End = l.history.now()
		o.Attempts = append(o.Attempts, sent)
		operations[i] = o
	}
	return operations, nil
}

// known wants the engine to know what became of a command, without sending it.
func (l *Load) known(ctx context.Context, o *Operation) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.cluster.Servers[0].Base+"/v1/commands/"+o.Key, nil)
	if err != nil {
		return err
	}
	r, err := l.sender.do(req)
	if err == nil && r.status != http.StatusOK {
		err = fmt.Errorf("outcome of %s: %d %s", o.Key, r.status, r.body)
	}
	return err
}

// Aim sends one command of its own, until its outcome is known: a receipt or an adjustment by a number of units, or an
// order ("place") of so many.
func (l *Load) Aim(ctx context.Context, number int, kind, sku string, units int) *Operation {
	r := rand.New(rand.NewPCG(l.cfg.Seed, uint64(number))) //nolint:gosec // it has to be repeatable
	var o *Operation
	switch kind {
	case "place":
		o = l.command(0, 2_000_000+number, kind, nil, order(fmt.Sprintf("aim%d-%d", l.cfg.Seed, number), 0, line{sku, units}))
	case "receive":
		o = l.command(0, 2_000_000+number, kind, stockTarget(sku), fmt.Sprintf(`{"quantity":%d}`, units))
	default:
		o = l.command(0, 2_000_000+number, kind, stockTarget(sku), fmt.Sprintf(`{"delta":%d}`, units))
	}
	l.carryOut(ctx, o, r)
	return o
}

// EndLease ends a lease whose holder lives, as if it had not been heard of for too long.
func (c *Cluster) EndLease(ctx context.Context, name string) error {
	conn, err := c.Database.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, `UPDATE waybill.leases SET expires_at = clock_timestamp() WHERE name = $1`, name)
	return err
}

// Head is the last position of the log.
func (c *Cluster) Head(ctx context.Context) (position int64, err error) {
	conn, err := c.Database.Connect(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = conn.QueryRow(ctx, `SELECT position FROM waybill.log_head`).Scan(&position)
	return position, err
}

// Streamed waits until the event stream has the event at a position.
func (c *Cluster) Streamed(ctx context.Context, position int64) error {
	return until(ctx, startLimit, func(ctx context.Context) error {
		state, err := c.streamState(ctx, eventStream)
		if err == nil && state.LastSeq < uint64(position) { //nolint:gosec // a position
			err = fmt.Errorf("the stream ends at %d, want %d", state.LastSeq, position)
		}
		return err
	})
}

// Forge publishes a message that is no event of the log into the event stream, as somebody might who got hold of the
// relay's password.
func (b *Broker) Forge(ctx context.Context) error {
	conn, err := b.Connect("relay")
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	_, err = js.Publish(ctx, "waybill.evt.order.placed.7", []byte("forged"))
	return err
}

// MakeStream makes the event stream, empty, with a first sequence, as an operator might who has lost it and does not
// want the old events in it.
func (b *Broker) MakeStream(ctx context.Context, first int64) error {
	conn, err := b.Connect("admin")
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: eventStream, Subjects: []string{"waybill.evt.>"}, Storage: jetstream.FileStorage, FirstSeq: uint64(first), //nolint:gosec // a position
	})
	return err
}
