// Package story_test walks one order through all five aggregates at once: order, payment, stock, fulfilment and returns. Each
// of them has tests of its own; here it is what they hand to each other that has to add up, whatever happens in whatever order.
//
// A [world] holds the aggregates, and routes what happens in one to the others as a process would. A [walker] takes random steps
// in it. After every step the sums must agree (see check_test.go), then everybody does their part and the order must come to its
// end with a balance of zero (finish_test.go). Whatever had an effect is sent again, and must not have a second one
// (redelivery_test.go).
//
// Not part of the story: amendments, holds, transfers between locations, parcels that come back to the sender, several
// cancellations that are served at a time, and disputes that are lost (then the balance stays above zero).
package story_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"waybill/domain"
	"waybill/domain/fulfilment"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/payment"
	"waybill/domain/returns"
	"waybill/domain/stock"
)

const (
	orderID  = order.ID("0198c0de-0000-7000-8000-000000000001")
	currency = money.Currency("EUR")
	start    = domain.Time(1_700_000_000_000_000)
	day      = domain.Time(24 * 3600 * 1_000_000)
)

func eur(minor int64) money.Money { return money.New(minor, currency) }

// world is one order and all that belongs to it. It keeps slices, not maps: a seed must always tell the same story.
type world struct {
	t    testing.TB
	seed uint64
	now  domain.Time

	order       *order.Order
	payments    []*attempt
	fulfilments []*fulfilment.Fulfilment
	returns     []*returns.Return
	shelves     []*shelf

	ids    int
	sent   []sent // every command that had an effect, in order
	resend bool   // send each of them again at once
	tale   []line

	excepted []exception // those that were met
}

// attempt is a payment, and the version of its stream.
type attempt struct {
	*payment.Payment

	version int64
}

// shelf is one SKU at one location.
type shelf struct {
	stock.Item

	key stock.Key
}

// line is one line of the story. It is put into words when it is read, and most stories never are.
type line struct {
	format string
	args   []any
}

func newWorld(t testing.TB, seed uint64) *world {
	t.Helper()
	return &world{t: t, seed: seed, now: start, order: new(order.Order)}
}

// id returns a name that nobody has yet.
func (w *world) id(prefix string) string {
	w.ids++
	return fmt.Sprintf("%s%d", prefix, w.ids)
}

func (w *world) note(format string, args ...any) { w.tale = append(w.tale, line{format, args}) }

// fail tells the story so far, and ends the test. The methods that call it are no helpers of testing: the story says where it
// was, and Helper takes longer than a decision.
func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	var tale strings.Builder
	for _, l := range w.tale {
		fmt.Fprintf(&tale, l.format+"\n", l.args...)
	}
	w.t.Fatalf("the story of seed %d:\n%s%s\nseed %d: go test ./domain/story -story.seed=%d",
		w.seed, &tale, fmt.Sprintf(format, args...), w.seed, w.seed)
}

// command is what the commands of all aggregates have in common, and event what their events have.
type command interface{ CommandType() string }

type event interface{ EventType() string }

// send decides c on s and folds what it causes. A refusal is part of life: then it returns false, and nothing has happened.
func send[S any, C command, E event](w *world, s *S, c C, decide func(*S, C) ([]E, error), evolve func(*S, E)) ([]E, bool) {
	events, err := decide(s, c)
	if err != nil {
		w.note("    %s refused: %v", c.CommandType(), err)
		if _, refused := errors.AsType[domain.Refusal](err); !refused {
			w.fail("%s: a fault of the program: %v", c.CommandType(), err)
		}
		return nil, false
	}
	w.note("    %s %+v", c.CommandType(), c)
	for _, e := range events {
		w.note("        → %s %+v", e.EventType(), e)
		evolve(s, e)
	}
	if len(events) > 0 {
		again := sent{name: c.CommandType(), again: func() (int, error) {
			events, err := decide(s, c)
			return len(events), err
		}}
		w.sent = append(w.sent, again)
		if w.resend {
			w.redeliver(atOnce, again)
		}
	}
	return events, true
}

