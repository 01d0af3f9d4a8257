package chaos

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
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
	// Direct leaves the durable intake out. What a process has taken from it when it is killed comes again after half a
	// minute only.
	Direct bool
}

// Load are clients that send commands over HTTP and now and then over NATS, each under a key of its own, and send a command
// again under the same key, to any of the servers, until they know what became of it. Some commands are put into the
// durable intake first. Some clients look at what they did, and one more follows the events.
type Load struct {
	cluster *Cluster
	cfg     LoadConfig
	history *History
	sender  *sender

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
	l := &Load{cluster: c, cfg: cfg, history: NewHistory(), sender: newSender(c, cfg.Clients)}
	all, abandon := context.WithCancel(ctx)
	fresh, stop := context.WithCancel(all)
	l.abandon, l.stop = abandon, stop
	if err := l.fill(all); err != nil {
		l.Stop(ctx)
		return nil, err
	}
	l.wg.Go(func() { l.history.follower.follow(fresh, c) })
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
	l.sender.close()
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
		o := l.command(0, number, "receive", stockTarget(sku), fmt.Sprintf(`{"quantity":%d}`, units))
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
		if o.Outcome == Accepted {
			l.done(ctx, o, r)
		}
		wait(fresh, time.Duration(r.Int64N(int64(2*l.cfg.Think))))
	}
}

func (l *Load) command(client, n int, kind string, target map[string]string, body string) *Operation {
	o := &Operation{Client: client, Kind: kind, Key: fmt.Sprintf("s%d-c%d-%d", l.cfg.Seed, client, n), Target: target, Request: body, Outcome: Unknown}
	switch kind {
	case "place", "place-wrong", "place-queued":
		o.Command, o.Path = "order.place", "/v1/orders"
	case "cancel", "cancel-unit", "cancel-nothing":
		o.Command, o.Path = "order.cancel", "/v1/orders/"+target["order_id"]+"/cancel"
	case "note":
		o.Command, o.Path = "order.add_note", "/v1/orders/"+target["order_id"]+"/note"
	default: // receive, adjust
		o.Command, o.Path = "stock."+kind, "/v1/stock/"+target["sku"]+"/"+target["location"]+"/"+kind
	}
	return o
}

func orderTarget(id string) map[string]string { return map[string]string{"order_id": id} }

func stockTarget(sku string) map[string]string {
	return map[string]string{"sku": sku, "location": location}
}

// next makes up a command.
func (l *Load) next(client, n int, r *rand.Rand) *Operation {
	dice := r.IntN(100)
	some, known := l.some(r)
	switch {
	case known && dice < 8:
		return l.command(client, n, "cancel", orderTarget(some.id), `{"reason":"customer"}`)
	case known && dice < 14:
		return l.command(client, n, "cancel-unit", orderTarget(some.id), fmt.Sprintf(`{"lines":[{"line_id":"%d","quantity":1}]}`, 1+r.IntN(some.lines)))
	case known && dice < 24:
		return l.command(client, n, "note", orderTarget(some.id), fmt.Sprintf(`{"text":"note %d of client %d"}`, n, client))
	case dice < 30:
		return l.command(client, n, "receive", stockTarget(hotSKU(r.IntN(hot))), fmt.Sprintf(`{"quantity":%d}`, 1+r.IntN(15)))
	case dice < 36: // of what there is plenty of, so that it never takes what was promised
		delta := 1 + r.IntN(9)
		if r.IntN(2) == 0 {
			delta = -delta
		}
		return l.command(client, n, "adjust", stockTarget(coldSKU(r.IntN(cold))), fmt.Sprintf(`{"delta":%d}`, delta))
	case dice < 39:
		return l.command(client, n, "place-wrong", nil, order(fmt.Sprintf("w%d-%d-%d", l.cfg.Seed, client, n), 7, line{coldSKU(0), 1}))
	case dice < 41:
		return l.command(client, n, "cancel-nothing", orderTarget(fmt.Sprintf("00000000-0000-7000-8000-%012d", client*1_000_000+n)), `{}`)
	default:
		lines := make([]line, 1+r.IntN(3))
		for i := range lines {
			lines[i] = line{coldSKU(r.IntN(cold)), 1 + r.IntN(4)}
			if r.IntN(5) < 2 {
				lines[i] = line{hotSKU(r.IntN(hot)), 1 + r.IntN(2)}
			}
		}
		return l.command(client, n, "place", nil, order(fmt.Sprintf("o%d-%d-%d", l.cfg.Seed, client, n), 0, lines...))
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

// done is what a client does with the answer to an accepted command: it remembers the order, and sometimes looks at it.
func (l *Load) done(ctx context.Context, o *Operation, r *rand.Rand) {
	a, err := o.Answer()
	if err != nil || a.OrderID == "" {
		return // of stock; or the checker will say so
	}
	if o.Kind == "place" {
		l.remember(placed{a.OrderID, strings.Count(o.Request, `"sku"`)}, r)
	}
	if r.IntN(4) > 0 {
		return
	}
	s := l.cluster.Servers[r.IntN(len(l.cluster.Servers))]
	if stale, err := l.sender.look(ctx, s, a); err == nil {
		l.history.looked(stale)
	}
}

func (l *Load) remember(p placed, r *rand.Rand) {
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
	if r.IntN(20) == 0 && !l.cfg.Direct { // it is carried out from the queue, or by what follows, whichever is first; and never twice
		a := Attempt{Server: "queue", Start: l.history.now(), Err: "queued"}
		if err := l.sender.queue(ctx, o, time.Second); err != nil {
			a.Err = err.Error()
		}
		a.End = l.history.now()
		o.Attempts = append(o.Attempts, a)
	}
	for {
		timeout := l.cfg.Timeout
		if r.IntN(12) == 0 {
			timeout = time.Duration(1+r.IntN(40)) * time.Millisecond
		}
		var s *Server // nil: whoever takes it from NATS
		if r.IntN(8) > 0 {
			s = l.cluster.Servers[r.IntN(len(l.cluster.Servers))]
		}
		if l.attempt(ctx, o, s, timeout) || ctx.Err() != nil {
			return
		}
		wait(ctx, pause/2+time.Duration(r.Int64N(int64(pause))))
		pause = min(2*pause, 500*time.Millisecond)
	}
}

// attempt sends a command once, and tells whether its outcome is known now.
func (l *Load) attempt(ctx context.Context, o *Operation, s *Server, timeout time.Duration) bool {
	a := Attempt{Server: "nats", Start: l.history.now()}
	if s != nil {
		a.Server = s.Name
	}
	reply, err := l.sender.send(ctx, o, s, timeout)
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
	case reply.again():
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
