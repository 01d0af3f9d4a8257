package intake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/api/apitest"
	"waybill/api/auth"
	"waybill/api/dispatch"
	"waybill/api/intake"
	"waybill/api/problem"
	"waybill/api/wire"
	"waybill/commands"
	"waybill/internal/devstack"
	"waybill/internal/devstack/devtest"
)

// env is a stack, a NATS server, and what an outside system has.
type env struct {
	*apitest.Stack

	nats   *devstack.NATS
	client *nats.Conn
	js     jetstream.JetStream
	poison *intake.Postgres
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{Stack: apitest.New(t, apitest.WithoutProjections), nats: devtest.NATS(t)}
	e.client = e.connect(t)
	var err error
	if e.js, err = jetstream.New(e.client); err != nil {
		t.Fatal(err)
	}
	e.poison = intake.NewPostgres(e.Append)
	return e
}

func (e *env) connect(t *testing.T) *nats.Conn {
	t.Helper()
	nc, err := e.nats.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func (e *env) intake(t *testing.T, change ...func(*intake.Config)) *intake.Intake {
	t.Helper()
	cfg := intake.Config{
		Conn: e.connect(t), Dispatcher: e.Dispatcher, Auth: e.Keys, Poison: e.poison, Logger: e.Logger, MaxBytes: 64 << 20,
		MinPause: time.Millisecond, MaxPause: 20 * time.Millisecond, AckWait: 2 * time.Second,
	}
	for _, f := range change {
		f(&cfg)
	}
	i, err := intake.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func (e *env) publish(t *testing.T, key, command, body string, headers ...string) {
	t.Helper()
	m := nats.NewMsg("waybill.in." + command)
	m.Data = []byte(body)
	m.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(headers); i += 2 {
		m.Header.Set(headers[i], headers[i+1])
	}
	if _, err := e.js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// empty tells whether the queue holds nothing.
func (e *env) empty(t *testing.T) bool {
	t.Helper()
	s, err := e.js.Stream(t.Context(), intake.StreamName)
	if err != nil {
		return false
	}
	info, err := s.Info(t.Context())
	return err == nil && info.State.Msgs == 0
}

func (e *env) queued(t *testing.T) {
	t.Helper()
	apitest.Eventually(t, "the queue is there", func() bool {
		_, err := e.js.Stream(t.Context(), intake.StreamName)
		return err == nil
	})
}

// TestOutcomes: what comes in durably is the same command as over HTTP, with the same answer.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	apitest.Run(t, "intake", e.intake(t).Run)
	e.queued(t)
	inbox, err := e.client.SubscribeSync(nats.NewInbox())
	if err != nil {
		t.Fatal(err)
	}
	body := apitest.Order(2)
	e.publish(t, e.Key, "order.place", body, "Idempotency-Key", "a", intake.ReplyTo, inbox.Subject)
	told, err := inbox.NextMsg(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	over := e.Do(http.MethodPost, "/v1/orders", body, "Idempotency-Key", "a")
	if !bytes.Equal(told.Data, over.Body) || told.Header.Get("Status-Code") != "201" || over.Header.Get("Idempotency-Replayed") != "true" {
		t.Fatalf("got %v %s\n%s", told.Header, told.Data, over.Body)
	}
	e.publish(t, e.Key, "order.place", body, nats.MsgIdHdr, "b") // the queue's own id is a key, too
	apitest.Eventually(t, "the queue is empty", func() bool { return e.empty(t) })
	if a := e.Do(http.MethodGet, "/v1/commands/b", ""); a.Status != http.StatusOK {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	e.publish(t, e.Key, "order.tag", fmt.Sprintf(`{"order_id":%q,"tags":["x"]}`, uuid.NewString()), "Idempotency-Key", "c", intake.ReplyTo, inbox.Subject)
	told, err = inbox.NextMsg(10 * time.Second)
	if err != nil || told.Header.Get("Status-Code") != "404" || !strings.Contains(string(told.Data), problem.OrderNotFound) {
		t.Fatalf("got %v %v", told, err)
	}
	if list, err := e.poison.ListPoison(t.Context(), 10); err != nil || len(list) != 0 {
		t.Errorf("a refusal is no poison: %+v, %v", list, err)
	}
}

// TestPoison: what can never be carried out is stored with its reason, without its credential, and holds up nothing.
func TestPoison(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	apitest.Run(t, "intake", e.intake(t).Run)
	e.queued(t)
	events, err := e.client.SubscribeSync("waybill.evt.>")
	if err != nil {
		t.Fatal(err)
	}
	reader := e.AddKey("reader", auth.OrdersRead)
	receive := `{"sku":"A","location":"B","quantity":1}`
	e.publish(t, e.Key, "stock.receive", `{broken`)
	e.publish(t, "wb_test_wrong", "stock.receive", receive)
	e.publish(t, reader, "stock.receive", receive)
	e.publish(t, e.Key, "no.such", receive)
	e.publish(t, e.Key, "stock.receive", receive, "Idempotency-Key", "k", intake.ReplyTo, "waybill.evt.order.placed.1")
	e.publish(t, e.Key, "stock.receive", `{"sku":"A","location":"B","quantity":2}`, "Idempotency-Key", "k")
	apitest.Eventually(t, "the queue is empty", func() bool { return e.empty(t) })
	list, err := e.poison.ListPoison(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]int{}
	for _, p := range list {
		codes[p.Code]++
		if _, ok := p.Headers["Authorization"]; ok || !json.Valid(p.Problem) || len(p.Body) == 0 {
			t.Errorf("poison %+v", p)
		}
	}
	want := map[string]int{problem.Malformed: 1, problem.Unauthenticated: 1, problem.Forbidden: 1, problem.UnknownCommand: 1, problem.KeyReused: 1}
	if fmt.Sprint(codes) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", codes, want)
	}
	if h, err := e.Log.Head(t.Context()); err != nil || h.Position != 1 {
		t.Errorf("the log has %d events, want 1 (%v)", h.Position, err)
	}
	if n, _, err := events.Pending(); err != nil || n != 0 {
		t.Errorf("%d messages were written to a subject of events (%v)", n, err)
	}
}

// flaky is a bus that is away, or answers and then seems not to have.
type flaky struct {
	*commands.Bus

	calls atomic.Int64
}

func (f *flaky) Execute(ctx context.Context, c commands.Command) (commands.Result, error) {
	switch f.calls.Add(1) % 3 {
	case 1:
		return commands.Result{}, errors.New("database is away")
	case 2:
		if _, err := f.Bus.Execute(ctx, c); err != nil {
			return commands.Result{}, err
		}
		return commands.Result{}, errors.New("connection lost after the commit")
	}
	return f.Bus.Execute(ctx, c)
}

// TestInOrderThroughFailures: every command is carried out once, and those about one item in the order in which they
// came, though every one of them fails twice, and the intake is stopped and started in the middle.
func TestInOrderThroughFailures(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	table, err := wire.NewTable()
	if err != nil {
		t.Fatal(err)
	}
	d, err := dispatch.New(dispatch.Config{Bus: &flaky{Bus: e.Bus}, Table: table, Logger: e.Logger})
	if err != nil {
		t.Fatal(err)
	}
	broken := e.intake(t, func(c *intake.Config) { c.Dispatcher, c.Lanes = d, 4 })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- broken.Run(ctx) }()
	e.queued(t)
	const items, each = 5, 12
	for n := range each {
		for i := range items {
			e.publish(t, e.Key, "stock.receive", fmt.Sprintf(`{"sku":"SKU-%d","location":"B","quantity":%d}`, i, n+1))
		}
	}
	apitest.Eventually(t, "some are done", func() bool {
		h, err := e.Log.Head(t.Context())
		return err == nil && h.Position > items
	})
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	apitest.Run(t, "intake", e.intake(t, func(c *intake.Config) { c.Lanes = 4 }).Run)
	apitest.Eventually(t, "the queue is empty", func() bool { return e.empty(t) })
	for i := range items {
		n := 0
		for ev, err := range e.Log.ReadStream(t.Context(), fmt.Sprintf("stock-SKU-%d@B", i), 1) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			data, err := wire.DataJSON(ev.Data, false)
			if err != nil || !strings.Contains(string(data), fmt.Sprintf(`"quantity":%d,`, n)) {
				t.Fatalf("item %d: event %d is %s (%v)", i, n, data, err)
			}
		}
		if n != each {
			t.Errorf("item %d has %d events, want %d", i, n, each)
		}
	}
}

// away is a poison store that fails at first.
type away struct {
	intake.PoisonStore

	calls atomic.Int64
}

func (a *away) AddPoison(ctx context.Context, p intake.Poison) error {
	if a.calls.Add(1) < 4 {
		return errors.New("database is away")
	}
	return a.PoisonStore.AddPoison(ctx, p)
}

// panics is a bus that panics at one item and is sound otherwise.
type panics struct{ *commands.Bus }

func (p panics) Execute(ctx context.Context, c commands.Command) (commands.Result, error) {
	if strings.Contains(fmt.Sprint(c.Steps), "BROKEN") {
		panic("a fault in the program")
	}
	return p.Bus.Execute(ctx, c)
}

// TestPanic: a command that makes the program panic is poison, whoever waits for it is told, and what comes behind it is
// carried out; and poison stays in the queue until it is stored.
func TestPanic(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	table, err := wire.NewTable()
	if err != nil {
		t.Fatal(err)
	}
	d, err := dispatch.New(dispatch.Config{Bus: panics{e.Bus}, Table: table, Logger: e.Logger})
	if err != nil {
		t.Fatal(err)
	}
	store := &away{PoisonStore: e.poison}
	registry := prometheus.NewRegistry()
	apitest.Run(t, "intake", e.intake(t, func(c *intake.Config) { c.Dispatcher, c.Poison, c.Registerer, c.Lanes = d, store, registry, 1 }).Run)
	e.queued(t)
	inbox, err := e.client.SubscribeSync(nats.NewInbox())
	if err != nil {
		t.Fatal(err)
	}
	e.publish(t, e.Key, "stock.receive", `{"sku":"BROKEN","location":"B","quantity":1}`, intake.ReplyTo, inbox.Subject)
	e.publish(t, e.Key, "stock.receive", `{"sku":"A","location":"B","quantity":1}`)
	told, err := inbox.NextMsg(10 * time.Second)
	if err != nil || told.Header.Get("Status-Code") != "500" || !strings.Contains(string(told.Data), `"retryable":false`) || strings.Contains(string(told.Data), "fault") {
		t.Fatalf("got %v %v", told, err)
	}
	apitest.Eventually(t, "the queue is empty", func() bool { return e.empty(t) })
	list, err := e.poison.ListPoison(t.Context(), 10)
	if err != nil || len(list) != 1 || list[0].Code != problem.Internal || !strings.Contains(string(list[0].Body), "BROKEN") {
		t.Errorf("got %+v, %v", list, err)
	}
	if h, err := e.Log.Head(t.Context()); err != nil || h.Position != 1 {
		t.Errorf("the log has %d events, want 1 (%v)", h.Position, err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				counts[f.GetName()+" "+l.GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	const name = "waybill_intake_messages_total "
	if want := map[string]float64{name + "accepted": 1, name + "poison": 1, name + "retried": 3}; !maps.Equal(counts, want) {
		t.Errorf("got %v, want %v", counts, want)
	}
}

// TestQueueLost: a server that lost the queue gets a new one, and the intake goes on with what comes into it.
func TestQueueLost(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	apitest.Run(t, "intake", e.intake(t).Run)
	e.queued(t)
	receive := `{"sku":"A","location":"B","quantity":1}`
	e.publish(t, e.Key, "stock.receive", receive)
	apitest.Eventually(t, "the queue is empty", func() bool { return e.empty(t) })
	if err := e.js.DeleteStream(t.Context(), intake.StreamName); err != nil {
		t.Fatal(err)
	}
	e.queued(t)
	e.publish(t, e.Key, "stock.receive", receive)
	apitest.Eventually(t, "the second command is carried out", func() bool {
		h, err := e.Log.Head(t.Context())
		return err == nil && h.Position == 2 && e.empty(t)
	})
}
