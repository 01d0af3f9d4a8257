// Package historytest makes logs of orders and stock for the tests of read models: random, but real, because every event
// comes out of the deciders of the domain. The same seed gives the same log.
//
// It also puts a projection's tables into a test database and folds a log into them, without the runner: what is tested
// with it is the fold and the queries, not the way to them.
package historytest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
	"waybill/projections"
)

// Log is a log in the making.
type Log struct {
	Events   []projections.Event
	Orders   map[string]*order.Order
	OrderIDs []string // in the order of placing
	Items    map[stock.Key]*stock.Item
	Keys     []stock.Key // in the order of first use
	Now      time.Time

	rng      *rand.Rand
	versions map[string]int64
	serial   int
	attempts map[string]int
}

// start is when every log begins.
func start() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) }

// New returns an empty log.
func New(seed uint64) *Log {
	return &Log{
		Orders: map[string]*order.Order{}, Items: map[stock.Key]*stock.Item{}, Now: start(),
		rng: rand.New(rand.NewPCG(seed, 20260301)), versions: map[string]int64{}, attempts: map[string]int{},
	}
}

// Order carries out a command on an order. A refusal adds nothing, and is returned.
func (l *Log) Order(c order.Command) error {
	id := string(c.OrderID())
	o := l.Orders[id]
	if o == nil {
		o = &order.Order{}
	}
	events, err := order.Decide(o, c)
	if err != nil {
		return err
	}
	command := l.uuid()
	for _, e := range events {
		order.Evolve(o, e)
		typ, schema, data, err := order.Encode(e)
		if err != nil {
			return err
		}
		l.append(order.Stream(order.ID(id)), id, c.CommandType(), command, typ, schema, data)
		command = uuid.Nil
	}
	if l.Orders[id] == nil && len(events) > 0 {
		l.Orders[id] = o
		l.OrderIDs = append(l.OrderIDs, id)
	}
	return nil
}

// Stock carries out a command on an item. A refusal adds nothing, and is returned.
func (l *Log) Stock(c stock.Command) error {
	key := c.ItemKey()
	item := l.Items[key]
	if item == nil {
		item = &stock.Item{}
	}
	events, err := stock.Decide(item, c)
	if err != nil {
		return err
	}
	command := l.uuid()
	for _, e := range events {
		stock.Evolve(item, e)
		typ, schema, data, err := stock.Encode(e)
		if err != nil {
			return err
		}
		owner := e.Order()
		if owner == "" {
			owner = key.Stream()
		}
		l.append(key.Stream(), owner, c.CommandType(), command, typ, schema, data)
		command = uuid.Nil
	}
	if l.Items[key] == nil && len(events) > 0 {
		l.Items[key] = item
		l.Keys = append(l.Keys, key)
	}
	return nil
}

func (l *Log) append(stream, key, command string, commandID uuid.UUID, typ string, schema int16, data []byte) {
	l.versions[stream]++
	l.Now = l.Now.Add(time.Duration(1+l.rng.IntN(90_000_000)) * time.Microsecond)
	meta := eventstore.Meta{
		Key: key, Command: command, Actor: "key:" + l.pick("web-shop", "console", "erp"), Channel: l.pick("web", "erp"),
		CorrelationID: "corr-" + strconv.Itoa(len(l.Events)), CausationID: "cause-" + strconv.Itoa(len(l.Events)),
	}
	raw, err := eventstore.EncodeMeta(meta)
	if err != nil {
		panic(fmt.Sprintf("encode metadata: %v", err)) // plain strings always encode
	}
	l.Events = append(l.Events, projections.Event{Meta: meta, Event: eventstore.Event{
		Position: int64(len(l.Events)) + 1, Stream: stream, Version: l.versions[stream], ID: l.uuid(), CommandID: commandID,
		Type: typ, Schema: schema, Data: data, Meta: raw, RecordedAt: l.Now,
	}})
}

// uuid returns the next id: of the form of a UUIDv7, and the same for the same seed.
func (l *Log) uuid() uuid.UUID {
	l.serial++
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(l.Now.UnixMilli())<<16|uint64(l.serial&0xfff))
	binary.BigEndian.PutUint64(id[8:], uint64(l.serial)|1<<63)
	id[6] = id[6]&0x0f | 0x70
	return id
}

