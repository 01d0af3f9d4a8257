package chaos

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LoadConfig says how much goes on. The zero value of each field is its default.
type LoadConfig struct {
	// Clients that send one command after the other; default 8.
	Clients int
	// Seed of what they send. Two loads of one cluster need two seeds: keys are made from it.
	Seed uint64
	// Think is how long a client pauses between two commands, on average; default 15 ms.
	Think time.Duration
	// Timeout is how long a client waits for an answer before it sends the command again; default 4 s. Now and then a
	// client is far less patient.
	Timeout time.Duration
}

// Load are clients that send commands over HTTP, each under a key of its own, and send a command again under the same
// key, to any of the servers, until they know what became of it.
type Load struct {
	cluster *Cluster
	cfg     LoadConfig
	history *History
	http    *http.Client

	stop    context.CancelFunc // no new commands
	abandon context.CancelFunc // nor old ones
	wg      sync.WaitGroup

	mu     sync.Mutex
	orders []placed // some that were acknowledged, for later commands
}

// placed is an order that was acknowledged.
type placed struct {
	id    string
	lines int
}

// StartLoad fills the stock and starts the clients. They go on until [Load.Stop].
func StartLoad(ctx context.Context, c *Cluster, cfg LoadConfig) (*Load, error) {
	cfg.Clients = cmp.Or(cfg.Clients, 8)
	cfg.Think = cmp.Or(cfg.Think, 15*time.Millisecond)
	cfg.Timeout = cmp.Or(cfg.Timeout, 4*time.Second)
	transport := &http.Transport{MaxIdleConnsPerHost: cfg.Clients, IdleConnTimeout: time.Second}
	l := &Load{cluster: c, cfg: cfg, history: NewHistory(), http: &http.Client{Transport: transport}}
	all, abandon := context.WithCancel(ctx)
	fresh, stop := context.WithCancel(all)
	l.abandon, l.stop = abandon, stop
	if err := l.fill(all); err != nil {
		l.abandon()
		return nil, err
	}
	for n := range cfg.Clients {
		l.wg.Go(func() { l.client(all, fresh, n+1) })
	}
	return l, nil
}

// History is what the clients did so far.
func (l *Load) History() *History { return l.history }

// Stop ends the load: no new commands, and those that are open are sent again until they have an outcome or ctx ends.
func (l *Load) Stop(ctx context.Context) *History {
	l.stop()
	defer context.AfterFunc(ctx, l.abandon)()
	l.wg.Wait()
	l.abandon()
	l.http.CloseIdleConnections()
	return l.history
}

// More waits until n more commands were acknowledged, and fails if ctx ends before.
func (l *Load) More(ctx context.Context, n int) error {
	want := l.history.Count(Accepted) + n
	return until(ctx, startLimit, func(context.Context) error {
		if got := l.history.Count(Accepted); got < want {
			return fmt.Errorf("%d commands acknowledged, want %d", got, want)
		}
		return nil
	})
}

const (
	location   = "MAIN"
	hot        = 3  // SKUs that everybody wants, and of which there is not enough
	cold       = 40 // SKUs of which there is plenty
	hotUnits   = 300
	coldUnits  = 1_000_000
	mostOrders = 200 // that clients remember
)

func hotSKU(n int) string  { return fmt.Sprintf("HOT-%d", n) }
func coldSKU(n int) string { return fmt.Sprintf("COLD-%d", n) }

// fill receives stock of every SKU.
func (l *Load) fill(ctx context.Context) error {
	r := rand.New(rand.NewPCG(l.cfg.Seed, 0)) //nolint:gosec // it has to be repeatable
	number := 0
	receive := func(sku string, units int) {
		o := l.command(0, number, "receive", fmt.Sprintf("/v1/stock/%s/%s/receive", sku, location), fmt.Sprintf(`{"quantity":%d}`, units))
		l.carryOut(ctx, o, r)
		number++
	}
	for n := range hot {
		receive(hotSKU(n), hotUnits)
	}
	for n := range cold {
		receive(coldSKU(n), coldUnits)
	}
	if got := l.history.Count(Accepted); got != hot+cold {
		return fmt.Errorf("fill the stock: %s", l.history.Summary())
	}
	return nil
}

