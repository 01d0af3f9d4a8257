// Package orderdetail is the read model of one whole order: its lines with their ledger of units, totals, contact,
// holds, notes, tags, reservations and statuses, and what can be asked of it next.
//
// The fold is pure and public: [Fold] over the events up to any version, position or time gives the document as it was
// then, by the very code that keeps the table. The package does not page through orders (package orderlist does) and
// does not show personal data unless [Detail.RevealPersonal] is called on a document.
package orderdetail

import (
	"encoding/json"
	"time"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
)

// Text is a piece of personal data in a document. In JSON it is a mark, such as "[personal]", until it is revealed;
// what is sealed stays sealed.
type Text struct {
	domain.Personal

	shown bool
}

// MarshalJSON writes the text if it was revealed and is in clear, else the mark.
func (t Text) MarshalJSON() ([]byte, error) {
	if text, ok := t.Reveal(); ok && t.shown {
		return json.Marshal(text)
	}
	return t.Personal.MarshalJSON()
}

// Detail is an order as a document.
type Detail struct {
	OrderID    string `json:"order_id"`
	Number     string `json:"number"`
	Channel    string `json:"channel"`
	SourceRef  string `json:"source_ref,omitempty"`
	CustomerID string `json:"customer_id,omitempty"`

	Lifecycle        string     `json:"lifecycle"`
	PaymentStatus    string     `json:"payment_status"`
	FulfilmentStatus string     `json:"fulfilment_status"`
	ReturnStatus     string     `json:"return_status"`
	Rejection        *Rejection `json:"rejection,omitempty"`

	Contact    Contact     `json:"contact"`
	Lines      []Line      `json:"lines"`
	Shipping   []Charge    `json:"shipping"`
	Surcharges []Charge    `json:"surcharges"`
	Totals     Totals      `json:"totals"`
	Due        money.Money `json:"due"`     // the grand total less what was credited and refunded
	Balance    money.Money `json:"balance"` // still to be paid; below zero it is what the customer is owed

	Rounding      Rounding          `json:"rounding"`
	PaymentTerms  PaymentTerms      `json:"payment_terms"`
	ReservePolicy string            `json:"reserve_policy"`
	ShipBy        time.Time         `json:"ship_by,omitzero"`
	Attributes    map[string]string `json:"attributes"`

	Payments      []Payment      `json:"payments"`
	Fulfilments   []Fulfilment   `json:"fulfilments"` // all that ever had units of it
	Refunds       []Refund       `json:"refunds"`     // all ever granted
	Returns       []Return       `json:"returns"`     // all that ever had units of it
	Anomalies     []Anomaly      `json:"anomalies"`   // the latest, in order: somebody has to look at them
	Holds         []Hold         `json:"holds"`       // all ever placed, in order
	Cancellations []Cancellation `json:"cancellations"`
	Amendments    []Amendment    `json:"amendments"`
	Requests      []Cancelling   `json:"cancellation_requests"` // cancellations that had to wait for others
	Notes         []Note         `json:"notes"`
	Tags          []string       `json:"tags"`
	Reservations  []Reservation  `json:"reservations"` // in the order in which they were made

	AllowedCommands []string `json:"allowed_commands"` // what the state allows; a command may still be refused for what it carries

	PlacedAt    time.Time `json:"placed_at"`
	ConfirmedAt time.Time `json:"confirmed_at,omitzero"`
	ClosedAt    time.Time `json:"closed_at,omitzero"`
	CompletedAt time.Time `json:"completed_at,omitzero"`
	ArchivedAt  time.Time `json:"archived_at,omitzero"`
	UpdatedAt   time.Time `json:"updated_at"` // when the log took the last event
	Version     int64     `json:"version"`    // of the order's stream
	Position    int64     `json:"position"`   // of the last event that is folded in, of whatever stream
}

// Contact is who ordered and where it goes.
type Contact struct {
	Name     Text    `json:"name"`
	Email    Text    `json:"email"`
	Phone    Text    `json:"phone"`
	Billing  Address `json:"billing"`
	Delivery Address `json:"delivery"`
}

// Address is a postal address. The country and the first characters of the postcode do not point at a person.
type Address struct {
	Name           Text   `json:"name"`
	Lines          []Text `json:"lines"`
	City           Text   `json:"city"`
	Region         Text   `json:"region"`
	Postcode       Text   `json:"postcode"`
	PostcodePrefix string `json:"postcode_prefix,omitempty"`
	Country        string `json:"country,omitempty"`
}

