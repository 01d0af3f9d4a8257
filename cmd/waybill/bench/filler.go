package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/api/wire"
	"waybill/commands"
	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

const (
	fillChunk   = 20_000               // events in one transaction
	fillStep    = 5 * time.Millisecond // between two events, by the times of the history
	fillArticle = 5000
)

// filler writes a history straight into the tables of the log, by COPY: millions of events in a minute. It is for the
// benchmark alone, on a log in which nobody else writes.
//
// The events are those that the domain decides, encoded as the bus encodes them, with their commands and their claims: an
// order is placed, its stock is reserved, it is confirmed; some wait, are held, cancelled or rejected.
type filler struct {
	conn     *pgx.Conn
	shop     *shop
	head     int64
	orders   int64
	versions map[string]int64 // of the streams of stock
	version  int64            // of the stream of the order in the making
	at       time.Time        // of the last event

	events, claims [][]any
}

func newFiller(conn *pgx.Conn, most int64) *filler {
	return &filler{
		conn: conn, shop: newShop(1, fillArticle), versions: map[string]int64{},
		at: time.Now().UTC().Truncate(time.Microsecond).Add(-time.Duration(most) * fillStep * 2),
	}
}

// fill adds orders until the log has at least so many events.
func (f *filler) fill(ctx context.Context, events int64) error {
	if err := f.conn.QueryRow(ctx, `SELECT position FROM waybill.log_head`).Scan(&f.head); err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	for f.head < events {
		for len(f.events) < fillChunk && f.head < events {
			if err := f.order(); err != nil {
				return fmt.Errorf("fill the log: %w", err)
			}
		}
		if err := f.flush(ctx); err != nil {
			return fmt.Errorf("fill the log: %w", err)
		}
	}
	for _, table := range []string{"waybill.events", "waybill.claims"} { // as autovacuum leaves it after a while
		if _, err := f.conn.Exec(ctx, "VACUUM (ANALYZE) "+table); err != nil {
			return fmt.Errorf("fill the log: %w", err)
		}
	}
	return nil
}

