package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	visibleRate    = 300 // orders a second
	visibleClients = 64  // that share them; one that waits must not keep the next order from being sent in time
)

// visible is the workload that times read-your-writes: how long after its answer an order stands in the order list.
//
// Orders come at a fixed rate, whatever the engine does with them. Whoever placed one asks at once for it in the order
// list, with the position of the answer as min_position, as a user does who must see what he wrote. The time goes from the
// answer to the command to the answer to the query.
func visible(program string) Workload {
	return Workload{
		Name:      "visible",
		Measures:  fmt.Sprintf("time from the answer to an order until GET /v1/orders with its position shows it, at %d orders a second", visibleRate),
		Yardstick: "time from a commit until a listener that it notified has read the row, at the same rate; its median by ours",
		Contests: func(context.Context, *Env) ([]Contest, error) {
			return []Contest{{
				Unit: "orders/s",
				Open: func(ctx context.Context, e *Env) ([]Side, error) {
					ours, err := openVisible(ctx, e, program)
					if err != nil {
						return nil, err
					}
					theirs, err := openNotified(ctx, e)
					if err != nil {
						return nil, err
					}
					return []Side{ours, theirs}, nil
				},
				Compare: compareMedians, // the rate is the same on both sides
			}}, nil
		},
	}
}

// compareMedians is for sides that differ in how long something takes them.
func compareMedians(ours, theirs Measurement) (yardstick, ratio float64) {
	return quantile(theirs.Latency, 50), quantile(theirs.Latency, 50) / max(quantile(ours.Latency, 50), 0.001)
}

// paced does something at a fixed rate for a time. What is late is not left out: it begins as soon as a worker is free,
// and the share of those is returned.
func paced(ctx context.Context, rate, workers int, d time.Duration, do func(ctx context.Context, worker, n int) error) (done int, late float64, err error) {
	total := max(int(d.Seconds()*float64(rate)), 1)
	began := time.Now()
	turns := make(chan int)
	var mu sync.Mutex
	behind := 0
	err = each(ctx, workers+1, func(ctx context.Context, worker int) error {
		if worker == workers { // the clock
			defer close(turns)
			for n := range total {
				at := began.Add(time.Duration(n) * time.Second / time.Duration(rate))
				if wait := time.Until(at); wait > 0 {
					select {
					case <-time.After(wait):
					case <-ctx.Done():
						return nil
					}
				}
				select {
				case turns <- n:
				default: // all are busy
					mu.Lock()
					behind++
					mu.Unlock()
					select {
					case turns <- n:
					case <-ctx.Done():
						return nil
					}
				}
			}
			return nil
		}
		for n := range turns {
			if err := do(ctx, worker, n); err != nil {
				return err
			}
		}
		return nil
	})
	return total, float64(behind) / float64(total), err
}

// timeOf is the time that a paced side works: long enough for a thousandth to mean something.
func timeOf(size Size, r Round) time.Duration {
	if size == Full && r.Number > 0 {
		return 20 * time.Second
	}
	return r.For
}

func openVisible(ctx context.Context, e *Env, program string) (Side, error) {
	s, err := e.startEngine(ctx, program)
	if err != nil {
		return Side{}, err
	}
	c := newClient(s, visibleClients)
	e.OnClose(func(context.Context) error { c.close(); return nil })
	articles := e.Pick(1000, 1000, 50)
	if err := c.stockUp(ctx, newShop(1, articles), 16); err != nil {
		return Side{}, err
	}
	return Side{Name: "visible", Run: func(ctx context.Context, r Round) (Measurement, error) {
		m := Measurement{Latency: NewHistogram()}
		answer := NewHistogram()
		var mu sync.Mutex // guards both
		shops := make([]*shop, visibleClients)
		for i := range shops {
			shops[i] = newShop(uint64(i)+1, articles)
		}
		run := uuid.NewString()[:13]
		began := time.Now()
		done, late, err := paced(ctx, visibleRate, visibleClients, timeOf(e.Size, r), func(ctx context.Context, worker, n int) error {
			ref := run + "-" + strconv.Itoa(n)
			body, err := shops[worker].body(ref, lines)
			if err != nil {
				return err
			}
			sent := time.Now()
			position, err := c.place(ctx, body)
			if err != nil {
				return err
			}
			accepted := time.Now()
			if err := c.sees(ctx, ref, position); err != nil {
				return err
			}
			seen := time.Now()
			mu.Lock()
			defer mu.Unlock()
			Record(m.Latency, seen.Sub(accepted))
			Record(answer, accepted.Sub(sent))
			return nil
		})
		if err := errors.Join(err, s.alive()); err != nil {
			return Measurement{}, err
		}
		m.Count, m.Elapsed = int64(done), time.Since(began)
		m.Figures = map[string]float64{"answer_p50_ms": quantile(answer, 50), "answer_p99_ms": quantile(answer, 99), "sent_late": late}
		return m, nil
	}}, nil
}

