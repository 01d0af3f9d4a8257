package bench

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/api/wire"
	"waybill/commands"
	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

const (
	historyClients  = 64
	historyArticles = 500
	historyLines    = 3
	plenty          = 1_000_000_000 // units of each article
)

// history fills a log as the engine fills it: each order goes through the real bus, as its customer and the placement of
// orders send it there, many of them at once.
type history struct {
	bus *commands.Bus

	mu   sync.Mutex // guards shop
	shop *shop
}

func newHistory(ctx context.Context, e *Env, log *eventstore.Postgres) (*history, error) {
	bus, err := commands.New(commands.Config{Log: log, Numbers: commands.NewBlocks(&commands.MemoryCounter{})})
	if err != nil {
		return nil, err
	}
	h := &history{bus: bus, shop: newShop(1, e.Pick(historyArticles, historyArticles, 20))}
	var skus []string
	for _, a := range h.shop.catalogue {
		skus = append(skus, a.sku)
	}
	return h, receive(ctx, bus, plenty, skus...)
}

// receive puts units of each SKU on the shelf.
func receive(ctx context.Context, bus *commands.Bus, units int64, skus ...string) error {
	c := commands.Command{ID: newID(), Type: stock.CommandReceive, Actor: "key:warehouse"}
	for _, sku := range skus {
		c.Steps = append(c.Steps, commands.Stock(stock.Receive{
			Key: stock.Key{SKU: sku, Location: location}, MovementID: newID().String(), Quantity: units, Now: clock(),
		}))
	}
	if _, err := bus.Execute(ctx, c); err != nil {
		return fmt.Errorf("fill the shelves: %w", err)
	}
	return nil
}

// clock is the time for commands.
func clock() domain.Time { return domain.TimeOf(time.Now()) }

// grow adds orders until the log has at least so many events, and returns its end.
func (h *history) grow(ctx context.Context, log *eventstore.Postgres, events int) (int64, error) {
	g, growing := errgroup.WithContext(ctx)
	var enough atomic.Bool
	for range historyClients {
		g.Go(func() error {
			for !enough.Load() {
				last, err := h.order(growing)
				if err != nil {
					return err
				}
				if last >= int64(events) {
					enough.Store(true)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, fmt.Errorf("fill the log: %w", err)
	}
	end, err := log.Head(ctx)
	return end.Position, err
}

// order takes one order to its confirmation, and further what happens to some. It returns the last position.
func (h *history) order(ctx context.Context) (int64, error) {
	h.mu.Lock()
	ref := "bench-" + strconv.Itoa(h.shop.seen)
	form, n := h.shop.order(ref, historyLines), h.shop.seen
	h.mu.Unlock()
	id := newID()
	form.OrderID = id.String()
	placed, err := h.place(ctx, form)
	if err != nil {
		return 0, err
	}
	orderID, now := order.ID(form.OrderID), clock()
	reservation := commands.Reservation{OrderID: orderID, Attempt: 1, ExpiresAt: now.Add(15 * time.Minute), Now: now}
	confirm := []commands.Step{commands.Order(order.Confirm{ID: orderID, Now: now})}
	for i, l := range form.Lines {
		line := strconv.Itoa(i + 1)
		reservation.Demands = append(reservation.Demands, commands.Demand{LineID: line, SKU: l.SKU, Location: location, Quantity: l.Quantity})
		confirm = append(confirm, commands.Stock(stock.Confirm{
			Key: stock.Key{SKU: l.SKU, Location: location}, OrderID: form.OrderID,
			ReservationIDs: []string{stock.ReservationID(form.OrderID, line, 1)}, Now: now,
		}))
	}
	all := []commands.Command{commands.Reserve(newID(), reservation), {ID: newID(), Type: order.CommandConfirm, Key: form.OrderID, Steps: confirm}}
	for _, later := range laterCommands(n, orderID, now) {
		all = append(all, commands.OnOrder(newID(), later))
	}
	last := placed
	for _, c := range all {
		c.Actor, c.Channel = "process:placement", form.Channel
		result, err := h.bus.Execute(ctx, c)
		if err != nil {
			return 0, err
		}
		last = result.Position
	}
	return last, nil
}

// place places an order as the API does.
func (h *history) place(ctx context.Context, form wire.Place) (int64, error) {
	built, problem := form.Build(wire.Stamp{Now: time.Now()})
	if problem != nil {
		return 0, fmt.Errorf("an order of the shop is wrong: %s", problem.Detail)
	}
	result, err := h.bus.Execute(ctx, commands.Command{
		ID: newID(), Type: order.CommandPlace, Actor: "key:web-shop", Channel: built.Channel, Key: built.Key, Steps: built.Steps,
	})
	return result.Position, err
}

// laterCommands are what happens to the n-th order after it was confirmed: to most of them, nothing.
func laterCommands(n int, id order.ID, now domain.Time) []order.Command {
	var all []order.Command
	if n%4 == 0 {
		all = append(all, order.Tag{ID: id, Tags: []string{"checked"}, Now: now})
	}
	if n%8 == 0 {
		all = append(all, order.AddNote{ID: id, NoteID: "1", Text: domain.NewPersonal("rang at noon, wants it before Friday"), Now: now})
	}
	if n%10 == 0 {
		all = append(all, order.PlaceHold{ID: id, HoldID: "1", Kind: order.HoldFraud, Now: now}, order.ReleaseHold{ID: id, HoldID: "1", Now: now})
	}
	if n%20 == 0 {
		all = append(all, order.Cancel{ID: id, CancellationID: "1", Reason: order.CancelCustomer, Now: now})
	}
	return all
}

// loadTag is a tag that every long order has.
const loadTag = "long"

// longOrder makes an order of so many events and returns its id. It has loadTag.
func (h *history) longOrder(ctx context.Context, events int) (order.ID, error) {
	h.mu.Lock()
	form := h.shop.order("bench-"+strconv.Itoa(h.shop.seen), historyLines)
	h.mu.Unlock()
	form.OrderID = newID().String()
	if _, err := h.place(ctx, form); err != nil {
		return "", err
	}
	id, now := order.ID(form.OrderID), clock()
	c := commands.Command{
		ID: newID(), Type: order.CommandTag, Actor: "key:console", Key: form.OrderID,
		Steps: []commands.Step{commands.Order(order.Tag{ID: id, Tags: []string{loadTag}, Now: now})},
	}
	for n := 2; n < events; n++ {
		// A hold comes and goes, a tag comes and goes, and somebody writes down why.
		var step order.Command
		switch serial := strconv.Itoa(n / 5); n % 5 {
		case 0:
			step = order.PlaceHold{ID: id, HoldID: serial, Kind: order.HoldFraud, Now: now}
		case 1:
			step = order.ReleaseHold{ID: id, HoldID: serial, Now: now}
		case 2:
			step = order.AddNote{ID: id, NoteID: serial, Text: domain.NewPersonal("rang at noon, wants it before Friday"), Now: now}
		case 3:
			step = order.Tag{ID: id, Tags: []string{"urgent"}, Now: now}
		case 4:
			step = order.Untag{ID: id, Tags: []string{"urgent"}, Now: now}
		}
		c.Steps = append(c.Steps, commands.Order(step))
	}
	result, err := h.bus.Execute(ctx, c)
	if err != nil {
		return "", err
	}
	if got := result.Streams[0].Version; got != int64(events) {
		return "", fmt.Errorf("order %s has %d events, not %d", id, got, events)
	}
	return id, nil
}