// Line is a line with the ledger of its units: open = ordered − cancelled − assigned − shipped.
type Line struct {
	LineID           string      `json:"line_id"`
	SKU              string      `json:"sku"`
	Title            string      `json:"title"`
	UnitPrice        money.Price `json:"unit_price"`
	PriceIncludesTax bool        `json:"price_includes_tax"`
	Discounts        []Discount  `json:"discounts"`
	Taxes            []Tax       `json:"taxes"`
	Total            money.Money `json:"total"`
	Net              money.Money `json:"net"` // the total with the line's share of discounts on the whole order
	RequiresShipping bool        `json:"requires_shipping"`
	AllowBackorder   bool        `json:"allow_backorder"`
	Location         string      `json:"location,omitempty"`
	Ordered          int64       `json:"ordered"`
	Open             int64       `json:"open"`
	Cancelled        int64       `json:"cancelled"`
	CancelRequested  int64       `json:"cancel_requested"` // units that cancellations wait for
	Assigned         int64       `json:"assigned"`
	Shipped          int64       `json:"shipped"`
	Delivered        int64       `json:"delivered"`
	Credited         money.Money `json:"credited"` // given back for the cancelled units
	Refunded         int64       `json:"refunded"` // units that were paid back
	Granted          money.Money `json:"granted"`  // given back for the refunded units
	ReturnAuthorised int64       `json:"return_authorised"`
	Returned         int64       `json:"returned"`
}

// Discount is taken off a line or a charge.
type Discount struct {
	ID     string      `json:"id"`
	Code   string      `json:"code,omitempty"`
	Amount money.Money `json:"amount"`
}

// Tax is one tax on a line or a charge.
type Tax struct {
	Code   string      `json:"code"`
	Rate   string      `json:"rate"`
	Amount money.Money `json:"amount"`
}

// Charge is what is charged for delivery, or a surcharge, which is a discount when it is negative.
type Charge struct {
	ID               string      `json:"id"`
	Title            string      `json:"title"`
	Amount           money.Money `json:"amount"`
	PriceIncludesTax bool        `json:"price_includes_tax"`
	Discounts        []Discount  `json:"discounts"`
	Taxes            []Tax       `json:"taxes"`
	Total            money.Money `json:"total"`
}

// Totals is what the order added up to when it was placed, and what was given back since.
type Totals struct {
	Goods     money.Money `json:"goods"`
	Discount  money.Money `json:"discount"`
	Shipping  money.Money `json:"shipping"`
	Surcharge money.Money `json:"surcharge"`
	Tax       money.Money `json:"tax"`
	Grand     money.Money `json:"grand"`
	Credited  money.Money `json:"credited"`
}

// Rounding is how the amounts of lines were rounded to minor units.
type Rounding struct {
	Level string `json:"level"`
	Mode  string `json:"mode"`
}

// PaymentTerms is when the money is due.
type PaymentTerms struct {
	Kind  string    `json:"kind"`
	PayBy time.Time `json:"pay_by,omitzero"`
}

// Payment is what the order knows of one of its payments.
type Payment struct {
	PaymentID     string      `json:"payment_id"`
	Version       int64       `json:"payment_version"`
	Status        string      `json:"status"`
	Authorised    money.Money `json:"authorised"`
	Captured      money.Money `json:"captured"`
	Refunded      money.Money `json:"refunded"`
	Disputed      money.Money `json:"disputed"`
	Pending       money.Money `json:"pending"`
	RefundPending money.Money `json:"refund_pending"`
	At            time.Time   `json:"at"`
}

// Fulfilment is units that were handed out to be shipped together.
type Fulfilment struct {
	FulfilmentID string         `json:"fulfilment_id"`
	Location     string         `json:"location"`
	Lines        []LineQuantity `json:"lines"`   // as they were handed out
	Left         []LineQuantity `json:"left"`    // that it still has
	Parcels      []Parcel       `json:"parcels"` // that have left
	At           time.Time      `json:"at"`
}

// Parcel is units that left together.
type Parcel struct {
	ParcelID    string         `json:"parcel_id"`
	Lines       []LineQuantity `json:"lines"`
	ShippedAt   time.Time      `json:"shipped_at"`
	DeliveredAt time.Time      `json:"delivered_at,omitzero"`
	Assumed     bool           `json:"assumed"` // nobody said that it arrived: its time was over
}

// Refund is the right to pay an amount back, once.
type Refund struct {
	RefundID   string          `json:"refund_id"`
	Basis      string          `json:"basis"`
	Ref        string          `json:"ref,omitempty"`
	Lines      []RefundLine    `json:"lines"`
	Shipping   money.Money     `json:"shipping"`
	Adjustment money.Money     `json:"adjustment"`
	Amount     money.Money     `json:"amount"`
	Legs       []RefundLeg     `json:"legs"`     // by which it was paid back
	Failures   []RefundFailure `json:"failures"` // attempts that failed
	GrantedAt  time.Time       `json:"granted_at"`
	SettledAt  time.Time       `json:"settled_at,omitzero"`
}

// RefundLine is units of a line that are paid back.
type RefundLine struct {
	LineID   string      `json:"line_id"`
	Quantity int64       `json:"quantity"`
	Amount   money.Money `json:"amount"`
}

// RefundLeg is a part of a refund that one payment paid back.
type RefundLeg = order.RefundLeg

// RefundFailure is an attempt to pay back that failed.
type RefundFailure struct {
	PaymentID   string    `json:"payment_id"`
	OperationID string    `json:"operation_id"`
	Code        string    `json:"code,omitempty"`
	At          time.Time `json:"at"`
}