// client sends commands until fresh ends. The last one may take until ctx ends.
func (l *Load) client(ctx, fresh context.Context, number int) {
	r := rand.New(rand.NewPCG(l.cfg.Seed, uint64(number))) //nolint:gosec // it has to be repeatable
	for n := 0; fresh.Err() == nil; n++ {
		o := l.next(number, n, r)
		l.carryOut(ctx, o, r)
		if o.Kind == "place" && o.Outcome == Accepted {
			l.remember(o, r)
		}
		wait(fresh, time.Duration(r.Int64N(int64(2*l.cfg.Think))))
	}
}

func (l *Load) command(client, n int, kind, path, body string) *Operation {
	return &Operation{Client: client, Kind: kind, Key: fmt.Sprintf("s%d-c%d-%d", l.cfg.Seed, client, n), Path: path, Request: body, Outcome: Unknown}
}

// next makes up a command.
func (l *Load) next(client, n int, r *rand.Rand) *Operation {
	dice := r.IntN(100)
	some, known := l.some(r)
	switch {
	case known && dice < 8:
		return l.command(client, n, "cancel", "/v1/orders/"+some.id+"/cancel", `{"reason":"customer"}`)
	case known && dice < 14:
		return l.command(client, n, "cancel-unit", "/v1/orders/"+some.id+"/cancel", fmt.Sprintf(`{"lines":[{"line_id":"%d","quantity":1}]}`, 1+r.IntN(some.lines)))
	case known && dice < 24:
		return l.command(client, n, "note", "/v1/orders/"+some.id+"/note", fmt.Sprintf(`{"text":"note %d of client %d"}`, n, client))
	case dice < 30:
		return l.command(client, n, "receive", "/v1/stock/"+hotSKU(r.IntN(hot))+"/"+location+"/receive", fmt.Sprintf(`{"quantity":%d}`, 1+r.IntN(15)))
	case dice < 36: // of what there is plenty of, so that it never takes what was promised
		return l.command(client, n, "adjust", "/v1/stock/"+coldSKU(r.IntN(cold))+"/"+location+"/adjust", fmt.Sprintf(`{"delta":%d}`, 1+r.IntN(9)-10*r.IntN(2)))
	case dice < 39:
		return l.command(client, n, "place-wrong", "/v1/orders", order(fmt.Sprintf("w%d-%d-%d", l.cfg.Seed, client, n), 7, line{coldSKU(0), 1}))
	case dice < 41:
		return l.command(client, n, "cancel-nothing", fmt.Sprintf("/v1/orders/00000000-0000-7000-8000-%012d/cancel", client*1_000_000+n), `{}`)
	default:
		lines := make([]line, 1+r.IntN(3))
		for i := range lines {
			lines[i] = line{coldSKU(r.IntN(cold)), 1 + r.IntN(4)}
			if r.IntN(5) < 2 {
				lines[i] = line{hotSKU(r.IntN(hot)), 1 + r.IntN(2)}
			}
		}
		return l.command(client, n, "place", "/v1/orders", order(fmt.Sprintf("o%d-%d-%d", l.cfg.Seed, client, n), 0, lines...))
	}
}

// line is one line of an order.
type line struct {
	sku      string
	quantity int
}

// order is an order at one euro a unit, whose total is wrong by some cents.
func order(ref string, wrong int, lines ...line) string {
	var b strings.Builder
	units := 0
	for i, l := range lines {
		if i > 0 {
			b.WriteByte(',')
		}
		units += l.quantity
		fmt.Fprintf(&b, `{"sku":%q,"quantity":%d,"unit_price":"1.00","total":{"minor":%d,"currency":"EUR"}}`, l.sku, l.quantity, 100*l.quantity)
	}
	return fmt.Sprintf(`{"channel":"web","source_ref":%q,"currency":"EUR","payment_terms":{"kind":"on_account"},"lines":[%s],"totals":{"goods":{"minor":%d,"currency":"EUR"},"grand":{"minor":%d,"currency":"EUR"}}}`,
		ref, b.String(), 100*units, 100*units+wrong)
}

