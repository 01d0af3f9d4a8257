package story_test

import (
	"math/rand/v2"
	"testing"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/payment"
	"waybill/domain/stock"
)

// steps is how long a walk is: enough for goods to go out and come back, although often there is nothing to do, or it is refused.
const steps = 250

const shippingCost = 333

// walker takes random steps in a world. All that is random comes from its seed.
type walker struct {
	*world

	random *rand.Rand
}

func newWalker(t testing.TB, seed uint64) *walker {
	t.Helper()
	return &walker{world: newWorld(t, seed), random: rand.New(rand.NewPCG(seed, 61))}
}

// begin begins a story: there is stock at two locations, and an order of two lines is placed, authorised and confirmed.
func (k *walker) begin() {
	for _, l := range []string{"A", "B"} {
		for _, location := range k.locations() {
			key := stock.Key{SKU: sku(l), Location: location}
			k.tellStock(stock.Receive{Key: key, MovementID: k.id("receipt"), Quantity: 1000, Now: k.now})
		}
	}
	k.place()
	p := k.newPayment(k.order.Due().Minor)
	k.answer(p, p.Open()[0], payment.OutcomeSucceeded)
	k.tellOrder(order.Confirm{ID: orderID, Now: k.now})
}

// place places the order. Its second line has a discount that its units cannot share evenly, so that what is given back for
// them has to be rounded.
func (k *walker) place() {
	line := func(id string, quantity, unit, discount int64) order.Line {
		price, err := money.PriceOf(eur(unit))
		if err != nil {
			k.fail("price of line %s: %v", id, err)
		}
		l := order.Line{
			ID: id, SKU: sku(id), Title: "Thing " + id, Quantity: quantity, UnitPrice: price, PriceIncludesTax: true,
			Total: eur(quantity*unit - discount), RequiresShipping: true,
		}
		if discount > 0 {
			l.Discounts = []order.Discount{{ID: "d-" + id, Amount: eur(discount)}}
		}
		return l
	}
	a, b := line("A", 3, 1000, 0), line("B", 3, 777, 100)
	goods, discount := eur(3*1000+3*777), eur(100)
	k.tellOrder(order.Place{ID: orderID, Now: k.now, Details: order.Details{
		Number: "1001", Channel: "web", Currency: currency, PlacedAt: k.now, ReservePolicy: order.ReserveOnOrder,
		PaymentTerms: order.PaymentTerms{Kind: order.PaymentAuthorise, PayBy: k.now + day},
		Lines:        []order.Line{a, b},
		Shipping: []order.ShippingLine{{
			ID: "parcel", Title: "Parcel", Amount: eur(shippingCost), PriceIncludesTax: true, Total: eur(shippingCost),
		}},
		Totals: order.Totals{
			Goods: goods, Discount: discount, Shipping: eur(shippingCost), Surcharge: eur(0), Tax: eur(0),
			Grand: eur(goods.Minor - discount.Minor + shippingCost),
		},
	}})
}

// walk takes random steps, and checks after each.
func (k *walker) walk() {
	k.begin()
	all := append(k.goods(), append(k.money(), k.back()...)...)
	var weights int
	for _, s := range all {
		weights += s.weight
	}
	for n := range steps {
		at := k.random.IntN(weights)
		for _, s := range all {
			if at -= s.weight; at < 0 {
				k.step(n, s)
				break
			}
		}
	}
}

// step takes one step, and checks if anything has happened. A step that found nothing to do is not told.
func (k *walker) step(n int, s step) {
	told, had := len(k.tale), len(k.sent)
	k.note("step %d: %s", n, s.name)
	k.now += 1000
	s.take()
	if len(k.tale) == told+1 {
		k.tale = k.tale[:told]
	}
	if len(k.sent) > had {
		k.check()
	}
}

// step is something that may happen next. Most steps find nothing to do at times, and then they do nothing.
type step struct {
	name   string
	weight int // how often it is taken, in proportion
	take   func()
}

func (k *walker) locations() []string { return []string{"BER", "HAM"} }

// oneIn is true once in n times.
func (k *walker) oneIn(n int) bool { return k.random.IntN(n) == 0 }

// upTo returns a number from 1 to n.
func (k *walker) upTo(n int64) int64 { return 1 + k.random.Int64N(n) }

// some returns one of list, which is not empty.
func some[E any](k *walker, list ...E) E { return list[k.random.IntN(len(list))] }

// with does something with one of list, if there is any.
func with[E any](k *walker, list []E, do func(E)) {
	if len(list) > 0 {
		do(some(k, list...))
	}
}

// later returns the time at which everything that waits has run out.
func (k *walker) later() domain.Time { return k.now + 60*day }
