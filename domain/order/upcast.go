package order

import (
	"waybill/domain"
	"waybill/domain/money"
)

// placedV1 is order.placed as it was first stored: prices in whole minor units, one tax and one delivery amount for
// the whole order, and neither discounts nor surcharges nor a rounding policy.
type placedV1 struct {
	OrderID      ID             `msgpack:"order_id"`
	Number       string         `msgpack:"number,omitempty"`
	Channel      string         `msgpack:"channel,omitempty"`
	SourceRef    string         `msgpack:"source_ref,omitempty"`
	CustomerID   string         `msgpack:"customer_id,omitempty"`
	Contact      Contact        `msgpack:"contact,omitempty"`
	Currency     money.Currency `msgpack:"currency"`
	Lines        []lineV1       `msgpack:"lines,omitempty"`
	ShippingCost int64          `msgpack:"shipping_minor"`
	Tax          int64          `msgpack:"tax_minor"` // included in the prices
	Grand        int64          `msgpack:"grand_minor"`
	Tags         []string       `msgpack:"tags,omitempty"`
	At           domain.Time    `msgpack:"at"`
}

// lineV1 is a line of [placedV1].
type lineV1 struct {
	ID             string `msgpack:"line_id,omitempty"`
	SKU            string `msgpack:"sku,omitempty"`
	Title          string `msgpack:"title,omitempty"`
	Quantity       int64  `msgpack:"quantity"`
	UnitPriceMinor int64  `msgpack:"unit_price_minor"`
}

// upcast brings e to the current form: the prices become decimals, every line is worth what its units cost, and the
// policies are those that held when the form was in use. Delivery becomes one shipping line, and the tax of the whole
// order, which prices included, stands with it; without delivery it stands with the first line.
func (e placedV1) upcast() (Event, error) {
	zero := money.New(0, e.Currency)
	d := Details{
		Number: e.Number, Channel: e.Channel, SourceRef: e.SourceRef, CustomerID: e.CustomerID, Contact: e.Contact,
		Currency: e.Currency, Tags: e.Tags, PlacedAt: e.At,
		Rounding:      Rounding{Level: RoundLine, Mode: money.HalfEven},
		PaymentTerms:  PaymentTerms{Kind: PaymentOffline},
		ReservePolicy: ReserveOnOrder,
		Totals: Totals{
			Goods: zero, Discount: zero, Shipping: money.New(e.ShippingCost, e.Currency), Surcharge: zero,
			Tax: money.New(e.Tax, e.Currency), Grand: money.New(e.Grand, e.Currency),
		},
	}
	for _, old := range e.Lines {
		line, err := old.upcast(e.Currency)
		if err != nil {
			return nil, err
		}
		d.Lines = append(d.Lines, line)
		d.Totals.Goods.Minor += line.Total.Minor
	}
	var taxes []Tax
	if e.Tax != 0 {
		taxes = []Tax{{Code: "included", Amount: money.New(e.Tax, e.Currency)}}
	}
	switch {
	case e.ShippingCost != 0:
		cost := money.New(e.ShippingCost, e.Currency)
		d.Shipping = []ShippingLine{{ID: "1", Amount: cost, PriceIncludesTax: true, Taxes: taxes, Total: cost}}
	case len(d.Lines) > 0:
		d.Lines[0].Taxes = taxes
	}
	return Placed{OrderID: e.OrderID, Details: d, At: e.At}, nil
}

func (l lineV1) upcast(c money.Currency) (Line, error) {
	price, err := money.PriceOf(money.New(l.UnitPriceMinor, c))
	if err != nil {
		return Line{}, err
	}
	total, err := money.New(l.UnitPriceMinor, c).Mul(l.Quantity)
	if err != nil {
		return Line{}, err
	}
	return Line{
		ID: l.ID, SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: price, PriceIncludesTax: true,
		Total: total, Net: total, RequiresShipping: true,
	}, nil
}
