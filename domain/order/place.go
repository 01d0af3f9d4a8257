package order

import (
	"waybill/domain"
	"waybill/domain/money"
)

// Details is what an order was placed with. Once placed it never changes.
type Details struct {
	Number        string            `msgpack:"number"`         // human readable; unique by a claim made when it is placed
	Channel       string            `msgpack:"channel"`        // where it was sold: "web", "amazon-de"
	SourceRef     string            `msgpack:"source_ref"`     // the order's name upstream, unique in its channel; may be empty
	CustomerID    string            `msgpack:"customer_id"`    // empty for a guest
	Contact       Contact           `msgpack:"contact"`        // personal
	Currency      money.Currency    `msgpack:"currency"`       // of all amounts
	Lines         []Line            `msgpack:"lines"`          // 1 to MaxLines
	Shipping      []ShippingLine    `msgpack:"shipping"`       // what is charged for delivery
	Surcharges    []Surcharge       `msgpack:"surcharges"`     // fees; negative ones are discounts on the whole order
	Totals        Totals            `msgpack:"totals"`         // must add up exactly
	Rounding      Rounding          `msgpack:"rounding"`       // by which the line amounts were rounded
	PaymentTerms  PaymentTerms      `msgpack:"payment_terms"`  // when the money is due
	ReservePolicy ReservePolicy     `msgpack:"reserve_policy"` // when stock is reserved
	ShipBy        domain.Time       `msgpack:"ship_by"`        // promised, zero for no promise
	Tags          []string          `msgpack:"tags"`           // to begin with
	Attributes    map[string]string `msgpack:"attributes"`     // free facts from upstream, not personal
	PlacedAt      domain.Time       `msgpack:"placed_at"`      // when the customer placed it
}

// Contact is who ordered and where it goes.
type Contact struct {
	Name     domain.Personal `msgpack:"name"`
	Email    domain.Personal `msgpack:"email"`
	Phone    domain.Personal `msgpack:"phone"`
	Billing  Address         `msgpack:"billing"`
	Delivery Address         `msgpack:"delivery"`
}

// Address is a postal address. Country and PostcodePrefix are kept in clear for routing and reports: they do not
// point at a person.
type Address struct {
	Name           domain.Personal   `msgpack:"name"`
	Lines          []domain.Personal `msgpack:"lines"` // street and house, most exact first
	City           domain.Personal   `msgpack:"city"`
	Region         domain.Personal   `msgpack:"region"`
	Postcode       domain.Personal   `msgpack:"postcode"`
	PostcodePrefix string            `msgpack:"postcode_prefix"` // at most 4 characters
	Country        string            `msgpack:"country"`         // ISO 3166-1 alpha-2 where known, else the name as given
}

// Line is one line of an order. The same SKU may stand on several lines.
type Line struct {
	ID               string      `msgpack:"line_id"`            // unique in the order
	SKU              string      `msgpack:"sku"`                // stock keeping unit
	Title            string      `msgpack:"title"`              // as the customer saw it
	Quantity         int64       `msgpack:"quantity"`           // 1 to MaxQuantity
	UnitPrice        money.Price `msgpack:"unit_price"`         // decimal in major units, sub-minor digits allowed; may be zero
	PriceIncludesTax bool        `msgpack:"price_includes_tax"` // then taxes are not added again
	Discounts        []Discount  `msgpack:"discounts"`          // each not negative
	Taxes            []Tax       `msgpack:"taxes"`              // each not negative
	Total            money.Money `msgpack:"total"`              // rounded price × quantity − discounts, + taxes unless included
	// Net is Total and the line's share of the negative surcharges, by largest remainder over the totals: what
	// a cancellation of the whole line gives back. The decision computes it; a command leaves it zero.
	Net              money.Money `msgpack:"net"`
	RequiresShipping bool        `msgpack:"requires_shipping"` // false for what is not goods
	AllowBackorder   bool        `msgpack:"allow_backorder"`   // may be confirmed without stock
	Location         string      `msgpack:"location"`          // where to take it from, empty to let routing choose
}

// Discount is taken off a line or off delivery.
type Discount struct {
	ID     string      `msgpack:"id"`
	Code   string      `msgpack:"code"`
	Amount money.Money `msgpack:"amount"` // not negative
}

