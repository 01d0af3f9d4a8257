package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"

	"waybill/api/wire"
	"waybill/domain/money"
	"waybill/domain/order"
)

// shop makes orders as a shop of some size has them: a catalogue in which some things sell better than others, customers
// who come again, and addresses as they are written where the customers live. The same seed makes the same orders. It is
// for one goroutine.
type shop struct {
	rng       *rand.Rand
	catalogue []article
	seen      int // orders made so far
}

// article is something that the shop sells.
type article struct {
	sku, title string
	cents      int64
}

const location = "MAIN"

// newShop returns a shop with so many articles.
func newShop(seed uint64, articles int) *shop {
	s := &shop{rng: rand.New(rand.NewPCG(seed, 20261122))} //nolint:gosec // the same orders every time
	things := []string{"mug", "teapot", "plate", "bowl", "towel", "cushion", "lamp", "candle", "notebook", "tray", "vase", "apron", "basket", "kettle", "jug", "clock"}
	colours := []string{"white", "blue", "red", "green", "grey", "black", "ivory", "mustard"}
	lines := []string{"Harbour", "Meadow", "Studio", "Nordic", "Heritage", "Atelier", "Garden", "Linen"}
	for i := range articles {
		thing, colour, line := things[i%len(things)], colours[i/len(things)%len(colours)], lines[i/len(things)/len(colours)%len(lines)]
		s.catalogue = append(s.catalogue, article{
			sku:   fmt.Sprintf("%s-%s-%04d", strings.ToUpper(thing[:3]), strings.ToUpper(colour[:3]), i),
			title: fmt.Sprintf("%s %s, %s", line, thing, colour),
			cents: 390 + int64(i*7919%9600),
		})
	}
	return s
}

// town is where customers live, and how addresses look there.
type town struct{ country, city, postcode, street string }

func towns() []town {
	return []town{
		{"DE", "Berlin", "1%04d", "Oranienstraße %d"},
		{"DE", "Hamburg", "2%04d", "Lange Reihe %d"},
		{"DE", "Köln", "5%04d", "Venloer Straße %d"},
		{"GB", "London", "SW%d 4QP", "%d Clapham High Street"},
		{"GB", "Leeds", "LS%d 2AB", "%d Otley Road"},
		{"GB", "Bristol", "BS%d 5TJ", "%d Gloucester Road"},
		{"FR", "Lyon", "69%03d", "%d rue de la République"},
		{"FR", "Nantes", "44%03d", "%d quai de la Fosse"},
		{"NL", "Utrecht", "35%02d AB", "Oudegracht %d"},
		{"PL", "Kraków", "30-%03d", "ulica Długa %d"},
		{"SE", "Göteborg", "411 %02d", "Linnégatan %d"},
		{"ES", "Sevilla", "41%03d", "Calle Feria %d"},
	}
}

func firstNames() []string {
	return []string{"Ana", "Ben", "Chloé", "Deniz", "Emil", "Fatou", "Greta", "Hugo", "Ines", "Jakub", "Karin", "Liam", "Maja", "Noor", "Oskar", "Priya"}
}

func lastNames() []string {
	return []string{"Silva", "Okafor", "Martin", "Yılmaz", "Novák", "Diallo", "Berg", "Rossi", "Kowalska", "Smith", "van Dijk", "Lindqvist", "García", "Schäfer", "Patel", "Dubois"}
}

// customers is how many customers the shop has.
const customers = 20_000

// pick returns one of n; earlier ones come more often, as some articles sell better than others.
func (s *shop) pick(n int) int { return min(s.rng.IntN(n), s.rng.IntN(n)) }

// order returns an order of so many lines, on account, from stock. ref is its name upstream.
func (s *shop) order(ref string, lines int) wire.Place {
	s.seen++
	n := s.rng.IntN(customers)
	first, last := firstNames()[n%16], lastNames()[n/16%16]
	t := towns()[n%12]
	name := first + " " + last
	eur := func(minor int64) wire.Money { return wire.Money{Minor: minor, Currency: "EUR"} }
	p := wire.Place{
		Channel: "web", SourceRef: ref, CustomerID: fmt.Sprintf("customer-%05d", n), Currency: "EUR",
		Contact: &wire.Contact{
			Name: name, Email: fmt.Sprintf("customer%d@example.com", n), Phone: fmt.Sprintf("+49 30 %07d", n),
			Delivery: &wire.Address{
				Name: name, Lines: []string{fmt.Sprintf(t.street, 1+n%180)}, City: t.city, Postcode: fmt.Sprintf(t.postcode, n%90), Country: t.country,
			},
		},
		Payment: &wire.PaymentTerms{Kind: string(order.PaymentOnAccount)},
		Reserve: string(order.ReserveOnOrder),
	}
	if s.seen%5 == 0 {
		p.Tags = []string{"gift"}
	}
	goods := int64(0)
	at := s.pick(len(s.catalogue))
	for range lines {
		a := s.catalogue[at%len(s.catalogue)]
		at += 1 + s.rng.IntN(7) // another article each
		units := int64(1 + s.rng.IntN(2))
		goods += units * a.cents
		p.Lines = append(p.Lines, wire.Line{
			SKU: a.sku, Title: a.title, Quantity: units, UnitPrice: string(price(a.cents)), PriceIncludesTax: true,
			Taxes: []wire.Tax{{Code: "VAT-DE", Rate: "0.19", Amount: eur(units * a.cents * 19 / 119)}}, Total: eur(units * a.cents),
		})
	}
	tax := int64(0)
	for _, l := range p.Lines {
		tax += l.Taxes[0].Amount.Minor
	}
	const parcel = 490
	p.Shipping = []wire.ShippingLine{{Title: "Parcel", Amount: eur(parcel), PriceIncludesTax: true, Total: eur(parcel)}}
	shipping, taxes := eur(parcel), eur(tax)
	p.Totals = wire.Totals{Goods: eur(goods), Shipping: &shipping, Tax: &taxes, Grand: eur(goods + parcel)}
	return p
}

// body returns an order as it is sent.
func (s *shop) body(ref string, lines int) ([]byte, error) {
	p := s.order(ref, lines)
	b, err := json.Marshal(&p)
	if err != nil {
		return nil, fmt.Errorf("write order %s: %w", ref, err)
	}
	return b, nil
}

func price(cents int64) money.Price { return money.Price(fmt.Sprintf("%d.%02d", cents/100, cents%100)) }
