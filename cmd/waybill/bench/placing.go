package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lines is how many lines an order of the benchmarks has.
const lines = 3

// client sends requests to an engine over connections that are kept alive.
type client struct {
	http *http.Client
	base string
	key  string
}

func newClient(s *process, connections int) *client {
	transport := &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true}
	return &client{http: &http.Client{Transport: transport}, base: s.base, key: s.key}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// do sends one request and returns the body of the answer, which must have the status.
func (c *client) do(ctx context.Context, method, path string, body []byte, status int, headers ...string) (http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	b, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if answer.StatusCode != status {
		return nil, nil, fmt.Errorf("%s %s: answered %d, want %d: %s", method, path, answer.StatusCode, status, b)
	}
	return answer.Header, b, nil
}

// place sends an order under a key of its own, and returns the position that it was accepted at.
func (c *client) place(ctx context.Context, body []byte) (int64, error) {
	header, _, err := c.do(ctx, http.MethodPost, "/v1/orders", body, http.StatusCreated, "Idempotency-Key", newID().String())
	if err != nil {
		return 0, err
	}
	position, err := strconv.ParseInt(header.Get("Consistency-Token"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("place an order: the answer has no position: %w", err)
	}
	return position, nil
}

// stockUp receives so much of every article of a shop that no order is ever short of anything.
func (c *client) stockUp(ctx context.Context, s *shop, clients int) error {
	work := make(chan article, len(s.catalogue))
	for _, a := range s.catalogue {
		work <- a
	}
	close(work)
	return each(ctx, clients, func(ctx context.Context, _ int) error {
		for a := range work {
			path := "/v1/stock/" + a.sku + "/" + location + "/receive"
			if _, _, err := c.do(ctx, http.MethodPost, path, []byte(`{"quantity":1000000000}`), http.StatusOK, "Idempotency-Key", uuid.NewString()); err != nil {
				return err
			}
		}
		return nil
	})
}

// each runs n workers until all have ended, or one has failed, which ends the others.
func each(ctx context.Context, n int, work func(ctx context.Context, worker int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := work(ctx, i); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// window bounds how many orders are on their way, from their sending until they are seen confirmed.
type window struct {
	mu          sync.Mutex
	limit, used int
	room        chan struct{} // closed when there is room again
}

func newWindow(limit int) *window { return &window{limit: limit, room: make(chan struct{})} }

// enter waits for room; false if ctx ended before.
func (w *window) enter(ctx context.Context) bool {
	for {
		w.mu.Lock()
		if w.used < w.limit {
			w.used++
			w.mu.Unlock()
			return ctx.Err() == nil
		}
		room := w.room
		w.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return false
		}
	}
}

func (w *window) leave(n int) {
	if n == 0 {
		return
	}
	w.mu.Lock()
	w.used -= n
	w.wake()
	w.mu.Unlock()
}

// scale multiplies the limit, within bounds.
func (w *window) scale(by float64, least, most int) {
	w.mu.Lock()
	w.limit = min(max(int(float64(w.limit)*by+0.5), least), most)
	w.wake()
	w.mu.Unlock()
}

func (w *window) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limit
}

func (w *window) wake() {
	close(w.room)
	w.room = make(chan struct{})
}

// sighting is an order on its way.
type sighting struct{ sent, accepted time.Time }

// onTheWay are the orders that were sent and not yet seen confirmed.
type onTheWay struct {
	mu     sync.Mutex
	orders map[string]*sighting
}

func (o *onTheWay) send(ref string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.orders[ref] = &sighting{sent: at}
}

func (o *onTheWay) accept(ref string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := o.orders[ref]; s != nil {
		s.accepted = at
	}
}

// seen takes an order out; false if it is not one of these, or was seen before.
func (o *onTheWay) seen(ref string) (*sighting, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, ok := o.orders[ref]
	delete(o.orders, ref)
	return s, ok
}

// oldest is how long the order has been on its way that was accepted first, and how many there are in all.
func (o *onTheWay) oldest(now time.Time) (age time.Duration, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.orders {
		if !s.accepted.IsZero() {
			age = max(age, now.Sub(s.accepted))
		}
	}
	return age, len(o.orders)
}

const (
	lookEvery  = 25 * time.Millisecond  // how often the order list is looked at
	steerEvery = 100 * time.Millisecond // how often the window is set
	// aimedLag is how far behind the slowest consumer may be: the window is set so that it is about there. More orders on
	// their way would mean more lag and hardly more orders a second, fewer would leave the engine idle in between.
	aimedLag = 300 * time.Millisecond
	// mostLag is how far behind it may be at the end for the figure to count.
	mostLag    = time.Second
	drainLimit = 60 * time.Second
)

// placing places orders and watches them become confirmed in the order list, with as many on their way as the engine
// carries without falling behind.
type placing struct {
	server   *process
	client   *client
	reads    *pgxpool.Pool // reads the order list and the checkpoints
	clients  int
	articles int    // in the catalogue
	run      string // tells the orders of this run from others

	window *window
	way    onTheWay
	mark   time.Time // updated_at of the newest row seen

	mu       sync.Mutex
	from, to time.Time // the measured stretch
	sum      placed
}

// placed is what a stretch of placing came to.
type placed struct {
	accepted, confirmed int                     // in the stretch; confirmed and visible in the order list
	total               int                     // accepted in all
	answer              *hdrhistogram.Histogram // from sending to the answer, µs
	visible             *hdrhistogram.Histogram // from the answer until it is confirmed and visible, µs
	lag                 time.Duration           // of the slowest consumer at the end of the stretch
	worstLag            time.Duration           // of the slowest consumer at any time of the stretch
	window              int                     // orders on their way at the end of the stretch
	engine, clients     time.Duration           // CPU time of the process of the engine, and of this one, which has the clients and NATS
}

// measure places orders for warm and then for stretch, counts in the latter, and waits until all are confirmed.
func (p *placing) measure(ctx context.Context, warm, stretch time.Duration) (placed, error) {
	start := time.Now()
	p.from, p.to = start.Add(warm), start.Add(warm+stretch)
	p.sum = placed{answer: NewHistogram(), visible: NewHistogram()}
	p.way.orders = map[string]*sighting{}
	if err := p.reads.QueryRow(ctx, `SELECT coalesce(max(updated_at), 'epoch') FROM readmodel.order_list`).Scan(&p.mark); err != nil {
		return placed{}, fmt.Errorf("look at the order list: %w", err)
	}
	sending, stopSending := context.WithDeadline(ctx, p.to)
	defer stopSending()
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	var wg sync.WaitGroup
	var watchErr error
	wg.Go(func() {
		defer stopSending() // nobody makes room any more
		watchErr = p.watch(watching)
	})
	var meterErr error
	wg.Go(func() { meterErr = p.meter(sending) })
	sendErr := each(ctx, p.clients, func(ctx context.Context, n int) error { return p.send(ctx, sending, n) })
	drainErr := p.drain(ctx, watching)
	stopWatching()
	wg.Wait()
	if err := errors.Join(sendErr, watchErr, drainErr, meterErr); err != nil {
		return placed{}, err
	}
	return p.sum, nil
}

// send is one client: it places one order after the other until sending ends. An order that was begun is finished.
func (p *placing) send(ctx, sending context.Context, n int) error {
	shop := newShop(uint64(n)+1, p.articles)
	for i := 0; ; i++ {
		ref := p.run + "-" + strconv.Itoa(n) + "-" + strconv.Itoa(i)
		body, err := shop.body(ref, lines)
		if err != nil {
			return err
		}
		if !p.window.enter(sending) {
			return nil
		}
		sent := time.Now()
		p.way.send(ref, sent)
		if _, err := p.client.place(ctx, body); err != nil {
			return err
		}
		now := time.Now()
		p.way.accept(ref, now)
		p.mu.Lock()
		p.sum.total++
		if p.counts(now) {
			p.sum.accepted++
			Record(p.sum.answer, now.Sub(sent))
		}
		p.mu.Unlock()
	}
}

func (p *placing) counts(at time.Time) bool { return !at.Before(p.from) && at.Before(p.to) }

// drain waits until every order was seen.
func (p *placing) drain(ctx, watching context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	for {
		_, n := p.way.oldest(time.Now())
		if n == 0 || watching.Err() != nil {
			return nil
		}
		select {
		case <-time.After(lookEvery):
		case <-watching.Done():
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for the orders that were accepted: %d are not confirmed in the order list after %s", n, drainLimit)
		}
	}
}

// meter counts the CPU time of the stretch.
func (p *placing) meter(ctx context.Context) error {
	used := func() (engine, clients usage, err error) {
		engine, err = p.server.usage()
		clients, ownErr := usageOf(os.Getpid())
		return engine, clients, errors.Join(err, ownErr)
	}
	select {
	case <-time.After(time.Until(p.from)):
	case <-ctx.Done():
		return nil
	}
	engine, clients, err := used()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a system without /proc: there is no such figure
	}
	if err != nil {
		return err
	}
	<-ctx.Done() // the end of the stretch
	engineNow, clientsNow, err := used()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sum.engine, p.sum.clients = engineNow.cpu-engine.cpu, clientsNow.cpu-clients.cpu
	return nil
}

