package wire

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"waybill/api/problem"
	"waybill/commands"
	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// Stamp is what a command gets from the edge: who it is, and when it came in.
type Stamp struct {
	CommandID uuid.UUID
	Now       time.Time
}

// Built is what a payload means to the bus.
type Built struct {
	Steps   []commands.Step
	Key     string // partition key of the events
	Channel string // the sales channel, if the command names one
}

// Payload is the shape of one command.
type Payload interface {
	// Build returns what the command means. The problem says which value is wrong in itself.
	Build(s Stamp) (Built, *problem.Problem)
}

func orderStep(c order.Command) Built {
	return Built{Steps: []commands.Step{commands.Order(c)}, Key: string(c.OrderID())}
}

func stockStep(c stock.Command) Built { return Built{Steps: []commands.Step{commands.Stock(c)}} }

// checkOrderID takes a UUID in its canonical text form.
func checkOrderID(id string) *problem.Problem {
	if u, err := uuid.Parse(id); err != nil || u.String() != id {
		return problem.New(problem.Malformed, "order_id %q is not a UUID in lower case", id).At("body.order_id", "is not a UUID in lower case")
	}
	return nil
}

// Build implements [Payload].
func (p *Place) Build(s Stamp) (Built, *problem.Problem) {
	if p.OrderID != "" {
		if err := checkOrderID(p.OrderID); err != nil {
			return Built{}, err
		}
	}
	id := p.OrderID
	if id == "" {
		id = uuid.Must(uuid.NewV7()).String()
	}
	d, err := p.details()
	if err != nil {
		return Built{}, err
	}
	b := orderStep(order.Place{ID: order.ID(id), Details: d, Now: domain.TimeOf(s.Now)})
	b.Channel = p.Channel
	return b, nil
}

func (p *Place) details() (order.Details, *problem.Problem) {
	c := money.Currency(p.Currency)
	d := order.Details{
		Number: p.OrderNumber, Channel: p.Channel, SourceRef: p.SourceRef, CustomerID: p.CustomerID, Currency: c,
		Totals:        p.Totals.domain(c),
		ReservePolicy: order.ReservePolicy(p.Reserve), ShipBy: timeOf(p.ShipBy), Tags: p.Tags, Attributes: p.Attributes,
		PlacedAt: timeOf(p.PlacedAt),
	}
	if p.Contact != nil {
		d.Contact = p.Contact.domain()
	}
	if p.Rounding != nil {
		d.Rounding = order.Rounding{Level: order.RoundingLevel(p.Rounding.Level), Mode: money.Mode(p.Rounding.Mode)}
	}
	if p.Payment != nil {
		d.PaymentTerms = order.PaymentTerms{Kind: order.PaymentKind(p.Payment.Kind), PayBy: timeOf(p.Payment.PayBy)}
	}
	d.Lines = make([]order.Line, len(p.Lines))
	for i := range p.Lines {
		line, err := p.Lines[i].domain(i, "lines["+strconv.Itoa(i)+"]")
		if err != nil {
			return order.Details{}, err
		}
		d.Lines[i] = line
	}
	for i := range p.Shipping {
		d.Shipping = append(d.Shipping, p.Shipping[i].domain(i))
	}
	for i := range p.Surcharges {
		d.Surcharges = append(d.Surcharges, p.Surcharges[i].domain(i))
	}
	return d, nil
}

func (t *Totals) domain(c money.Currency) order.Totals {
	return order.Totals{
		Goods: t.Goods.domain(), Discount: t.Discount.or(c), Shipping: t.Shipping.or(c), Surcharge: t.Surcharge.or(c),
		Tax: t.Tax.or(c), Grand: t.Grand.domain(),
	}
}

func (m *Money) domain() money.Money { return money.New(m.Minor, money.Currency(m.Currency)) }

// or returns the amount, or zero in the currency c where none was given.
func (m *Money) or(c money.Currency) money.Money {
	if m == nil {
		return money.New(0, c)
	}
	return m.domain()
}

// orNone returns the amount, or the zero Money where none was given: it takes the currency of the order.
func (m *Money) orNone() money.Money {
	if m == nil {
		return money.Money{}
	}
	return m.domain()
}

func timeOf(t *time.Time) domain.Time {
	if t == nil {
		return 0
	}
	return domain.TimeOf(*t)
}

// personal marks text as personal; absent text stays absent.
func personal(text string) domain.Personal {
	if text == "" {
		return domain.Personal{}
	}
	return domain.NewPersonal(text)
}

func (c *Contact) domain() order.Contact {
	return order.Contact{
		Name: personal(c.Name), Email: personal(c.Email), Phone: personal(c.Phone),
		Billing: c.Billing.domain(), Delivery: c.Delivery.domain(),
	}
}

func (a *Address) domain() order.Address {
	if a == nil {
		return order.Address{}
	}
	out := order.Address{
		Name: personal(a.Name), City: personal(a.City), Region: personal(a.Region), Postcode: personal(a.Postcode),
		PostcodePrefix: a.PostcodePrefix, Country: a.Country,
	}
	for _, l := range a.Lines {
		out.Lines = append(out.Lines, personal(l))
	}
	return out
}

// domain returns the line that stands at a path of the body, and is the i-th of its list.
func (l *Line) domain(i int, at string) (order.Line, *problem.Problem) {
	price, err := money.ParsePrice(l.UnitPrice)
	if err != nil {
		at += ".unit_price"
		return order.Line{}, problem.New(problem.Malformed, "body.%s: %v", at, err).At("body."+at, err.Error())
	}
	return order.Line{
		ID: numbered(l.LineID, i), SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: price,
		PriceIncludesTax: l.PriceIncludesTax, Discounts: discounts(l.Discounts), Taxes: taxes(l.Taxes), Total: l.Total.domain(),
		RequiresShipping: l.RequiresShipping == nil || *l.RequiresShipping, AllowBackorder: l.AllowBackorder, Location: l.Location,
	}, nil
}

// numbered returns the id, or the place in its list from 1 on where none was given.
func numbered(id string, i int) string {
	if id == "" {
		return strconv.Itoa(i + 1)
	}
	return id
}

func discounts(in []Discount) []order.Discount {
	var out []order.Discount
	for i, d := range in {
		out = append(out, order.Discount{ID: numbered(d.ID, i), Code: d.Code, Amount: d.Amount.domain()})
	}
	return out
}

func taxes(in []Tax) []order.Tax {
	var out []order.Tax
	for _, t := range in {
		out = append(out, order.Tax{Code: t.Code, Rate: t.Rate, Amount: t.Amount.domain()})
	}
	return out
}

func (s *ShippingLine) domain(i int) order.ShippingLine {
	return order.ShippingLine{
		ID: numbered(s.ID, i), Title: s.Title, Amount: s.Amount.domain(), PriceIncludesTax: s.PriceIncludesTax,
		Discounts: discounts(s.Discounts), Taxes: taxes(s.Taxes), Total: s.Total.domain(),
	}
}

func (s *Surcharge) domain(i int) order.Surcharge {
	return order.Surcharge{
		ID: numbered(s.ID, i), Title: s.Title, Amount: s.Amount.domain(), PriceIncludesTax: s.PriceIncludesTax,
		Taxes: taxes(s.Taxes), Total: s.Total.domain(),
	}
}