// sees asks for an order in the order list, which must have it.
func (c *client) sees(ctx context.Context, ref string, position int64) error {
	path := "/v1/orders?source_ref=" + ref + "&min_position=" + strconv.FormatInt(position, 10)
	_, page, err := c.do(ctx, http.MethodGet, path, nil, http.StatusOK, "Prefer", "wait=10")
	if err != nil {
		return err
	}
	if !bytes.Contains(page, []byte(`"source_ref":"`+ref+`"`)) {
		return fmt.Errorf("the order list does not have order %s, which was accepted at %d, though it says that it has seen that: %s", ref, position, page)
	}
	return nil
}

// notified is what the listener of the yardstick knows.
type notified struct {
	mu   sync.Mutex
	seen map[int64]time.Time
	news chan struct{} // closed when there is more
}

// openNotified is the yardstick: whoever inserts a row notifies a listener in the same transaction, and that one reads the
// row.
func openNotified(ctx context.Context, e *Env) (Side, error) {
	conns, err := connections(ctx, e, 18)
	if err != nil {
		return Side{}, err
	}
	listener, reader, writers := conns[0], conns[1], conns[2:]
	for _, sql := range []string{`CREATE TABLE noticed (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data bytea NOT NULL)`, `LISTEN noticed`} {
		if _, err := listener.Exec(ctx, sql); err != nil {
			return Side{}, fmt.Errorf("prepare the yardstick: %w", err)
		}
	}
	return Side{Name: "commit, NOTIFY, read", Run: func(ctx context.Context, r Round) (Measurement, error) {
		l := &notified{seen: map[int64]time.Time{}, news: make(chan struct{})}
		listening, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- l.listen(listening, listener, reader) }()
		m, err := notify(ctx, timeOf(e.Size, r), writers, l)
		stop()
		return m, errors.Join(err, <-ended)
	}}, nil
}

const insertAndNotify = `
WITH added AS (INSERT INTO noticed (data) VALUES ($1) RETURNING id)
SELECT id, pg_notify('noticed', id::text) FROM added`

func notify(ctx context.Context, d time.Duration, writers []*pgx.Conn, l *notified) (Measurement, error) {
	data, _ := payload()
	m := Measurement{Latency: NewHistogram()}
	var mu sync.Mutex
	began := time.Now()
	done, _, err := paced(ctx, visibleRate, len(writers), d, func(ctx context.Context, worker, _ int) error {
		var id int64
		if err := writers[worker].QueryRow(ctx, insertAndNotify, data).Scan(&id, nil); err != nil {
			return fmt.Errorf("insert and notify: %w", err)
		}
		committed := time.Now()
		seen, err := l.await(ctx, id)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		Record(m.Latency, seen.Sub(committed))
		return nil
	})
	m.Count, m.Elapsed = int64(done), time.Since(began)
	return m, err
}

// listen reads every row that it hears of, until ctx ends.
func (l *notified) listen(ctx context.Context, listener, reader *pgx.Conn) error {
	for {
		n, err := awaitNotice(ctx, listener)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end
		}
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		id, err := strconv.ParseInt(n.Payload, 10, 64)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		var data []byte
		if err := reader.QueryRow(context.WithoutCancel(ctx), `SELECT data FROM noticed WHERE id = $1`, id).Scan(&data); err != nil {
			return fmt.Errorf("read row %d: %w", id, err)
		}
		l.mu.Lock()
		l.seen[id] = time.Now()
		close(l.news)
		l.news = make(chan struct{})
		l.mu.Unlock()
	}
}

// awaitNotice waits for one notification. The end of ctx leaves the connection whole.
func awaitNotice(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	for {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		n, err := conn.WaitForNotification(short)
		cancel()
		if err == nil || !pgconn.Timeout(err) {
			return n, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// await waits until the listener has read a row.
func (l *notified) await(ctx context.Context, id int64) (time.Time, error) {
	for {
		l.mu.Lock()
		at, ok := l.seen[id]
		delete(l.seen, id)
		news := l.news
		l.mu.Unlock()
		if ok {
			return at, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		case <-time.After(10 * time.Second):
			return time.Time{}, fmt.Errorf("row %d was committed, and nobody was notified of it", id)
		}
	}
}
