package order

import (
	"waybill/domain"
	"waybill/domain/money"
)

// placedV1 is order.placed as it was first stored: prices in whole minor units, one tax and one delivery amount for
// the whole order, and neither discounts nor surcharges nor a rounding policy.
type placedV1 struct {
	OrderID      ID             `msgpack:"order_id"`
	Number       string         `msgpack:"number"`
	Channel      string         `msgpack:"channel"`
	SourceRef    string         `msgpack:"source_ref"`
	CustomerID   string         `msgpack:"customer_id"`
	Contact      Contact        `msgpack:"contact"`
	Currency     money.Currency `msgpack:"currency"`
	Lines        []lineV1       `msgpack:"lines"`
	ShippingCost int64          `msgpack:"shipping_minor"`
	Tax          int64          `msgpack:"tax_minor"` // included in the prices
	Grand        int64          `msgpack:"grand_minor"`
	Tags         []string       `msgpack:"tags"`
	At           domain.Time    `msgpack:"at"`
}

// lineV1 is a line of [placedV1].
type lineV1 struct {
	ID             string `msgpack:"line_id"`
	SKU            string `msgpack:"sku"`
	Title          string `msgpack:"title"`
	Quantity       int64  `msgpack:"quantity"`
	UnitPriceMinor int64  `msgpack:"unit_price_minor"`
}
