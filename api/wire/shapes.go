package wire

import "time"

// Money is an amount in minor units of its currency: {"minor": 4999, "currency": "EUR"} is 49.99 euro.
type Money struct {
	Minor    int64  `json:"minor" doc:"Amount in minor units" example:"4999"`
	Currency string `json:"currency" doc:"ISO 4217 code" example:"EUR"`
}

// Place asks for a new order: order.place.
type Place struct {
	OrderID     string            `json:"order_id,omitempty" doc:"UUID of the new order; made here if absent"`
	OrderNumber string            `json:"order_number,omitempty" doc:"What people call the order, unique in its channel; given out here if absent"`
	Channel     string            `json:"channel" doc:"Where it was sold" example:"web"`
	SourceRef   string            `json:"source_ref,omitempty" doc:"The order's name upstream, unique in its channel"`
	CustomerID  string            `json:"customer_id,omitempty" doc:"Absent for a guest"`
	Contact     *Contact          `json:"contact,omitempty" doc:"Personal data: who ordered and where it goes"`
	Currency    string            `json:"currency" doc:"ISO 4217 code of all amounts" example:"EUR"`
	Lines       []Line            `json:"lines" minItems:"1" maxItems:"1000" doc:"What is ordered"`
	Shipping    []ShippingLine    `json:"shipping,omitempty" maxItems:"100" doc:"What is charged for delivery"`
	Surcharges  []Surcharge       `json:"surcharges,omitempty" maxItems:"100" doc:"Fees; negative ones are discounts on the whole order"`
	Totals      Totals            `json:"totals" doc:"Must add up exactly"`
	Rounding    *Rounding         `json:"rounding,omitempty" doc:"How line amounts were rounded"`
	Payment     *PaymentTerms     `json:"payment_terms,omitempty" doc:"When the money is due"`
	Reserve     string            `json:"reserve_policy,omitempty" enum:"none,track_only,reserve_on_order,reserve_on_payment,external" doc:"When stock is reserved"`
	ShipBy      *time.Time        `json:"ship_by,omitempty" doc:"Promised to leave by"`
	Tags        []string          `json:"tags,omitempty" maxItems:"100" doc:"To begin with"`
	Attributes  map[string]string `json:"attributes,omitempty" doc:"Free facts from upstream, not personal"`
	PlacedAt    *time.Time        `json:"placed_at,omitempty" doc:"When the customer placed it; now if absent"`
}

// Contact is who ordered and where it goes. All of it but country and postcode prefix is personal.
type Contact struct {
	Name     string   `json:"name,omitempty"`
	Email    string   `json:"email,omitempty"`
	Phone    string   `json:"phone,omitempty"`
	Billing  *Address `json:"billing,omitempty"`
	Delivery *Address `json:"delivery,omitempty"`
}

// Address is a postal address.
type Address struct {
	Name           string   `json:"name,omitempty"`
	Lines          []string `json:"lines,omitempty" maxItems:"10" doc:"Street and house, most exact first"`
	City           string   `json:"city,omitempty"`
	Region         string   `json:"region,omitempty"`
	Postcode       string   `json:"postcode,omitempty"`
	PostcodePrefix string   `json:"postcode_prefix,omitempty" doc:"At most 4 characters, kept in clear for routing"`
	Country        string   `json:"country,omitempty" doc:"ISO 3166-1 alpha-2" example:"DE"`
}

// Line is one line of an order.
type Line struct {
	LineID           string     `json:"line_id,omitempty" doc:"Unique in the order; its number, from 1, if absent"`
	SKU              string     `json:"sku" example:"TSHIRT-M"`
	Title            string     `json:"title,omitempty" doc:"As the customer saw it"`
	Quantity         int64      `json:"quantity" minimum:"1" example:"2"`
	UnitPrice        string     `json:"unit_price" decimal:"12.50" doc:"Decimal in major units" example:"19.99"`
	PriceIncludesTax bool       `json:"price_includes_tax,omitempty"`
	Discounts        []Discount `json:"discounts,omitempty" maxItems:"50"`
	Taxes            []Tax      `json:"taxes,omitempty" maxItems:"20"`
	Total            Money      `json:"total" doc:"Rounded price × quantity − discounts, + taxes unless included"`
	RequiresShipping *bool      `json:"requires_shipping,omitempty" doc:"True if absent"`
	AllowBackorder   bool       `json:"allow_backorder,omitempty" doc:"May be confirmed without stock"`
	Location         string     `json:"location,omitempty" doc:"Where to take it from; routing chooses if absent"`
}

