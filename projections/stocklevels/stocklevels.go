// Package stocklevels is the read model of stock: the level of each SKU at each location, and the reservations behind
// it, so that "which orders hold this SKU" is one query.
//
// A held reservation counts until an event ends it: the model has no clock, so one whose time ran out counts until the
// sweeper has expired it.
package stocklevels

import (
	"time"

	"waybill/projections/keyset"
)

// Level is the stock of one SKU at one location, in units:
//
//	unavailable = damaged + quality_control + other + safety
//	reserved    = held + confirmed + allocated
//	available   = max(0, on_hand − unavailable − reserved − backordered)
type Level struct {
	SKU            string    `json:"sku"`
	Location       string    `json:"location"`
	OnHand         int64     `json:"on_hand"`
	Unavailable    int64     `json:"unavailable"` // on hand but not for sale, for one of the next four reasons
	Damaged        int64     `json:"damaged"`
	QualityControl int64     `json:"quality_control"`
	Other          int64     `json:"other"`
	Safety         int64     `json:"safety"`      // kept back
	Reserved       int64     `json:"reserved"`    // of open reservations, covered by what is on hand: the next three
	Held           int64     `json:"held"`        // of reservations that may still expire
	Confirmed      int64     `json:"confirmed"`   // of reservations that may not, and of no fulfilment yet
	Allocated      int64     `json:"allocated"`   // of a fulfilment
	Backordered    int64     `json:"backordered"` // of open reservations, waiting for a receipt
	Available      int64     `json:"available"`   // what a new reservation may take
	BackorderLimit int64     `json:"backorder_limit"`
	Threshold      int64     `json:"threshold"`
	Oversold       bool      `json:"oversold"` // more is promised than is there
	Short          int64     `json:"short"`    // by how many units
	UpdatedAt      time.Time `json:"updated_at"`
	Version        int64     `json:"version"` // of the stock's stream
	Position       int64     `json:"position"`
}

// Filter says which levels a list has, ordered by SKU, then location. All conditions must hold.
type Filter struct {
	SKUPrefix      string   `json:"sku_prefix,omitempty"`
	Locations      []string `json:"location,omitempty"`        // any of them
	AvailableBelow *int64   `json:"available_below,omitempty"` // exclusive
	Oversold       *bool    `json:"oversold,omitempty"`
	Backordered    *bool    `json:"backordered,omitempty"`
	Limit          int      `json:"-"` // 0: [keyset.DefaultLimit]
	Cursor         string   `json:"-"`
}

// Page is one page of levels.
type Page = keyset.Page[Level]

// Reservation is stock set aside for an order.
type Reservation struct {
	ReservationID string    `json:"reservation_id"`
	SKU           string    `json:"sku"`
	Location      string    `json:"location"`
	OrderID       string    `json:"order_id,omitempty"`
	State         string    `json:"state"`       // "held", "confirmed", "allocated" (all of it), "issued", "released", "expired"
	Asked         int64     `json:"asked"`       // units it was made for
	Quantity      int64     `json:"quantity"`    // units that are still set aside
	Allocated     int64     `json:"allocated"`   // of Quantity, what belongs to a fulfilment
	Backordered   int64     `json:"backordered"` // of Quantity, what waits for a receipt
	Issued        int64     `json:"issued"`      // units that have left
	ExpiresAt     time.Time `json:"expires_at,omitzero"`
	ReservedAt    time.Time `json:"reserved_at"`
	UpdatedAt     time.Time `json:"updated_at"`
	Position      int64     `json:"position"`

	seq int64 // position of the event that made it
}

// ReservationFilter says which reservations a list has, oldest first. One of OrderID and SKU is required.
type ReservationFilter struct {
	OrderID  string `json:"order_id,omitempty"`
	SKU      string `json:"sku,omitempty"`
	Location string `json:"location,omitempty"`
	Ended    bool   `json:"ended,omitempty"` // also those that were issued, were released or have expired
	Limit    int    `json:"-"`
	Cursor   string `json:"-"`
}

// ReservationPage is one page of reservations.
type ReservationPage = keyset.Page[Reservation]