// Return is units that were handed out to come back together.
type Return struct {
	ReturnID string              `json:"return_id"`
	Lines    []LineQuantity      `json:"lines"`    // as authorised
	Left     []LineQuantity      `json:"left"`     // that it still has
	Outcomes []order.OutcomeLine `json:"outcomes"` // what became of the others
	At       time.Time           `json:"at"`
}

// Anomaly is a fact that contradicts the order.
type Anomaly struct {
	Anomaly      string         `json:"anomaly"`
	PaymentID    string         `json:"payment_id,omitempty"`
	FulfilmentID string         `json:"fulfilment_id,omitempty"`
	ParcelID     string         `json:"parcel_id,omitempty"`
	Lines        []LineQuantity `json:"lines"`
	Amount       money.Money    `json:"amount"`
	At           time.Time      `json:"at"`
}

// Hold stops verbs until it is released or runs out.
type Hold struct {
	HoldID     string    `json:"hold_id"`
	Kind       string    `json:"kind"`
	Blocks     []string  `json:"blocks"`
	Until      time.Time `json:"until,omitzero"`
	Note       Text      `json:"note"`
	PlacedBy   string    `json:"placed_by,omitempty"`
	PlacedAt   time.Time `json:"placed_at"`
	ReleasedAt time.Time `json:"released_at,omitzero"`
}

// Cancellation is one that was carried out.
type Cancellation struct {
	CancellationID string         `json:"cancellation_id"`
	Whole          bool           `json:"whole"` // it closed the order
	Lines          []LineQuantity `json:"lines"`
	Reason         string         `json:"reason"`
	At             time.Time      `json:"at"`
}

// Amendment is a change of what was agreed: open, accepted or withdrawn.
type Amendment struct {
	AmendmentID  string      `json:"amendment_id"`
	BaseVersion  int64       `json:"base_version"`
	Reason       string      `json:"reason,omitempty"`
	Grand        money.Money `json:"grand"`         // of the order as amended
	BalanceDelta money.Money `json:"balance_delta"` // what it makes the order cost more
	ProposedAt   time.Time   `json:"proposed_at"`
	AcceptedAt   time.Time   `json:"accepted_at,omitzero"`
	WithdrawnAt  time.Time   `json:"withdrawn_at,omitzero"`
}

// Cancelling is a cancellation that has to wait for others, or had to.
type Cancelling struct {
	CancellationID string         `json:"cancellation_id"`
	Whole          bool           `json:"whole"`
	Lines          []LineQuantity `json:"lines"`    // what it asks for
	Declined       []LineQuantity `json:"declined"` // what it does not get
	Reason         string         `json:"reason"`
	At             time.Time      `json:"at"`
	ClosedAt       time.Time      `json:"closed_at,omitzero"` // absent while it waits
}

// LineQuantity is a number of units of a line.
type LineQuantity struct {
	LineID   string `json:"line_id"`
	Quantity int64  `json:"quantity"`
}

// Note is a remark on the order.
type Note struct {
	NoteID string    `json:"note_id"`
	Text   Text      `json:"text"`
	Public bool      `json:"public"`
	Author string    `json:"author,omitempty"` // who wrote it, such as "key:console"
	At     time.Time `json:"at"`
}

// Rejection is why the order was rejected.
type Rejection struct {
	Reason    string     `json:"reason"`
	Detail    string     `json:"detail,omitempty"`
	Shortages []Shortage `json:"shortages"`
}

// Shortage is what was missing.
type Shortage struct {
	SKU       string `json:"sku"`
	Location  string `json:"location"`
	Requested int64  `json:"requested"`
	Available int64  `json:"available"`
}

// Reservation is stock that is, or was, set aside for the order.
type Reservation struct {
	ReservationID string    `json:"reservation_id"`
	SKU           string    `json:"sku"`
	Location      string    `json:"location"`
	State         string    `json:"state"`       // "held", "confirmed", "allocated" (all of it), "issued", "released", "expired"
	Quantity      int64     `json:"quantity"`    // still set aside
	Allocated     int64     `json:"allocated"`   // of Quantity, what belongs to a fulfilment
	Backordered   int64     `json:"backordered"` // of Quantity, what waits for a receipt
	Issued        int64     `json:"issued"`      // units that have left
	ExpiresAt     time.Time `json:"expires_at,omitzero"`
	UpdatedAt     time.Time `json:"updated_at"`
}

// RevealPersonal makes the JSON of d show personal data that is not sealed. Call it only for who has the right.
func (d *Detail) RevealPersonal() {
	c := &d.Contact
	texts := []*Text{&c.Name, &c.Email, &c.Phone}
	for _, a := range []*Address{&c.Billing, &c.Delivery} {
		texts = append(texts, &a.Name, &a.City, &a.Region, &a.Postcode)
		for i := range a.Lines {
			texts = append(texts, &a.Lines[i])
		}
	}
	for i := range d.Holds {
		texts = append(texts, &d.Holds[i].Note)
	}
	for i := range d.Notes {
		texts = append(texts, &d.Notes[i].Text)
	}
	for _, t := range texts {
		t.shown = true
	}
}