// Discount is taken off a line or off delivery.
type Discount struct {
	ID     string `json:"id,omitempty"`
	Code   string `json:"code,omitempty"`
	Amount Money  `json:"amount" doc:"Not negative"`
}

// Tax is one tax.
type Tax struct {
	Code   string `json:"code" example:"VAT-DE"`
	Rate   string `json:"rate,omitempty" decimal:"0.19" doc:"Decimal, for documents" example:"0.19"`
	Amount Money  `json:"amount"`
}

// ShippingLine is what is charged for delivery.
type ShippingLine struct {
	ID               string     `json:"shipping_id,omitempty" doc:"Its number, from 1, if absent"`
	Title            string     `json:"title,omitempty"`
	Amount           Money      `json:"amount"`
	PriceIncludesTax bool       `json:"price_includes_tax,omitempty"`
	Discounts        []Discount `json:"discounts,omitempty" maxItems:"50"`
	Taxes            []Tax      `json:"taxes,omitempty" maxItems:"20"`
	Total            Money      `json:"total"`
}

// Surcharge is a fee, or a discount on the whole order when negative.
type Surcharge struct {
	ID               string `json:"surcharge_id,omitempty" doc:"Its number, from 1, if absent"`
	Title            string `json:"title,omitempty"`
	Amount           Money  `json:"amount"`
	PriceIncludesTax bool   `json:"price_includes_tax,omitempty"`
	Taxes            []Tax  `json:"taxes,omitempty" maxItems:"20"`
	Total            Money  `json:"total"`
}

// Totals is what the order adds up to; what is absent is zero.
type Totals struct {
	Goods     Money  `json:"goods" doc:"Rounded unit price × quantity of all lines"`
	Discount  *Money `json:"discount,omitempty" doc:"All discounts of lines and delivery"`
	Shipping  *Money `json:"shipping,omitempty"`
	Surcharge *Money `json:"surcharge,omitempty"`
	Tax       *Money `json:"tax,omitempty" doc:"All taxes, included in prices or not"`
	Grand     Money  `json:"grand" doc:"What the customer owes"`
}

// Rounding is how the amounts of lines were rounded to minor units.
type Rounding struct {
	Level string `json:"level,omitempty" enum:"line,unit"`
	Mode  string `json:"mode,omitempty" example:"half_even"`
}

// PaymentTerms is when the money is due.
type PaymentTerms struct {
	Kind  string     `json:"kind,omitempty" enum:"prepaid,authorise,offline,on_account"`
	PayBy *time.Time `json:"pay_by,omitempty" doc:"After which a pending order may expire"`
}

// Cancel gives up the whole order, or units of some lines: order.cancel.
type Cancel struct {
	OrderID        string         `json:"order_id"`
	CancellationID string         `json:"cancellation_id,omitempty" doc:"Unique in the order; the command's id if absent"`
	Lines          []LineQuantity `json:"lines,omitempty" minItems:"1" maxItems:"1000" empty:"leave it out to cancel all that is open" doc:"Absent: all that is open"`
	Reason         string         `json:"reason,omitempty" enum:"customer,fraud,inventory,declined,staff,other"`
	Note           string         `json:"note,omitempty" doc:"Personal: free text"`
}

// LineQuantity is a number of units of one line.
type LineQuantity struct {
	LineID   string `json:"line_id"`
	Quantity int64  `json:"quantity" minimum:"1"`
}

// Hold stops verbs from happening to an order: order.place_hold.
type Hold struct {
	OrderID string     `json:"order_id"`
	HoldID  string     `json:"hold_id,omitempty" doc:"Unique in the order; the command's id if absent"`
	Kind    string     `json:"kind" enum:"fraud,payment,address,dispute,manual"`
	Blocks  []string   `json:"blocks,omitempty" minItems:"1" maxItems:"10" empty:"leave it out to block ship and capture" doc:"confirm, cancel, amend, capture, ship; ship and capture if absent"`
	Until   *time.Time `json:"until,omitempty" doc:"When it runs out by itself"`
	Note    string     `json:"note,omitempty" doc:"Personal: free text"`
}