// pick returns one of the choices; earlier ones come more often.
func (l *Log) pick(choices ...string) string {
	return choices[min(l.rng.IntN(len(choices)), l.rng.IntN(len(choices)))]
}

func (l *Log) now() domain.Time { return domain.TimeOf(l.Now) }

// Place places a random order and returns its id.
func (l *Log) Place() string {
	id := l.uuid().String()
	if err := l.Order(order.Place{ID: order.ID(id), Details: l.details(), Now: l.now()}); err != nil {
		panic(fmt.Sprintf("place a random order: %v", err)) // the orders made here add up
	}
	return id
}

// SKU returns the name of the n-th SKU.
func SKU(n int) string { return fmt.Sprintf("SKU-%04d", n) }

// details returns an order of 1 to 4 lines that adds up.
func (l *Log) details() order.Details {
	currency := money.Currency(l.pick("EUR", "GBP", "USD"))
	text := domain.NewPersonal
	n := len(l.OrderIDs) + 1
	d := order.Details{
		Number: fmt.Sprintf("W-%06d", n), Channel: l.pick("web", "amazon-de", "phone"), SourceRef: fmt.Sprintf("ref-%d", n),
		Currency: currency, PlacedAt: domain.TimeOf(l.Now.Add(-time.Duration(l.rng.IntN(3600)) * time.Second)),
		Contact: order.Contact{
			Name: text("Ada Lovelace"), Email: text("ada@example.org"),
			Delivery: order.Address{Lines: []domain.Personal{text("12 St James's Square")}, City: text("London"), Country: l.pick("GB", "DE", "FR")},
		},
		ReservePolicy: order.ReserveOnOrder,
		PaymentTerms:  order.PaymentTerms{Kind: order.PaymentOffline},
	}
	if l.rng.IntN(4) > 0 {
		d.CustomerID = fmt.Sprintf("cust-%d", l.rng.IntN(60))
	}
	for _, t := range []string{"gift", "b2b", "rush"} {
		if l.rng.IntN(5) == 0 {
			d.Tags = append(d.Tags, t)
		}
	}
	total := int64(0)
	for i := range 1 + l.rng.IntN(4) {
		quantity, cents := int64(1+l.rng.IntN(5)), int64(100+l.rng.IntN(5000))
		total += quantity * cents
		d.Lines = append(d.Lines, order.Line{
			ID: strconv.Itoa(i + 1), SKU: SKU(min(l.rng.IntN(80), l.rng.IntN(80))), Title: "Thing", Quantity: quantity,
			UnitPrice: money.Price(fmt.Sprintf("%d.%02d", cents/100, cents%100)), Total: money.New(quantity*cents, currency),
			RequiresShipping: true, Location: l.pick("BER1", "LON1"),
		})
	}
	zero := money.New(0, currency)
	d.Totals = order.Totals{
		Goods: money.New(total, currency), Discount: zero, Shipping: zero, Surcharge: zero, Tax: zero, Grand: money.New(total, currency),
	}
	return d
}