// watch looks at the order list and sets the window until ctx ends.
func (p *placing) watch(ctx context.Context) error {
	look, steer := time.NewTicker(lookEvery), time.NewTicker(steerEvery)
	defer look.Stop()
	defer steer.Stop()
	for {
		var err error
		select {
		case <-look.C:
			err = p.look(ctx)
		case <-steer.C:
			err = p.steer(ctx)
		case <-ctx.Done():
			return nil
		}
		if ctx.Err() != nil {
			return nil // it was told to end
		}
		if err != nil {
			return err
		}
	}
}

// The read model goes on in the order of the log, and so of the times of recording: what is not seen yet is never older
// than what was. Rows of the same time may come in two batches, so that time is read again.
const selectConfirmed = `
SELECT source_ref, updated_at FROM readmodel.order_list
WHERE updated_at >= $1 AND lifecycle = 'confirmed'
ORDER BY updated_at, seq LIMIT 5000`

// look takes note of the orders that have been confirmed.
func (p *placing) look(ctx context.Context) error {
	rows, err := p.reads.Query(ctx, selectConfirmed, p.mark)
	if err != nil {
		return fmt.Errorf("look at the order list: %w", err)
	}
	now := time.Now()
	var ref string
	var updated time.Time
	var times []time.Duration
	n, counted := 0, 0
	_, err = pgx.ForEachRow(rows, []any{&ref, &updated}, func() error {
		p.mark = updated
		s, ok := p.way.seen(ref)
		if !ok {
			return nil
		}
		n++
		if p.counts(now) {
			counted++
		}
		if !s.accepted.IsZero() {
			times = append(times, now.Sub(s.accepted))
		} else {
			times = append(times, 0) // it was seen before its client had the answer
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look at the order list: %w", err)
	}
	p.window.leave(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sum.confirmed += counted
	if counted > 0 {
		for _, t := range times {
			Record(p.sum.visible, t)
		}
	}
	return nil
}

// selectLag is how old the newest event is that the slowest read model shows.
const selectLag = `
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - v.recorded_at)) FILTER (WHERE v.position < h.position), 0)::float8
FROM projections.versions v, waybill.log_head h WHERE v.state = 'live'`

// steer sets the window by what is slowest: a read model, or an order on its way.
func (p *placing) steer(ctx context.Context) error {
	now := time.Now()
	var seconds float64
	if err := p.reads.QueryRow(ctx, selectLag).Scan(&seconds); err != nil {
		return fmt.Errorf("ask how far behind the read models are: %w", err)
	}
	age, _ := p.way.oldest(now)
	lag := max(time.Duration(seconds*float64(time.Second)), age)
	if now.Before(p.to) {
		p.window.scale(min(max(float64(aimedLag)/float64(max(lag, time.Millisecond)), 0.8), 1.1), p.clients, 64*p.clients)
	}
	if p.counts(now) {
		p.mu.Lock()
		p.sum.lag, p.sum.window = lag, p.window.size()
		p.sum.worstLag = max(p.sum.worstLag, lag)
		p.mu.Unlock()
	}
	return nil
}