// ReleaseHold lets go of a hold: order.release_hold.
type ReleaseHold struct {
	OrderID string `json:"order_id"`
	HoldID  string `json:"hold_id"`
	Note    string `json:"note,omitempty" doc:"Personal: free text"`
}

// Note writes a remark on an order: order.add_note.
type Note struct {
	OrderID string `json:"order_id"`
	NoteID  string `json:"note_id,omitempty" doc:"Unique in the order; the command's id if absent"`
	Text    string `json:"text" doc:"Personal: free text"`
	Public  bool   `json:"public,omitempty" doc:"May be shown to the customer"`
}

// Tags puts tags on an order, or takes them off: order.tag and order.untag.
type Tags struct {
	OrderID string   `json:"order_id"`
	Tags    []string `json:"tags" minItems:"1" maxItems:"100"`
}

// ShippingAddress sends what is not handed out yet elsewhere: order.change_shipping_address.
type ShippingAddress struct {
	OrderID string  `json:"order_id"`
	Address Address `json:"address" doc:"The whole address, with at least one of lines. Personal, but for country and postcode_prefix"`
}

// LinkCustomer says whose order a guest's order is: order.link_customer.
type LinkCustomer struct {
	OrderID    string `json:"order_id"`
	CustomerID string `json:"customer_id"`
}

// Amend proposes another price: order.propose_amendment.
type Amend struct {
	OrderID     string    `json:"order_id"`
	AmendmentID string    `json:"amendment_id,omitempty" doc:"Unique in the order; the command's id if absent"`
	BaseVersion int64     `json:"base_version" minimum:"1" doc:"Version of the order that it was made from"`
	Ops         []AmendOp `json:"ops" minItems:"1" maxItems:"100" doc:"Carried out one after the other"`
	Totals      Totals    `json:"totals" doc:"Of the whole order as amended; must add up exactly"`
	Reason      string    `json:"reason,omitempty" doc:"For people; not personal"`
}

// AmendOp is one operation of an amendment.
type AmendOp struct {
	Kind      string         `json:"kind" enum:"apply_discount,change_shipping,add_surcharge"`
	Line      *Line          `json:"line,omitempty" doc:"For apply_discount: the whole line as it shall be, with its line_id, goods, quantity, price and location as they are"`
	Shipping  []ShippingLine `json:"shipping,omitempty" maxItems:"100" doc:"For change_shipping: all that is charged for delivery; none if absent"`
	Surcharge *Surcharge     `json:"surcharge,omitempty" doc:"For add_surcharge: below zero it is a discount on the whole order; with its surcharge_id"`
}

// Amendment ends a proposed amendment: order.accept_amendment and order.withdraw_amendment.
type Amendment struct {
	OrderID     string `json:"order_id"`
	AmendmentID string `json:"amendment_id"`
}

// Refund grants money back as goodwill: order.grant_refund. At least one of lines, shipping and adjustment is needed.
type Refund struct {
	OrderID    string         `json:"order_id"`
	RefundID   string         `json:"refund_id,omitempty" doc:"Unique in the order; the command's id if absent"`
	Basis      string         `json:"basis" enum:"goodwill" doc:"What returns, cancellations and payments give back is granted by the processes"`
	Lines      []LineQuantity `json:"lines,omitempty" minItems:"1" maxItems:"1000" empty:"leave it out if no units are paid back" doc:"Shipped units that are paid back"`
	Shipping   *Money         `json:"shipping,omitempty" doc:"Of what was charged for delivery"`
	Adjustment *Money         `json:"adjustment,omitempty" doc:"An amount for nothing in particular"`
	Ref        string         `json:"ref,omitempty" doc:"What it is for, such as the id of a complaint; not personal"`
	Reason     string         `json:"reason,omitempty" doc:"For people; not personal"`
}

// Archive puts an order away that is over: order.archive.
type Archive struct {
	OrderID string `json:"order_id"`
}