// Step does something at random: most of it on the latest orders, as life does.
func (l *Log) Step() {
	if len(l.OrderIDs) == 0 || l.rng.IntN(10) < 3 {
		l.Place()
		return
	}
	id := l.OrderIDs[max(0, len(l.OrderIDs)-1-min(l.rng.IntN(len(l.OrderIDs)), l.rng.IntN(40)))]
	oid, now := order.ID(id), l.now()
	var c order.Command
	switch l.rng.IntN(20) {
	case 0, 1, 2:
		l.Reserve(id)
		return
	case 3, 4:
		c = order.Confirm{ID: oid, Now: now}
	case 5:
		c = order.Reject{ID: oid, Rejection: order.Rejection{Reason: order.RejectOutOfStock, Detail: "sold out"}, Now: now}
	case 6, 7:
		c = order.PlaceHold{ID: oid, HoldID: "h" + strconv.Itoa(l.serial), Kind: order.HoldKind(l.pick("fraud", "manual", "address")), Note: domain.NewPersonal("looks odd"), Now: now}
	case 8:
		holds := l.Orders[id].Holds
		if len(holds) == 0 {
			return
		}
		c = order.ReleaseHold{ID: oid, HoldID: holds[l.rng.IntN(len(holds))].ID, Now: now}
	case 9:
		c = order.Cancel{ID: oid, CancellationID: "c" + strconv.Itoa(l.serial), Reason: order.CancelCustomer, Now: now}
	case 10:
		lines := l.Orders[id].Lines
		c = order.Cancel{ID: oid, CancellationID: "c" + strconv.Itoa(l.serial), Lines: []order.LineQuantity{{LineID: lines[l.rng.IntN(len(lines))].Line.ID, Quantity: 1}}, Now: now}
	case 11:
		c = order.AddNote{ID: oid, NoteID: "n" + strconv.Itoa(l.serial), Text: domain.NewPersonal("called the customer"), Now: now}
	case 12:
		c = order.Tag{ID: oid, Tags: []string{l.pick("vip", "checked", "gift")}, Now: now}
	case 13:
		l.StockStep()
		return
	default:
		c = l.progress(l.Orders[id])
	}
	l.mayRefuse(l.Order(c))
}

// StockStep does something at random to an item.
func (l *Log) StockStep() {
	key := stock.Key{SKU: SKU(min(l.rng.IntN(80), l.rng.IntN(80))), Location: l.pick("BER1", "LON1")}
	now, id := l.now(), "m"+strconv.Itoa(l.serial)
	var c stock.Command
	switch l.rng.IntN(14) {
	case 0, 1, 2, 8:
		c = stock.Receive{Key: key, MovementID: id, Quantity: int64(1 + l.rng.IntN(40)), Reason: "delivery", Now: now}
	case 3:
		c = stock.Adjust{Key: key, MovementID: id, Delta: int64(l.rng.IntN(9) - 5), Reason: "broken", Now: now}
	case 4:
		c = stock.Count{Key: key, MovementID: id, Counted: int64(l.rng.IntN(30)), Now: now}
	case 5:
		c = stock.SetBackorderPolicy{Key: key, Limit: int64(l.rng.IntN(50)), Now: now}
	case 6:
		c = stock.SetSafetyStock{Key: key, Quantity: int64(l.rng.IntN(4)), Now: now}
	case 7:
		c = stock.Expire{Key: key, Now: now}
	case 9:
		c = stock.MakeUnavailable{Key: key, MovementID: id, Bucket: l.bucket(), Quantity: int64(1 + l.rng.IntN(6)), Reason: "torn", Now: now}
	case 10:
		c = stock.MakeAvailable{Key: key, MovementID: id, Bucket: l.bucket(), Quantity: int64(1 + l.rng.IntN(3)), Reason: "mended", Now: now}
	case 11:
		c = stock.TransferOut{Key: key, TransferID: id, To: "HAM2", Quantity: int64(1 + l.rng.IntN(4)), Now: now}
	case 12:
		c = stock.TransferIn{Key: key, TransferID: id, From: "HAM2", Quantity: int64(1 + l.rng.IntN(4)), Now: now}
	case 13:
		c = stock.SetThreshold{Key: key, Quantity: int64(l.rng.IntN(20)), Now: now}
	}
	l.mayRefuse(l.Stock(c))
}

func (l *Log) bucket() stock.Bucket {
	return stock.Bucket(l.pick(string(stock.BucketDamaged), string(stock.BucketQualityControl), string(stock.BucketOther)))
}

