package stuckorders

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// describe fills in what o waits for at now.
func (s *state) describe(o *Order, now domain.Time) {
	o.Number, o.Channel, o.CustomerID = s.Number, s.Channel, s.CustomerID
	o.Lifecycle = s.Lifecycle.String()
	o.Due = s.due()
	o.Since = o.Since.UTC()
	o.PlacedAt = s.PlacedAt.Time()
	o.AgeSeconds = int64(now-domain.TimeOf(o.Since)) / 1_000_000
	o.Reasons = s.reasons(now)
	o.NextStep = s.nextStep(o.Reasons)
}

func (s *state) due() money.Money { return money.New(s.Grand-s.Credited, s.Currency) }

// unpaid returns what has to be paid, or authorised, before the order is confirmed.
func (s *state) unpaid() money.Money {
	due := s.due()
	switch s.PaymentKind {
	case order.PaymentPrepaid:
		for i := range s.Payments {
			due.Minor -= s.Payments[i].Captured
		}
	case order.PaymentAuthorise:
		for i := range s.Payments {
			due.Minor -= s.Payments[i].Good
		}
	case order.PaymentOffline, order.PaymentOnAccount:
		return money.New(0, s.Currency)
	}
	return due
}

// reasons returns what the order waits for at now, the most pressing first: what a person has to do comes before what
// time or another system may bring.
func (s *state) reasons(now domain.Time) []Reason {
	var reasons []Reason
	for i := range s.Holds {
		if h := &s.Holds[i]; h.active(now) {
			reasons = append(reasons, h.reason())
		}
	}
	switch s.Lifecycle {
	case order.LifecycleCancelling:
		reasons = append(reasons, Reason{
			Code: ReasonCancelling, Since: s.EnteredAt.Time(),
			Text: "A cancellation waits for others to let go of the goods or the money.",
		})
	case order.LifecyclePending:
		reasons = append(reasons, s.pending(now))
	case order.LifecycleNone, order.LifecycleConfirmed, order.LifecycleCompleted, order.LifecycleRejected,
		order.LifecycleExpired, order.LifecycleCancelled:
	}
	return reasons
}

// pending returns what keeps a pending order from being confirmed.
func (s *state) pending(now domain.Time) Reason {
	lapsed, backordered, expires := s.lapsed(now), s.backordered(), s.expiry()
	switch {
	case len(lapsed) > 0 || (s.Expired && len(s.Claims) == 0):
		return Reason{
			Code: ReasonReservationRunsOut, ExpiresAt: expires.Time(), Items: lapsed,
			Text: "The reservation of stock ran out before the order was confirmed.",
		}
	case len(s.Claims) == 0 && s.reserves():
		return Reason{
			Code: ReasonReservation, Units: s.Units,
			Text: fmt.Sprintf("No stock is reserved yet; %d units are needed.", s.Units),
		}
	case len(backordered) > 0:
		units := int64(0)
		for _, i := range backordered {
			units += i.Units
		}
		return Reason{
			Code: ReasonBackordered, Units: units, Items: backordered, ExpiresAt: expires.Time(),
			Text: fmt.Sprintf("%d units are to come in: %s.", units, names(backordered)),
		}
	case s.unpaid().Sign() > 0:
		due := s.unpaid()
		return Reason{
			Code: ReasonPayment, PayBy: s.PayBy.Time(), ExpiresAt: expires.Time(), Amount: &due,
			Text: "The order waits for the payment of " + due.String() + ".",
		}
	}
	return Reason{
		Code: ReasonConfirmation, ExpiresAt: expires.Time(), Items: s.items(func(c *claim) int64 { return c.FromStock + c.Backordered }),
		Text: "Everything is there; the order waits to be confirmed.",
	}
}

// reserves reports whether stock is reserved for the order before it is confirmed.
func (s *state) reserves() bool {
	switch s.Reserve {
	case order.ReserveOnOrder, order.ReserveOnPayment:
		return s.Units > 0
	case order.ReserveNone, order.ReserveTrackOnly, order.ReserveExternal:
	}
	return false
}

// expiry returns when the first of the held reservations runs out, zero if none is held.
func (s *state) expiry() domain.Time {
	first := domain.Time(0)
	for i := range s.Claims {
		if t := s.Claims[i].ExpiresAt; s.Claims[i].State == stock.StateHeld && (first == 0 || t < first) {
			first = t
		}
	}
	return first
}

func (s *state) lapsed(now domain.Time) []Item {
	return s.items(func(c *claim) int64 {
		if c.State != stock.StateHeld || now < c.ExpiresAt {
			return 0
		}
		return c.FromStock + c.Backordered
	})
}

func (s *state) backordered() []Item { return s.items(func(c *claim) int64 { return c.Backordered }) }

// items sums the units of the open reservations for each item, in the order of SKU and location.
func (s *state) items(units func(*claim) int64) []Item {
	var items []Item
	for i := range s.Claims {
		c := &s.Claims[i]
		n := units(c)
		if n == 0 {
			continue
		}
		at, ok := slices.BinarySearchFunc(items, c, func(i Item, c *claim) int {
			return cmp.Or(cmp.Compare(i.SKU, c.SKU), cmp.Compare(i.Location, c.Location))
		})
		if !ok {
			items = slices.Insert(items, at, Item{SKU: c.SKU, Location: c.Location})
		}
		items[at].Units += n
	}
	return items
}

func (h *holdState) active(now domain.Time) bool { return h.Until == 0 || now < h.Until }

func (h *holdState) reason() Reason {
	blocks := make([]string, len(h.Blocks))
	for i, v := range h.Blocks {
		blocks[i] = string(v)
	}
	text := "A " + string(h.Kind) + " hold"
	if h.By != "" {
		text += " by " + h.By
	}
	text += " blocks " + strings.Join(blocks, ", ") + "."
	return Reason{
		Code: ReasonHold, HoldID: h.ID, Kind: string(h.Kind), Blocks: blocks, By: h.By,
		Since: h.Since.Time(), Until: h.Until.Time(), Text: text,
	}
}

// nextStep returns what would move the order on, by its first reason.
func (s *state) nextStep(reasons []Reason) NextStep {
	if len(reasons) == 0 {
		return NextStep{Text: "Nothing: it no longer waits."}
	}
	switch r := &reasons[0]; r.Code {
	case ReasonHold:
		return NextStep{Command: order.CommandReleaseHold, Text: "Release hold " + r.HoldID + " once its cause is settled, or cancel the order."}
	case ReasonReservation:
		return NextStep{Text: "Look at the placement process: its lag, its parked keys, and this order's refused commands."}
	case ReasonReservationRunsOut:
		return NextStep{Command: order.CommandReject, Text: "Reserve again, or reject the order."}
	case ReasonBackordered:
		return NextStep{Command: stock.CommandReceive, Text: "Receive " + names(r.Items) + ", or cancel those lines."}
	case ReasonPayment:
		return NextStep{Text: "Ask the customer to pay, or cancel the order."}
	case ReasonConfirmation:
		return NextStep{Command: order.CommandConfirm, Text: "Look at the placement process, or confirm the order by hand."}
	}
	return NextStep{Text: "Look at the refused commands of this order."}
}

// names lists items for people: "3 × TSHIRT at BER1, …", the first few of them.
func names(items []Item) string {
	const most = 5
	var b strings.Builder
	for i, it := range items {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(items)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d × %s at %s", it.Units, it.SKU, it.Location)
	}
	return b.String()
}