// Receive adds units to a stock item: stock.receive.
type Receive struct {
	SKU        string `json:"sku"`
	Location   string `json:"location"`
	MovementID string `json:"movement_id,omitempty" doc:"Makes a repeated receipt harmless; the command's id if absent"`
	Quantity   int64  `json:"quantity" minimum:"1"`
	Reason     string `json:"reason,omitempty"`
	Ref        string `json:"ref,omitempty" doc:"Such as the delivery note"`
}

// Adjust changes the units of a stock item by a difference: stock.adjust.
type Adjust struct {
	SKU        string `json:"sku"`
	Location   string `json:"location"`
	MovementID string `json:"movement_id,omitempty" doc:"Makes a repeated adjustment harmless; the command's id if absent"`
	Delta      int64  `json:"delta" doc:"Of either sign, not zero"`
	Reason     string `json:"reason,omitempty"`
	Ref        string `json:"ref,omitempty"`
}

// Count records what was found on the shelf: stock.count.
type Count struct {
	SKU        string `json:"sku"`
	Location   string `json:"location"`
	MovementID string `json:"movement_id,omitempty" doc:"Makes a repeated count harmless; the command's id if absent"`
	Counted    int64  `json:"counted" minimum:"0"`
	Reason     string `json:"reason,omitempty"`
	Ref        string `json:"ref,omitempty"`
}

// BackorderPolicy says how many units may be promised beyond what is there: stock.set_backorder_policy.
type BackorderPolicy struct {
	SKU      string `json:"sku"`
	Location string `json:"location"`
	Limit    int64  `json:"limit" minimum:"0" doc:"0 for none"`
}

// MakeUnavailable puts units aside that lie there and cannot be sold: stock.make_unavailable.
type MakeUnavailable struct {
	SKU        string `json:"sku"`
	Location   string `json:"location"`
	MovementID string `json:"movement_id,omitempty" doc:"Makes a repeated one harmless; the command's id if absent"`
	Bucket     string `json:"bucket" enum:"damaged,quality_control,other"`
	Quantity   int64  `json:"quantity" minimum:"1"`
	Reason     string `json:"reason,omitempty"`
	Ref        string `json:"ref,omitempty"`
}

// MakeAvailable lets units be sold that were put aside: stock.make_available.
type MakeAvailable struct {
	SKU        string `json:"sku"`
	Location   string `json:"location"`
	MovementID string `json:"movement_id,omitempty" doc:"Makes a repeated one harmless; the command's id if absent"`
	Bucket     string `json:"bucket" enum:"damaged,quality_control,other"`
	Quantity   int64  `json:"quantity" minimum:"1"`
	Reason     string `json:"reason,omitempty"`
	Ref        string `json:"ref,omitempty"`
}

// TransferOut sends units to another location: stock.transfer_out.
type TransferOut struct {
	SKU        string `json:"sku"`
	Location   string `json:"location"`
	TransferID string `json:"transfer_id,omitempty" doc:"Makes a repeated transfer harmless, and names it to the other location; the command's id if absent"`
	To         string `json:"to" doc:"The other location"`
	Quantity   int64  `json:"quantity" minimum:"1"`
	Reason     string `json:"reason,omitempty"`
	Ref        string `json:"ref,omitempty"`
}

// TransferIn receives units from another location: stock.transfer_in.
type TransferIn struct {
	SKU        string `json:"sku"`
	Location   string `json:"location"`
	TransferID string `json:"transfer_id" doc:"That of the transfer out; makes a repeated transfer harmless"`
	From       string `json:"from" doc:"The other location"`
	Quantity   int64  `json:"quantity" minimum:"1"`
	Reason     string `json:"reason,omitempty"`
	Ref        string `json:"ref,omitempty"`
}

// Threshold says below how many available units an item is low: stock.set_threshold.
type Threshold struct {
	SKU      string `json:"sku"`
	Location string `json:"location"`
	Quantity int64  `json:"quantity" minimum:"0" doc:"0 for none"`
}

// SafetyStock says how many units are kept back: stock.set_safety_stock.
type SafetyStock struct {
	SKU      string `json:"sku"`
	Location string `json:"location"`
	Quantity int64  `json:"quantity" minimum:"0"`
}