// fulfil moves units of a confirmed reservation of an order on: to a fulfilment, out of it, out of the house, and back.
func (l *Log) fulfil(key stock.Key, r *stock.Reservation) stock.Command {
	quantity := int64(1 + l.rng.IntN(3))
	if r.Allocated == 0 || l.rng.IntN(4) == 0 {
		return stock.Allocate{Key: key, OrderID: r.OrderID, FulfilmentID: "f" + strconv.Itoa(l.serial), Parts: []stock.Units{
			{ReservationID: r.ID, Quantity: min(quantity, max(1, r.Unallocated()))},
		}, Now: l.now()}
	}
	fulfilment := r.Allocations[l.rng.IntN(len(r.Allocations))].FulfilmentID
	part, cause := []stock.Part{{ReservationID: r.ID, Quantity: quantity - 1}}, "d"+strconv.Itoa(l.serial)
	switch l.rng.IntN(6) {
	case 0:
		return stock.Deallocate{Key: key, OrderID: r.OrderID, FulfilmentID: fulfilment, DeallocationID: cause, Parts: part, Reason: "short", Now: l.now()}
	case 1:
		return stock.Release{Key: key, OrderID: r.OrderID, FulfilmentID: fulfilment, DeallocationID: cause, Parts: part, Reason: "recalled", Now: l.now()}
	case 2:
		return stock.Restock{Key: key, OrderID: r.OrderID, ReturnID: "ret" + r.ID, UnitIDs: []string{strconv.Itoa(l.rng.IntN(3))}, Bucket: l.bucket(), Now: l.now()}
	}
	return stock.Issue{Key: key, OrderID: r.OrderID, FulfilmentID: fulfilment, MovementID: "p" + strconv.Itoa(l.serial), Parts: []stock.Units{
		{ReservationID: r.ID, Quantity: quantity},
	}, Now: l.now()}
}

// Reserve reserves what is open of each line of an order, or moves on what it holds already.
func (l *Log) Reserve(id string) {
	o := l.Orders[id]
	for i := range o.Lines {
		line := &o.Lines[i]
		key := stock.Key{SKU: line.Line.SKU, Location: line.Line.Location}
		item := l.Items[key]
		attempt := l.attempts[id+line.Line.ID]
		last := stock.ReservationID(id, line.Line.ID, attempt)
		var reservation stock.Reservation
		held := false
		if item != nil {
			reservation, held = item.Reservation(last)
		}
		var c stock.Command
		switch {
		case !held && line.Open() > 0:
			l.attempts[id+line.Line.ID]++
			c = stock.Reserve{Key: key, OrderID: id, Now: l.now(), ExpiresAt: l.now().Add(time.Duration(5+l.rng.IntN(600)) * time.Minute), Reservations: []stock.Ask{
				{ReservationID: stock.ReservationID(id, line.Line.ID, attempt+1), Quantity: line.Open(), AllowBackorder: true},
			}}
		case !held:
			continue
		case reservation.State != stock.StateHeld && l.rng.IntN(3) > 0:
			c = l.fulfil(key, &reservation)
		case l.rng.IntN(3) == 0:
			c = stock.Extend{Key: key, OrderID: id, ReservationIDs: []string{last}, ExpiresAt: l.now().Add(48 * time.Hour), Now: l.now()}
		case l.rng.IntN(2) == 0:
			c = stock.Confirm{Key: key, OrderID: id, ReservationIDs: []string{last}, Now: l.now()}
		default:
			c = stock.Release{Key: key, OrderID: id, Parts: []stock.Part{{ReservationID: last, Quantity: int64(l.rng.IntN(2))}}, Reason: "test", Now: l.now()}
		}
		l.mayRefuse(l.Stock(c))
	}
}

// mayRefuse lets refusals pass: they are part of life, and add nothing.
func (l *Log) mayRefuse(err error) {
	if _, ok := errors.AsType[domain.Refusal](err); err != nil && !ok {
		panic(fmt.Sprintf("a random command is at fault: %v", err))
	}
}

// Random returns a log of at least n events.
func Random(seed uint64, n int) *Log {
	l := New(seed)
	for len(l.Events) < n {
		l.Step()
		if l.rng.IntN(3) == 0 {
			l.StockStep()
		}
	}
	return l
}

// Of returns the events that belong to an order: those of its own stream, and those that carry its key.
func (l *Log) Of(orderID string) []projections.Event {
	var events []projections.Event
	for i := range l.Events {
		if l.Events[i].Meta.Key == orderID {
			events = append(events, l.Events[i])
		}
	}
	return events
}

// Wanted returns the events of the types that p wants.
func Wanted(p projections.Projection, events []projections.Event) []projections.Event {
	types := p.Types()
	return slices.DeleteFunc(slices.Clone(events), func(e projections.Event) bool { return !slices.Contains(types, e.Type) })
}