// Tax is one tax on a line, on delivery or on a surcharge.
type Tax struct {
	Code   string      `msgpack:"code"`   // such as "VAT-GB"
	Rate   string      `msgpack:"rate"`   // decimal, "0.2" for a fifth; stated for documents, not applied
	Amount money.Money `msgpack:"amount"` // as upstream computed it
}

// ShippingLine is what is charged for delivery.
type ShippingLine struct {
	ID               string      `msgpack:"shipping_id"`
	Title            string      `msgpack:"title"`
	Amount           money.Money `msgpack:"amount"` // not negative
	PriceIncludesTax bool        `msgpack:"price_includes_tax"`
	Discounts        []Discount  `msgpack:"discounts"`
	Taxes            []Tax       `msgpack:"taxes"`
	Total            money.Money `msgpack:"total"` // amount − discounts, + taxes unless included
}

// Surcharge is a fee, or a discount on the whole order when it is negative.
type Surcharge struct {
	ID               string      `msgpack:"surcharge_id"`
	Title            string      `msgpack:"title"`
	Amount           money.Money `msgpack:"amount"` // of either sign
	PriceIncludesTax bool        `msgpack:"price_includes_tax"`
	Taxes            []Tax       `msgpack:"taxes"` // of the same sign as Amount
	Total            money.Money `msgpack:"total"` // amount, + taxes unless included
}

// Totals is what an order adds up to, in its currency:
//
//	grand = goods − discount + shipping + surcharge + the part of tax that prices do not include
type Totals struct {
	Goods     money.Money `msgpack:"goods"`     // rounded unit price × quantity of all lines
	Discount  money.Money `msgpack:"discount"`  // all discounts of lines and delivery, not negative
	Shipping  money.Money `msgpack:"shipping"`  // amounts of all shipping lines
	Surcharge money.Money `msgpack:"surcharge"` // amounts of all surcharges
	Tax       money.Money `msgpack:"tax"`       // all taxes, included in prices or not
	Grand     money.Money `msgpack:"grand"`     // what the customer owes, not negative
}

// RoundingLevel says what is rounded: the price of one unit, or the whole line.
type RoundingLevel string

// The rounding levels.
const (
	RoundLine RoundingLevel = "line" // round(unit price × quantity)
	RoundUnit RoundingLevel = "unit" // round(unit price) × quantity
)

// Rounding is how the amounts of lines were rounded to minor units.
type Rounding struct {
	Level RoundingLevel `msgpack:"level"` // line if empty in a command
	Mode  money.Mode    `msgpack:"mode"`  // half_even if empty in a command
}

// PaymentKind says when the money is due.
type PaymentKind string

// The payment kinds.
const (
	PaymentPrepaid   PaymentKind = "prepaid"    // paid before it is confirmed
	PaymentAuthorise PaymentKind = "authorise"  // authorised first, captured when shipped
	PaymentOffline   PaymentKind = "offline"    // paid outside, such as on delivery
	PaymentOnAccount PaymentKind = "on_account" // invoiced
)

// PaymentTerms is when the money is due.
type PaymentTerms struct {
	Kind  PaymentKind `msgpack:"kind"`   // offline if empty in a command
	PayBy domain.Time `msgpack:"pay_by"` // after which a pending order may expire, zero for never
}

// ReservePolicy says when stock is reserved for an order.
type ReservePolicy string

// The reserve policies.
const (
	ReserveNone      ReservePolicy = "none"               // stock is not looked at
	ReserveTrackOnly ReservePolicy = "track_only"         // stock is counted down when shipped, never reserved
	ReserveOnOrder   ReservePolicy = "reserve_on_order"   // when placed
	ReserveOnPayment ReservePolicy = "reserve_on_payment" // when paid
	ReserveExternal  ReservePolicy = "external"           // another system does it
)

// Place asks for a new order.
type Place struct {
	ID      ID          // of the new order
	Details Details     // what is ordered
	Now     domain.Time // when the command came in; PlacedAt if that is zero
}

// OrderID implements [Command].
func (c Place) OrderID() ID { return c.ID }

// CommandType implements [Command].
func (Place) CommandType() string { return CommandPlace }

// Placed records that an order was placed.
type Placed struct {
	OrderID ID          `msgpack:"order_id"`
	Details Details     `msgpack:"details"`
	At      domain.Time `msgpack:"at"`
}

// EventType implements [Event].
func (Placed) EventType() string { return TypePlaced }

// SchemaVersion implements [Event].
func (Placed) SchemaVersion() int16 { return SchemaPlaced }
