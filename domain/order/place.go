package order

import (
	"cmp"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// Details is what an order was placed with. Once placed only its delivery address, the
// customer of a guest, and what an amendment says may change.
type Details struct {
	Number        string            `msgpack:"number,omitempty"`      // human readable; unique by a claim made when it is placed
	Channel       string            `msgpack:"channel,omitempty"`     // where it was sold: "web", "amazon-de"
	SourceRef     string            `msgpack:"source_ref,omitempty"`  // the order's name upstream, unique in its channel; may be empty
	CustomerID    string            `msgpack:"customer_id,omitempty"` // empty for a guest
	Contact       Contact           `msgpack:"contact,omitempty"`     // personal
	Currency      money.Currency    `msgpack:"currency"`              // of all amounts
	Lines         []Line            `msgpack:"lines,omitempty"`       // 1 to MaxLines
	Shipping      []ShippingLine    `msgpack:"shipping,omitempty"`    // what is charged for delivery
	Surcharges    []Surcharge       `msgpack:"surcharges,omitempty"`  // fees; negative ones are discounts on the whole order
	Totals        Totals            `msgpack:"totals"`                // must add up exactly
	Rounding      Rounding          `msgpack:"rounding"`              // by which the line amounts were rounded
	PaymentTerms  PaymentTerms      `msgpack:"payment_terms"`         // when the money is due
	ReservePolicy ReservePolicy     `msgpack:"reserve_policy"`        // when stock is reserved
	ShipBy        domain.Time       `msgpack:"ship_by,omitempty"`     // promised, zero for no promise
	Tags          []string          `msgpack:"tags,omitempty"`        // to begin with
	Attributes    map[string]string `msgpack:"attributes,omitempty"`  // free facts from upstream, not personal
	PlacedAt      domain.Time       `msgpack:"placed_at"`             // when the customer placed it
}

// Contact is who ordered and where it goes.
type Contact struct {
	Name     domain.Personal `msgpack:"name,omitempty"`
	Email    domain.Personal `msgpack:"email,omitempty"`
	Phone    domain.Personal `msgpack:"phone,omitempty"`
	Billing  Address         `msgpack:"billing,omitempty"`
	Delivery Address         `msgpack:"delivery,omitempty"`
}

// Address is a postal address. Country and PostcodePrefix are kept in clear for routing and reports: they do not
// point at a person.
type Address struct {
	Name           domain.Personal   `msgpack:"name,omitempty"`
	Lines          []domain.Personal `msgpack:"lines,omitempty"` // street and house, most exact first
	City           domain.Personal   `msgpack:"city,omitempty"`
	Region         domain.Personal   `msgpack:"region,omitempty"`
	Postcode       domain.Personal   `msgpack:"postcode,omitempty"`
	PostcodePrefix string            `msgpack:"postcode_prefix,omitempty"` // at most 4 characters
	Country        string            `msgpack:"country,omitempty"`         // ISO 3166-1 alpha-2 where known, else the name as given
}

// Line is one line of an order. The same SKU may stand on several lines.
type Line struct {
	ID               string      `msgpack:"line_id,omitempty"`   // unique in the order
	SKU              string      `msgpack:"sku,omitempty"`       // stock keeping unit
	Title            string      `msgpack:"title,omitempty"`     // as the customer saw it
	Quantity         int64       `msgpack:"quantity"`            // 1 to MaxQuantity
	UnitPrice        money.Price `msgpack:"unit_price"`          // decimal in major units, sub-minor digits allowed; may be zero
	PriceIncludesTax bool        `msgpack:"price_includes_tax"`  // then taxes are not added again
	Discounts        []Discount  `msgpack:"discounts,omitempty"` // each not negative
	Taxes            []Tax       `msgpack:"taxes,omitempty"`     // each not negative
	Total            money.Money `msgpack:"total"`               // rounded price × quantity − discounts, + taxes unless included
	// Net is Total and the line's share of the negative surcharges, by largest remainder over the totals: what
	// a cancellation of the whole line gives back. The decision computes it; a command leaves it zero.
	Net              money.Money `msgpack:"net"`
	RequiresShipping bool        `msgpack:"requires_shipping"`  // false for what is not goods
	AllowBackorder   bool        `msgpack:"allow_backorder"`    // may be confirmed without stock
	Location         string      `msgpack:"location,omitempty"` // where to take it from, empty to let routing choose
}

// Discount is taken off a line or off delivery.
type Discount struct {
	ID     string      `msgpack:"id,omitempty"`
	Code   string      `msgpack:"code,omitempty"`
	Amount money.Money `msgpack:"amount"` // not negative
}

// Tax is one tax on a line, on delivery or on a surcharge.
type Tax struct {
	Code   string      `msgpack:"code,omitempty"` // such as "VAT-GB"
	Rate   string      `msgpack:"rate,omitempty"` // decimal, "0.2" for a fifth; stated for documents, not applied
	Amount money.Money `msgpack:"amount"`         // as upstream computed it
}

// ShippingLine is what is charged for delivery.
type ShippingLine struct {
	ID               string      `msgpack:"shipping_id,omitempty"`
	Title            string      `msgpack:"title,omitempty"`
	Amount           money.Money `msgpack:"amount"` // not negative
	PriceIncludesTax bool        `msgpack:"price_includes_tax"`
	Discounts        []Discount  `msgpack:"discounts,omitempty"`
	Taxes            []Tax       `msgpack:"taxes,omitempty"`
	Total            money.Money `msgpack:"total"` // amount − discounts, + taxes unless included
}

// Surcharge is a fee, or a discount on the whole order when it is negative.
type Surcharge struct {
	ID               string      `msgpack:"surcharge_id,omitempty"`
	Title            string      `msgpack:"title,omitempty"`
	Amount           money.Money `msgpack:"amount"` // of either sign
	PriceIncludesTax bool        `msgpack:"price_includes_tax"`
	Taxes            []Tax       `msgpack:"taxes,omitempty"` // of the same sign as Amount
	Total            money.Money `msgpack:"total"`           // amount, + taxes unless included
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
	Kind  PaymentKind `msgpack:"kind"`             // offline if empty in a command
	PayBy domain.Time `msgpack:"pay_by,omitempty"` // after which a pending order may expire, zero for never
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

func (c Place) decide(o *Order) ([]Event, error) {
	if o.Lifecycle != LifecycleNone {
		return nil, AlreadyPlaced{OrderID: o.ID, Number: o.Details.Number}
	}
	if err := domain.CheckID("order_id", string(c.ID)); err != nil {
		return nil, err
	}
	d := c.Details.withDefaults(c.Now)
	if err := named(func(n names) error { return checkDetails(&d, n) }); err != nil {
		return nil, err
	}
	if err := named(func(n names) error { return checkTotals(&d, n) }); err != nil {
		return nil, err
	}
	lines, err := netLines(&d)
	if err != nil {
		return nil, err
	}
	d.Lines = lines
	return []Event{Placed{OrderID: c.ID, Details: d, At: c.Now}}, nil
}

// withDefaults fills in what a command may leave empty, and sorts the tags.
func (d Details) withDefaults(now domain.Time) Details {
	d.Rounding.Level = cmp.Or(d.Rounding.Level, RoundLine)
	d.Rounding.Mode = cmp.Or(d.Rounding.Mode, money.HalfEven)
	d.PaymentTerms.Kind = cmp.Or(d.PaymentTerms.Kind, PaymentOffline)
	d.ReservePolicy = cmp.Or(d.ReservePolicy, ReserveOnOrder)
	d.PlacedAt = cmp.Or(d.PlacedAt, now)
	d.Tags = slices.Compact(slices.Sorted(slices.Values(d.Tags)))
	if len(d.Attributes) == 0 {
		d.Attributes = nil // as it will be decoded
	}
	return d
}

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

func (e Placed) apply(o *Order) {
	none := money.New(0, e.Details.Currency)
	lines := make([]LineState, len(e.Details.Lines))
	for i := range lines {
		lines[i] = LineState{Line: e.Details.Lines[i], Credited: none, Granted: none}
	}
	*o = Order{
		ID: e.OrderID, Lifecycle: LifecyclePending, Details: e.Details, Lines: lines,
		Credited: none, Granted: none, Tags: slices.Clone(e.Details.Tags),
		PlacedAt: e.Details.PlacedAt, UpdatedAt: e.At, Version: o.Version, Changed: o.Version + 1,
	}
	o.Details.Lines = nil // they stand in o.Lines
}