func (l *Load) remember(o *Operation, r *rand.Rand) {
	a, err := o.Answer()
	if err != nil || a.OrderID == "" {
		return // the checker will say so
	}
	p := placed{a.OrderID, strings.Count(o.Request, `"sku"`)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.orders) < mostOrders {
		l.orders = append(l.orders, p)
		return
	}
	l.orders[r.IntN(mostOrders)] = p
}

func (l *Load) some(r *rand.Rand) (placed, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.orders) == 0 {
		return placed{}, false
	}
	return l.orders[r.IntN(len(l.orders))], true
}

// carryOut sends a command until its outcome is known or ctx ends.
func (l *Load) carryOut(ctx context.Context, o *Operation, r *rand.Rand) {
	defer l.history.Add(o)
	pause := 5 * time.Millisecond
	for {
		timeout := l.cfg.Timeout
		if r.IntN(12) == 0 {
			timeout = time.Duration(1+r.IntN(40)) * time.Millisecond
		}
		if l.attempt(ctx, o, l.cluster.Servers[r.IntN(len(l.cluster.Servers))], timeout) || ctx.Err() != nil {
			return
		}
		wait(ctx, pause/2+time.Duration(r.Int64N(int64(pause))))
		pause = min(2*pause, 500*time.Millisecond)
	}
}

// attempt sends a command once, and tells whether its outcome is known now.
func (l *Load) attempt(ctx context.Context, o *Operation, s *Server, timeout time.Duration) bool {
	a := Attempt{Server: s.Name, Start: l.history.now()}
	reply, err := l.send(ctx, o, s, timeout)
	a.End = l.history.now()
	a.Status, a.Code, a.Replayed = reply.status, reply.Code, reply.replayed
	done := false
	switch {
	case err != nil:
		a.Err = err.Error()
	case reply.status < 300:
		o.Outcome, done = Accepted, true
	case reply.status < 500 && reply.CommandID != "" && reply.status != http.StatusConflict:
		o.Outcome, done = Refused, true
	case reply.status >= 500, reply.status == http.StatusConflict, reply.status == http.StatusTooManyRequests:
		a.Nothing = reply.saysNothing()
	default:
		o.Outcome, done = Invalid, true
	}
	if done {
		o.Status, o.Position, o.Body = reply.status, reply.position, reply.body
	}
	o.Attempts = append(o.Attempts, a)
	return done
}

// reply is what came back.
type reply struct {
	problem
	status   int
	body     string
	position int64
	replayed bool
}

// saysNothing tells whether the answer promises that nothing was stored.
func (r *reply) saysNothing() bool {
	switch r.Code {
	case "unavailable", "timed-out", "draining", "overloaded", "rate-limited", "contended":
		return true
	default:
		return false
	}
}

func (l *Load) send(ctx context.Context, o *Operation, s *Server, timeout time.Duration) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Base+o.Path, strings.NewReader(o.Request))
	if err != nil {
		return reply{}, err
	}
	req.GetBody = nil // or net/http would send it again by itself, because of its key, and nobody would know
	req.Header.Set("Authorization", "Bearer "+l.cluster.Key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", o.Key)
	resp, err := l.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, body: string(body), replayed: resp.Header.Get("Idempotency-Replayed") == "true"}
	r.position, _ = strconv.ParseInt(resp.Header.Get("Consistency-Token"), 10, 64) // none: 0
	if r.status >= 300 {
		_ = json.Unmarshal(body, &r.problem) // what is none of ours has no code
	}
	return r, nil
}