// flush writes what was decided, and moves the head of the log.
func (f *filler) flush(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, f.conn, func(tx pgx.Tx) error {
		// The log is locked as by its appender.
		if _, err := tx.Exec(ctx, `SELECT FROM waybill.log_head FOR NO KEY UPDATE`); err != nil {
			return err
		}
		columns := []string{"position", "version", "recorded_at", "event_id", "command_id", "schema", "commit_size", "stream", "type", "data", "meta", "fingerprint"}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"waybill", "events"}, columns, pgx.CopyFromRows(f.events)); err != nil {
			return err
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"waybill", "claims"}, []string{"position", "key"}, pgx.CopyFromRows(f.claims)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE waybill.log_head SET position = $1, recorded_at = greatest(recorded_at, $2)`, f.head, f.at)
		return err
	})
	f.events, f.claims = f.events[:0], f.claims[:0]
	return err
}

// fillCommit is the events of one command in the making.
type fillCommit struct {
	f       *filler
	key     string // partition key
	command string
	actor   string
	first   int // among f.events
}

func (f *filler) commit(key, command, actor string) *fillCommit {
	return &fillCommit{f: f, key: key, command: command, actor: actor, first: len(f.events)}
}

// add adds an event.
func (c *fillCommit) add(stream string, version int64, typ string, schema int16, data []byte) error {
	meta, err := eventstore.EncodeMeta(eventstore.Meta{
		Key: c.key, Command: c.command, Actor: c.actor, Channel: "web", CorrelationID: c.key, CausationID: c.key,
	})
	if err != nil {
		return err
	}
	f := c.f
	f.head++
	f.at = f.at.Add(fillStep)
	f.events = append(f.events, []any{f.head, version, f.at, [16]byte(newID()), nil, schema, nil, stream, typ, data, meta, nil})
	return nil
}

// end gives the first event what only that has. Ids of commands come from everywhere, and follow no order.
func (c *fillCommit) end() {
	if c.first == len(c.f.events) {
		return
	}
	first := c.f.events[c.first]
	first[4], first[6] = [16]byte(uuid.New()), int16(len(c.f.events)-c.first)
}

// order adds one order and what becomes of it.
func (f *filler) order() error {
	f.orders++
	f.version = 0
	n := f.orders
	form := f.shop.order("fill-"+strconv.FormatInt(n, 10), lines)
	details := detailsOf(&form, fmt.Sprintf("W-%09d", n))
	id := newID().String()
	now := domain.TimeOf(f.at)
	var state order.Order
	f.claims = append(f.claims,
		[]any{f.head + 1, commands.SourceClaim(details.Channel, details.SourceRef)}, []any{f.head + 1, commands.NumberClaim(details.Channel, details.Number)})
	details.PlacedAt = now
	if err := f.decide(&state, id, "key:web-shop", order.Place{ID: order.ID(id), Details: details, Now: now}); err != nil {
		return err
	}
	if n%500 == 0 { // it waits
		return nil
	}
	if n%50 == 1 {
		return f.decide(&state, id, "process:placement", order.Reject{ID: order.ID(id), Rejection: order.Rejection{Reason: order.RejectOutOfStock}, Now: now})
	}
	if err := f.confirm(&state, id, &form, now); err != nil {
		return err
	}
	switch {
	case n%333 == 0:
		return f.decide(&state, id, "key:console", order.PlaceHold{ID: order.ID(id), HoldID: "1", Kind: order.HoldFraud, Now: now})
	case n%20 == 0:
		return f.decide(&state, id, "key:console", order.Cancel{ID: order.ID(id), CancellationID: "1", Reason: order.CancelCustomer, Now: now})
	case n%1000 == 3:
		return f.decide(&state, id, "key:console", order.Tag{ID: order.ID(id), Tags: []string{"rush"}, Now: now})
	}
	return nil
}

// decide lets an order decide, and adds what comes of it as a commit of its own.
func (f *filler) decide(state *order.Order, id, actor string, c order.Command) error {
	commit := f.commit(id, c.CommandType(), actor)
	if err := commit.decide(state, id, c); err != nil {
		return err
	}
	commit.end()
	return nil
}

func (c *fillCommit) decide(state *order.Order, id string, command order.Command) error {
	events, err := order.Decide(state, command)
	if err != nil {
		return err
	}
	stream := order.Stream(order.ID(id))
	for _, e := range events {
		order.Evolve(state, e)
		typ, schema, data, err := order.Encode(e)
		if err != nil {
			return err
		}
		c.f.version++
		if err := c.add(stream, c.f.version, typ, schema, data); err != nil {
			return err
		}
	}
	return nil
}

// confirm reserves the stock of an order in one commit, and confirms it with the reservations in another.
func (f *filler) confirm(state *order.Order, id string, form *wire.Place, now domain.Time) error {
	items := make([]*stock.Item, len(form.Lines))
	reserve := f.commit(id, stock.CommandReserve, "process:placement")
	for i, l := range form.Lines {
		// What is decided depends on the item only by there being enough, so one that was just filled does.
		items[i] = new(stock.Item)
		key := stock.Key{SKU: l.SKU, Location: location}
		received, err := stock.Decide(items[i], stock.Receive{Key: key, MovementID: "1", Quantity: plenty, Now: now})
		if err != nil {
			return err
		}
		for _, e := range received {
			stock.Evolve(items[i], e)
		}
		line := strconv.Itoa(i + 1)
		if f.versions[key.Stream()] == 0 {
			if err := reserve.stock(new(stock.Item), stock.Receive{Key: key, MovementID: "1", Quantity: plenty, Now: now}); err != nil {
				return err
			}
		}
		err = reserve.stock(items[i], stock.Reserve{
			Key: key, OrderID: id, ExpiresAt: now.Add(15 * time.Minute), Now: now,
			Reservations: []stock.Ask{{ReservationID: stock.ReservationID(id, line, 1), Quantity: l.Quantity}},
		})
		if err != nil {
			return err
		}
	}
	reserve.end()
	confirm := f.commit(id, order.CommandConfirm, "process:placement")
	if err := confirm.decide(state, id, order.Confirm{ID: order.ID(id), Now: now}); err != nil {
		return err
	}
	for i, l := range form.Lines {
		err := confirm.stock(items[i], stock.Confirm{
			Key: stock.Key{SKU: l.SKU, Location: location}, OrderID: id,
			ReservationIDs: []string{stock.ReservationID(id, strconv.Itoa(i+1), 1)}, Now: now,
		})
		if err != nil {
			return err
		}
	}
	confirm.end()
	return nil
}

// stock lets an item decide, and adds what comes of it.
func (c *fillCommit) stock(item *stock.Item, command stock.Command) error {
	events, err := stock.Decide(item, command)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return errors.New("an item of the history had nothing to say")
	}
	stream := command.ItemKey().Stream()
	for _, e := range events {
		stock.Evolve(item, e)
		typ, schema, data, err := stock.Encode(e)
		if err != nil {
			return err
		}
		c.f.versions[stream]++
		if err := c.add(stream, c.f.versions[stream], typ, schema, data); err != nil {
			return err
		}
	}
	return nil
}

// detailsOf is an order of the shop as the domain has it.
func detailsOf(p *wire.Place, number string) order.Details {
	eur := func(m wire.Money) money.Money { return money.New(m.Minor, money.Currency(m.Currency)) }
	zero := money.New(0, money.Currency(p.Currency))
	text := domain.NewPersonal
	address := p.Contact.Delivery
	d := order.Details{
		Number: number, Channel: p.Channel, SourceRef: p.SourceRef, CustomerID: p.CustomerID, Currency: money.Currency(p.Currency),
		Contact: order.Contact{
			Name: text(p.Contact.Name), Email: text(p.Contact.Email), Phone: text(p.Contact.Phone),
			Delivery: order.Address{
				Name: text(address.Name), Lines: []domain.Personal{text(address.Lines[0])}, City: text(address.City),
				Postcode: text(address.Postcode), Country: address.Country,
			},
		},
		Tags: p.Tags, PaymentTerms: order.PaymentTerms{Kind: order.PaymentKind(p.Payment.Kind)}, ReservePolicy: order.ReservePolicy(p.Reserve),
		Totals: order.Totals{
			Goods: eur(p.Totals.Goods), Discount: zero, Shipping: eur(*p.Totals.Shipping), Surcharge: zero, Tax: eur(*p.Totals.Tax), Grand: eur(p.Totals.Grand),
		},
	}
	for i, l := range p.Lines {
		d.Lines = append(d.Lines, order.Line{
			ID: strconv.Itoa(i + 1), SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: money.Price(l.UnitPrice), PriceIncludesTax: true,
			Taxes: []order.Tax{{Code: l.Taxes[0].Code, Rate: l.Taxes[0].Rate, Amount: eur(l.Taxes[0].Amount)}}, Total: eur(l.Total), RequiresShipping: true,
		})
	}
	for i, s := range p.Shipping {
		d.Shipping = append(d.Shipping, order.ShippingLine{ID: strconv.Itoa(i + 1), Title: s.Title, Amount: eur(s.Amount), PriceIncludesTax: true, Total: eur(s.Total)})
	}
	return d
}
