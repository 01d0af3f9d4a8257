package processes

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"waybill/commands"
	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// shakyLog is a log whose answers get lost.
type shakyLog struct {
	*eventstore.Memory
	world *world
	shaky bool
	stuck []eventstore.Commit // on their way, and nobody waits for them any more
}

var errAway = errors.New("database is away")

func (l *shakyLog) Propose(ctx context.Context, c eventstore.Commit, after ...*eventstore.Proposal) (*eventstore.Proposal, error) {
	w := l.world
	if !l.shaky || !w.chance(12) {
		return l.Memory.Propose(ctx, c, after...)
	}
	lost := fmt.Errorf("answer is lost: %w", eventstore.ErrOutcomeUnknown)
	switch w.rnd.IntN(4) {
	case 0:
		w.note("carried out and not told")
		if _, err := l.Memory.Propose(ctx, c, after...); err != nil {
			return nil, err
		}
		return nil, lost
	case 1:
		w.note("not carried out")
		return nil, lost
	case 2:
		l.stuck = append(l.stuck, c)
		return nil, lost
	default:
		return nil, errAway
	}
}

func (l *shakyLog) Append(ctx context.Context, c eventstore.Commit) (eventstore.Receipt, error) {
	p, err := l.Propose(ctx, c)
	if err != nil {
		return eventstore.Receipt{}, err
	}
	return p.Wait(ctx)
}

// late lets arrive what was on its way.
func (l *shakyLog) late() {
	for _, c := range l.stuck {
		l.world.note("arrives late")
		_, _ = l.Memory.Append(l.world.t.Context(), c) // if it still can
	}
	l.stuck = nil
}

// again sends a command whose outcome nobody knows.
func (w *world) again() error {
	i := w.rnd.IntN(len(w.doubtful))
	c := w.doubtful[i]
	w.doubtful = slices.Delete(w.doubtful, i, i+1)
	return w.send(c)
}

// send sends a command and holds the answer to what was answered before.
func (w *world) send(c commands.Command) error {
	if c.ID == uuid.Nil {
		return nil
	}
	_, err := w.buses[w.rnd.IntN(2)].Execute(w.t.Context(), c)
	answer := "accepted"
	if err != nil {
		refused, ok := errors.AsType[*commands.Refused](err)
		if !ok {
			if !w.log.shaky {
				return fmt.Errorf("%s fails on a sound log: %w", c.Type, err)
			}
			w.doubtful = append(w.doubtful, c)
			return nil
		}
		answer = "refused: " + refused.Code
	}
	if before, ok := w.answers[c.ID]; ok && before != answer {
		return fmt.Errorf("%s %s was %s, and now is %s", c.Type, c.ID, before, answer)
	} else if !ok {
		w.answers[c.ID] = answer
		w.settled = append(w.settled, c)
	}
	return nil
}

