package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/google/uuid"

	"waybill/commands"
	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// demoOrders is how many orders dev places in an empty log.
const demoOrders = 25

// product is something that the demo shop sells.
type product struct {
	sku, title string
	cents      int64
	onHand     int64
}

func demoProducts() []product {
	return []product{
		{"MUG-BLUE", "Blue mug", 1290, 60},
		{"MUG-RED", "Red mug", 1290, 60},
		{"TEAPOT", "Cast iron teapot", 5900, 12},
		{"TEA-EARL", "Earl Grey, 100 g", 890, 200},
		{"TEA-MINT", "Mint tea, 100 g", 690, 200},
		{"TOWEL", "Linen tea towel", 1450, 40},
		{"KETTLE", "Copper kettle", 12900, 0},
	}
}

// placeDemo fills an empty log with a small shop: most orders are confirmed, one is rejected because the kettle is not
// there, one is on hold, one waits for money, and one is cancelled. It is the same every time, but for the times.
func placeDemo(ctx context.Context, bus *commands.Bus, now time.Time) (placed int, err error) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a demo that is the same every time
	at := domain.TimeOf(now)
	products := demoProducts()
	for _, p := range products {
		if p.onHand == 0 {
			continue
		}
		c := commands.OnStock(demoID("receive", p.sku), stock.Receive{Key: stock.Key{SKU: p.sku, Location: "MAIN"}, MovementID: "demo-" + p.sku, Quantity: p.onHand, Now: at})
		if err := send(ctx, bus, c); err != nil {
			return 0, err
		}
	}
	for i := range demoOrders {
		o := demoOrder(r, i, products, at)
		if err := send(ctx, bus, commands.OnOrder(demoID("place", string(o.ID)), o)); err != nil {
			return i, err
		}
		if err := demoStory(ctx, bus, i, o.ID, at); err != nil {
			return i, err
		}
	}
	return demoOrders, nil
}

// demoStory is what happens to some of the orders.
func demoStory(ctx context.Context, bus *commands.Bus, i int, id order.ID, at domain.Time) error {
	var c order.Command
	switch i {
	case 3:
		c = order.PlaceHold{ID: id, HoldID: "fraud-1", Kind: order.HoldFraud, Blocks: []order.Verb{order.VerbShip}, Note: domain.NewPersonal("address does not match the card"), Now: at}
	case 8:
		c = order.AddNote{ID: id, NoteID: "note-1", Text: domain.NewPersonal("gift wrap, please"), Now: at}
	case 11:
		c = order.Cancel{ID: id, CancellationID: "cancel-1", Reason: order.CancelCustomer, Now: at}
	default:
		return nil
	}
	return send(ctx, bus, commands.OnOrder(demoID("story", string(id)), c))
}

func demoOrder(r *rand.Rand, i int, products []product, at domain.Time) order.Place {
	d := order.Details{
		Channel: []string{"web", "web", "shop", "marketplace"}[r.IntN(4)], SourceRef: "demo-" + strconv.Itoa(1001+i), Currency: "EUR",
		CustomerID:   fmt.Sprintf("customer-%02d", 1+r.IntN(12)),
		Contact:      order.Contact{Name: domain.NewPersonal(demoName(r)), Delivery: order.Address{Country: []string{"DE", "FR", "NL"}[r.IntN(3)]}},
		PaymentTerms: order.PaymentTerms{Kind: order.PaymentOnAccount}, ReservePolicy: order.ReserveOnOrder,
	}
	goods := int64(0)
	for n, p := range r.Perm(len(products) - 1)[:1+r.IntN(3)] {
		goods += demoLine(&d, n, products[p], 1+r.Int64N(2))
	}
	switch i {
	case 6: // the kettle was never received: rejected
		goods += demoLine(&d, len(d.Lines), products[len(products)-1], 1)
	case 17: // wants money first, which nobody can record yet: it waits
		d.PaymentTerms = order.PaymentTerms{Kind: order.PaymentPrepaid, PayBy: at.Add(72 * time.Hour)}
	}
	eur := func(minor int64) money.Money { return money.New(minor, "EUR") }
	d.Totals = order.Totals{Goods: eur(goods), Discount: eur(0), Shipping: eur(490), Surcharge: eur(0), Tax: eur(0), Grand: eur(goods + 490)}
	d.Shipping = []order.ShippingLine{{ID: "s1", Title: "Parcel", Amount: eur(490), Total: eur(490)}}
	return order.Place{ID: order.ID(demoID("order", d.SourceRef).String()), Details: d, Now: at}
}

func demoLine(d *order.Details, n int, p product, quantity int64) (total int64) {
	total = p.cents * quantity
	d.Lines = append(d.Lines, order.Line{
		ID: strconv.Itoa(n + 1), SKU: p.sku, Title: p.title, Quantity: quantity,
		UnitPrice: money.Price(fmt.Sprintf("%d.%02d", p.cents/100, p.cents%100)), Total: money.New(total, "EUR"), RequiresShipping: true,
	})
	return total
}

func demoName(r *rand.Rand) string {
	first := []string{"Ana", "Ben", "Chloé", "Deniz", "Emil", "Fatou", "Greta", "Hugo"}
	last := []string{"Silva", "Okafor", "Martin", "Yılmaz", "Novák", "Diallo", "Berg", "Rossi"}
	return first[r.IntN(len(first))] + " " + last[r.IntN(len(last))]
}

// demoID derives an id, so that a demo that was cut short goes on where it was.
func demoID(kind, name string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("waybill/demo/"+kind+"/"+name))
}

func send(ctx context.Context, bus *commands.Bus, c commands.Command) error {
	c.Actor, c.Channel = "dev:demo", "demo"
	if _, err := bus.Execute(ctx, c); err != nil {
		return fmt.Errorf("place demo data: %s: %w", c.Type, err)
	}
	return nil
}