// must ends the test if a process was refused what it has to be able to rely on.
func (w *world) must(taken bool) {
	if !taken {
		w.fail("a process was refused")
	}
}

// The ask methods send what somebody wants, which may be refused; then they route what has happened.

func (w *world) askOrder(c order.Command) bool {
	events, ok := send(w, w.order, c, order.Decide, order.Evolve)
	for _, e := range events {
		w.afterOrder(e)
	}
	return ok
}

func (w *world) askPayment(p *attempt, c payment.Command) bool {
	events, ok := send(w, p.Payment, c, payment.Decide, payment.Evolve)
	p.version += int64(len(events))
	if len(events) > 0 {
		w.tellPosition(p)
	}
	for _, e := range events {
		w.afterPayment(p, e)
	}
	return ok
}

func (w *world) askFulfilment(f *fulfilment.Fulfilment, c fulfilment.Command) bool {
	events, ok := send(w, f, c, fulfilment.Decide, fulfilment.Evolve)
	for _, e := range events {
		w.afterFulfilment(f, e)
	}
	return ok
}

func (w *world) askReturn(r *returns.Return, c returns.Command) bool {
	events, ok := send(w, r, c, returns.Decide, returns.Evolve)
	for _, e := range events {
		w.afterReturn(r, e)
	}
	return ok
}

func (w *world) askStock(c stock.Command) bool {
	_, ok := send(w, &w.shelf(c.ItemKey()).Item, c, stock.Decide, stock.Evolve)
	return ok
}

// The tell methods are for what must not be refused.

func (w *world) tellOrder(c order.Command) { w.must(w.askOrder(c)) }

func (w *world) tellPayment(p *attempt, c payment.Command) { w.must(w.askPayment(p, c)) }

func (w *world) tellFulfilment(f *fulfilment.Fulfilment, c fulfilment.Command) {
	w.must(w.askFulfilment(f, c))
}

func (w *world) tellReturn(r *returns.Return, c returns.Command) { w.must(w.askReturn(r, c)) }

func (w *world) tellStock(c stock.Command) { w.must(w.askStock(c)) }

// shelf returns the shelf of that key, which is there afterwards.
func (w *world) shelf(k stock.Key) *shelf {
	i := slices.IndexFunc(w.shelves, func(s *shelf) bool { return s.key == k })
	if i < 0 {
		i = len(w.shelves)
		w.shelves = append(w.shelves, &shelf{key: k})
	}
	return w.shelves[i]
}

// newPayment adds a payment that was initiated for amount, and asks to authorise it.
func (w *world) newPayment(amount int64) *attempt {
	p := &attempt{Payment: new(payment.Payment)}
	w.payments = append(w.payments, p)
	to := payment.Target{ID: payment.ID(w.id("p")), Now: w.now}
	w.tellPayment(p, payment.Initiate{Target: to, Terms: payment.Terms{
		OrderID: string(orderID), Gateway: "sandbox", Method: "card", Amount: eur(amount),
		Capabilities: payment.Capabilities{MultiCapture: true, PartialVoid: true},
	}})
	w.tellPayment(p, payment.Authorise{Target: to, OperationID: w.id("authorise")})
	return p
}

// answer lets the gateway answer an operation.
func (w *world) answer(p *attempt, o payment.OpenOperation, outcome payment.Outcome) {
	w.tellPayment(p, payment.RecordOutcome{
		Target: w.payment(p), OperationID: o.OperationID, Outcome: outcome, GatewayRef: "ref-" + o.OperationID, Amount: o.Amount,
	})
}

func (w *world) payment(p *attempt) payment.Target { return payment.Target{ID: p.ID, Now: w.now} }

func (w *world) fulfilment(f *fulfilment.Fulfilment) fulfilment.Target {
	return fulfilment.Target{ID: f.ID, Now: w.now}
}