// id is one that a run from the same seed has, too.
func (w *world) id() uuid.UUID {
	var id uuid.UUID
	for i := range id {
		id[i] = byte(w.rnd.UintN(256))
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

func (w *world) time() domain.Time { return domain.TimeOf(w.now) }

func (w *world) sku() stock.Key {
	return stock.Key{SKU: []string{"A", "B", "C"}[w.rnd.IntN(3)], Location: defaultLocation}
}

// customer draws a command.
func (w *world) customer() commands.Command {
	var id order.ID
	if len(w.orders) > 0 {
		id = w.orders[w.rnd.IntN(len(w.orders))]
	}
	hold := "h" + strconv.Itoa(w.rnd.IntN(3))
	switch n := w.rnd.IntN(20); {
	case n < 5:
		w.movement++
		return commands.OnStock(w.id(), stock.Receive{Key: w.sku(), MovementID: strconv.Itoa(w.movement), Quantity: 1 + w.rnd.Int64N(6), Now: w.time()})
	case n < 6:
		return commands.OnStock(w.id(), stock.Expire{Key: w.sku(), Now: w.time()})
	case n < 7:
		return commands.OnStock(w.id(), stock.SetBackorderPolicy{Key: w.sku(), Limit: w.rnd.Int64N(4), Now: w.time()})
	case n < 13 || id == "":
		return w.placeOrder()
	case n < 15:
		return commands.OnOrder(w.id(), order.Cancel{ID: id, CancellationID: w.id().String(), Now: w.time()})
	case n < 16:
		lines := []order.LineQuantity{{LineID: strconv.Itoa(1 + w.rnd.IntN(2)), Quantity: 1}}
		return commands.OnOrder(w.id(), order.Cancel{ID: id, CancellationID: w.id().String(), Lines: lines, Now: w.time()})
	case n < 18:
		c := order.PlaceHold{ID: id, HoldID: hold, Kind: order.HoldManual, Blocks: []order.Verb{order.VerbConfirm}, Now: w.time()}
		if w.chance(50) {
			c.Until = w.time().Add(time.Duration(1 + w.rnd.Int64N(int64(20*time.Minute))))
		}
		return commands.OnOrder(w.id(), c)
	default:
		return commands.OnOrder(w.id(), order.ReleaseHold{ID: id, HoldID: hold, Now: w.time()})
	}
}

// digest tells two logs apart by what happened in them, not by ids.
func (w *world) digest() uint64 {
	h := fnv.New64a()
	for from := int64(1); ; {
		page, err := w.log.ReadLog(w.t.Context(), from, eventstore.MaxPage)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(page) == 0 {
			return h.Sum64()
		}
		for _, e := range page {
			fmt.Fprintln(h, e.Position, e.Stream, e.Version, e.Type, e.RecordedAt)
		}
		from += int64(len(page))
	}
}

func (w *world) placeOrder() commands.Command {
	id := order.ID(w.id().String())
	eur := func(minor int64) money.Money { return money.New(minor, "EUR") }
	d := order.Details{Channel: "web", Currency: "EUR", ReservePolicy: order.ReserveOnOrder, PaymentTerms: order.PaymentTerms{Kind: order.PaymentOffline}}
	sum := int64(0)
	for n := range 1 + w.rnd.IntN(3) {
		quantity := 1 + w.rnd.Int64N(3)
		d.Lines = append(d.Lines, order.Line{
			ID: strconv.Itoa(n + 1), SKU: w.sku().SKU, Title: "thing", Quantity: quantity, UnitPrice: "1.00", Total: eur(100 * quantity),
			Net: eur(100 * quantity), RequiresShipping: w.chance(90), AllowBackorder: w.chance(20),
		})
		sum += 100 * quantity
	}
	d.Totals = order.Totals{Goods: eur(sum), Discount: eur(0), Shipping: eur(0), Surcharge: eur(0), Tax: eur(0), Grand: eur(sum)}
	switch w.rnd.IntN(10) {
	case 0, 1:
		d.PaymentTerms = order.PaymentTerms{Kind: order.PaymentPrepaid, PayBy: w.time().Add(time.Duration(1 + w.rnd.Int64N(int64(30*time.Minute))))}
		if w.chance(30) {
			d.ReservePolicy = order.ReserveOnPayment
		}
	case 2:
		d.ReservePolicy = order.ReserveNone
	}
	w.orders = append(w.orders, id)
	return commands.OnOrder(w.id(), order.Place{ID: id, Details: d, Now: w.time()})
}

// rest lets everything come to an end: what is on its way arrives, who does not know asks again, holds are released,
// and time goes on until no timer is left.
func (w *world) rest() error {
	w.log.late()
	w.kill()
	for len(w.doubtful) > 0 {
		if err := w.again(); err != nil {
			return err
		}
	}
	for _, id := range w.orders {
		for n := range 3 {
			release := commands.OnOrder(w.id(), order.ReleaseHold{ID: id, HoldID: "h" + strconv.Itoa(n), Now: w.time()})
			if err := w.send(release); err != nil {
				return err
			}
		}
	}
	for range 500 {
		w.deal()
		for len(w.waiting) > 0 {
			if err := w.handleSome(); err != nil {
				return err
			}
		}
		if err := w.fire(); err != nil {
			return err
		}
		if h, err := w.log.Head(w.t.Context()); err != nil || h.Position > w.cursor {
			continue
		}
		if len(w.kept.timers) == 0 {
			return w.sweep()
		}
		w.now = w.now.Add(time.Minute)
	}
	return fmt.Errorf("it does not come to rest: timers %v", w.kept.timers)
}

// sweep takes out what has lapsed by then. It is free for others before that, but still listed.
func (w *world) sweep() error {
	w.now = w.now.Add(time.Hour)
	for _, sku := range []string{"A", "B", "C"} {
		expire := commands.OnStock(w.id(), stock.Expire{Key: stock.Key{SKU: sku, Location: defaultLocation}, Now: w.time()})
		if err := w.send(expire); err != nil {
			return err
		}
	}
	return nil
}

// judge looks at what is left.
func (w *world) judge() error {
	for _, c := range w.settled { // whatever was answered is answered the same for ever
		if err := w.send(c); err != nil {
			return err
		}
	}
	items := map[string]*stock.Item{}
	for _, sku := range []string{"A", "B", "C"} {
		i, err := w.item(sku)
		if err != nil {
			return err
		}
		items[sku] = i
	}
	owners := map[string]bool{}
	for _, id := range w.orders {
		owners[string(id)] = true
		if err := w.judgeOrder(id, items); err != nil {
			return fmt.Errorf("order %d (%s): %w", slices.Index(w.orders, id), id, err)
		}
	}
	for sku, i := range items {
		for r := range i.Reservations() {
			if !owners[r.OrderID] {
				return fmt.Errorf("%s is reserved for %s, which nobody placed", sku, r.OrderID)
			}
		}
	}
	return nil
}

// item folds an item, and looks at every prefix of its events.
func (w *world) item(sku string) (*stock.Item, error) {
	i := new(stock.Item)
	for e, err := range w.log.ReadStream(w.t.Context(), stock.Stream(sku, defaultLocation), 1) {
		if err != nil {
			return nil, err
		}
		body, err := stock.Decode(e.Type, e.Schema, e.Data)
		if err != nil {
			return nil, err
		}
		stock.Evolve(i, body)
		if i.Oversold() > 0 || i.OnHand != i.Received || i.Available() < 0 {
			return nil, fmt.Errorf("%s at version %d: %d on hand, %d received, oversold by %d", sku, e.Version, i.OnHand, i.Received, i.Oversold())
		}
	}
	return i, nil
}

// judgeOrder: the order has ended, its process knows, and it holds just the stock that it is entitled to.
func (w *world) judgeOrder(id order.ID, items map[string]*stock.Item) error {
	o := new(order.Order)
	for e, err := range w.log.ReadStream(w.t.Context(), order.Stream(id), 1) {
		if err != nil {
			return err
		}
		body, err := order.Decode(e.Type, e.Schema, e.Data)
		if err != nil {
			return err
		}
		order.Evolve(o, body)
	}
	confirmed := false
	switch o.Lifecycle {
	case order.LifecycleConfirmed:
		confirmed = true
	case order.LifecycleRejected, order.LifecycleExpired, order.LifecycleCancelled:
	case order.LifecycleNone, order.LifecyclePending, order.LifecycleCompleted, order.LifecycleCancelling:
		return fmt.Errorf("is %s in the end", o.Lifecycle)
	}
	if inst := w.kept.instances[string(id)]; !inst.done {
		return fmt.Errorf("is %s, and its process waits for %q", o.Lifecycle, inst.waiting.For)
	}
	w.note(fmt.Sprintf("orders %s", o.Lifecycle))
	want := map[string]int64{}
	if confirmed && o.Details.ReservePolicy == order.ReserveOnOrder {
		for i := range o.Lines {
			if l := &o.Lines[i]; l.Line.RequiresShipping {
				want[l.Line.SKU] += l.Open()
			}
		}
	}
	for sku, i := range items {
		units := int64(0)
		for r := range i.Reservations() {
			if r.OrderID != string(id) {
				continue
			}
			units += r.Quantity()
			if r.State != stock.StateConfirmed {
				return fmt.Errorf("is %s, and reservation %s is %s", o.Lifecycle, r.ID, r.State)
			}
		}
		if units != want[sku] {
			return fmt.Errorf("is %s and holds %d of %s, want %d", o.Lifecycle, units, sku, want[sku])
		}
	}
	return nil
}
