package processes

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/commands"
	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/internal/failpoint"
)

// Placement takes a placed order to its confirmation: it reserves stock for all lines in one commit, and confirms
// the order with the reservations in one commit; or it rejects the order with the reason.
//
//	order.placed ──► reserve ──► confirm ──────────────────────────► done
//	                   │           │ hold blocks it ──► wait for its release ──► (reserve) ──► confirm
//	                   │           │ terms want money first ──► wait ──► time is over: expire the order
//	                   │           │ reservation lapsed ──► reserve again, at most three times
//	                   │           └ order was closed meanwhile ──► release
//	                   └ not enough stock ──► reject
//
// Reservations that wait are held for a time only. A durable timer ends them; if the order waits for a hold, it stays
// pending and reserves again when the hold is gone. Units of lines that are cancelled are released.
//
// Payments are not recorded by the engine yet, so an order whose terms want money first is never confirmed here.
type Placement struct {
	// Location is where lines are taken from that name none; empty means "MAIN".
	Location string
	// Hold is how long reservations are held that have to wait; 0 means 15 minutes.
	Hold time.Duration
}

var (
	_ Manager[Placing] = Placement{}
	_ Starter          = Placement{}
)

// The codes of what a placement waits for.
const (
	WaitForHold    = "hold"
	WaitForPayment = "payment"
)

const (
	timerReservation = "reservation"
	timerHold        = "hold"

	maxAttempts     = 3
	defaultLocation = "MAIN"
	defaultHold     = 15 * time.Minute
)

// Placing is the state of one placement.
type Placing struct {
	OrderID   string       `msgpack:"order_id"`
	Lines     []PlacedLine `msgpack:"lines"`
	PaidFirst bool         `msgpack:"paid_first"` // the terms want money before the order is confirmed
	PayBy     domain.Time  `msgpack:"pay_by"`
	Attempt   int          `msgpack:"attempt"` // of reserving, from 1
	ExpiresAt domain.Time  `msgpack:"expires_at"`
	Reserved  bool         `msgpack:"reserved"` // the reservations of this attempt are open
	Holds     []TimedHold  `msgpack:"holds"`    // that block the confirmation and end by themselves
	Waiting   string       `msgpack:"waiting"`
	Confirmed bool         `msgpack:"confirmed"`
	Closed    bool         `msgpack:"closed"`
}

// TimedHold is a hold that ends by itself.
type TimedHold struct {
	ID    string      `msgpack:"id"`
	Until domain.Time `msgpack:"until"`
}

// PlacedLine is a line of the order.
type PlacedLine struct {
	LineID    string `msgpack:"line_id"`
	SKU       string `msgpack:"sku"`
	Location  string `msgpack:"location"`
	Quantity  int64  `msgpack:"quantity"` // less what was cancelled
	Backorder bool   `msgpack:"backorder"`
	NoStock   bool   `msgpack:"no_stock"` // nothing is reserved for it
}

// Name implements [Manager].
func (Placement) Name() string { return "placement" }

// Types implements [Manager].
func (Placement) Types() []string {
	return []string{order.TypePlaced, order.TypeHoldPlaced, order.TypeHoldReleased, order.TypeLinesCancelled}
}

// Starts implements [Starter]: nothing happens to an order before it is placed.
func (Placement) Starts(typ string) bool { return typ == order.TypePlaced }

// React implements [Manager].
func (p Placement) React(s Placing, in Input) (Placing, Reaction, error) {
	turn := placementTurn{Placement: p, s: s}
	var err error
	switch in := in.(type) {
	case Event:
		turn.now = domain.TimeOf(in.Now)
		err = turn.event(in.Body)
	case Fired:
		turn.now = domain.TimeOf(in.Now)
		turn.fired(in.Name)
	case Accepted:
		turn.now = domain.TimeOf(in.Now)
		turn.accepted(in.Step, in.Result.Events)
	case Refused:
		turn.now = domain.TimeOf(in.Now)
		err = turn.refused(in.Step, in.Refusal)
	}
	turn.r.Done = turn.s.Confirmed || turn.s.Closed
	if turn.s.Waiting != "" {
		turn.r.Waiting = Waiting{For: turn.s.Waiting, Until: turn.waitsUntil().Time()}
	}
	return turn.s, turn.r, err
}

// placementTurn is one answer in the making.
type placementTurn struct {
	Placement
	s   Placing
	r   Reaction
	now domain.Time
}

func (t *placementTurn) event(body any) error {
	switch e := body.(type) {
	case order.Placed:
		t.placed(e)
	case order.HoldPlaced:
		t.held(e)
	case order.HoldReleased:
		t.s.Holds = slices.DeleteFunc(t.s.Holds, func(h TimedHold) bool { return h.ID == e.HoldID })
		if t.s.Waiting == WaitForHold {
			t.goOn()
		}
	case order.LinesCancelled:
		t.cancelled(e.Lines)
	default:
		return fmt.Errorf("placement: an event %T was not asked for", body)
	}
	return nil
}

func (t *placementTurn) placed(e order.Placed) {
	if t.s.OrderID != "" {
		return // an order is placed once; its event came twice
	}
	d := e.Details
	t.s = Placing{OrderID: string(e.OrderID), PayBy: d.PaymentTerms.PayBy}
	switch d.PaymentTerms.Kind {
	case order.PaymentPrepaid, order.PaymentAuthorise:
		t.s.PaidFirst = true
	case order.PaymentOffline, order.PaymentOnAccount:
	}
	reserves := false
	switch d.ReservePolicy {
	case order.ReserveOnOrder, order.ReserveOnPayment:
		reserves = true
	case order.ReserveNone, order.ReserveTrackOnly, order.ReserveExternal:
	}
	for _, l := range d.Lines {
		t.s.Lines = append(t.s.Lines, PlacedLine{
			LineID: l.ID, SKU: l.SKU, Location: cmp.Or(l.Location, t.Location, defaultLocation),
			Quantity: l.Quantity, Backorder: l.AllowBackorder, NoStock: !reserves || !l.RequiresShipping,
		})
	}
	if t.s.PaidFirst && d.ReservePolicy == order.ReserveOnPayment {
		t.wait(WaitForPayment)
		return
	}
	t.goOn()
}

// goOn takes the next step: reserve if there is something to reserve and nothing is, else confirm.
func (t *placementTurn) goOn() {
	t.s.Waiting = ""
	switch {
	case !t.s.Reserved && len(t.items()) > 0:
		t.reserve()
	case t.s.PaidFirst:
		t.wait(WaitForPayment)
	default:
		t.confirm("confirm")
	}
}

func (t *placementTurn) reserve() {
	t.s.Attempt++
	t.s.ExpiresAt = t.now.Add(cmp.Or(t.Hold, defaultHold))
	if t.s.PaidFirst {
		t.s.ExpiresAt = max(t.s.ExpiresAt, t.s.PayBy)
	}
	demands := make([]commands.Demand, 0, len(t.s.Lines))
	for _, l := range t.s.Lines {
		if l.Quantity > 0 && !l.NoStock {
			demands = append(demands, commands.Demand{LineID: l.LineID, SKU: l.SKU, Location: l.Location, Quantity: l.Quantity, AllowBackorder: l.Backorder})
		}
	}
	t.ask("reserve", stock.CommandReserve, commands.ReserveSteps(commands.Reservation{
		OrderID: order.ID(t.s.OrderID), Attempt: t.s.Attempt, Demands: demands, ExpiresAt: t.s.ExpiresAt, Now: t.now,
	}))
}

func (t *placementTurn) confirm(step string) {
	steps := []commands.Step{commands.Order(order.Confirm{ID: order.ID(t.s.OrderID), Now: t.now})}
	if t.s.Reserved {
		for _, i := range t.items() {
			steps = append(steps, commands.Stock(stock.Confirm{Key: i.Key, OrderID: t.s.OrderID, ReservationIDs: t.reservations(i.lines), Now: t.now}))
		}
	}
	t.ask(step, order.CommandConfirm, steps)
}

func (t *placementTurn) reject(r order.Rejection) {
	t.ask("reject", order.CommandReject, []commands.Step{commands.Order(order.Reject{ID: order.ID(t.s.OrderID), Rejection: r, Now: t.now})})
}

// wait stays pending, with a timer for the reservations and one for the hold if it ends by itself.
func (t *placementTurn) wait(what string) {
	t.s.Waiting = what
	switch {
	case t.s.Reserved:
		t.set(timerReservation, t.s.ExpiresAt)
	case what == WaitForPayment && !t.s.PayBy.IsZero():
		t.set(timerReservation, t.s.PayBy)
	}
	if what == WaitForHold {
		t.s.Holds = slices.DeleteFunc(t.s.Holds, func(h TimedHold) bool { return h.Until <= t.now })
		t.watchHolds()
	}
}

// held remembers a hold. Its event may come after the refusal that it caused: then the timer is set only now.
func (t *placementTurn) held(e order.HoldPlaced) {
	if !slices.Contains(e.Blocks, order.VerbConfirm) || e.Until.IsZero() {
		return
	}
	t.s.Holds = append(t.s.Holds, TimedHold{ID: e.HoldID, Until: e.Until})
	if t.s.Waiting == WaitForHold {
		t.watchHolds()
	}
}

// watchHolds sets the timer for the hold that ends first: when it ends, confirming is tried again, and if another hold
// is left, waited for again.
func (t *placementTurn) watchHolds() {
	if until := t.holdEnds(); !until.IsZero() {
		t.set(timerHold, until)
	}
}

// holdEnds is when the first hold ends by itself; zero if none does.
func (t *placementTurn) holdEnds() domain.Time {
	var first domain.Time
	for _, h := range t.s.Holds {
		if first.IsZero() || h.Until < first {
			first = h.Until
		}
	}
	return first
}

func (t *placementTurn) waitsUntil() domain.Time {
	switch {
	case t.s.Waiting == WaitForHold:
		return t.holdEnds()
	case t.s.Reserved:
		return t.s.ExpiresAt
	}
	return t.s.PayBy
}

func (t *placementTurn) fired(name string) {
	if t.s.Waiting == "" {
		return // it was cancelled, and fired all the same
	}
	switch {
	case name == timerHold:
		t.goOn()
	case t.s.Waiting == WaitForPayment:
		deadline := t.waitsUntil()
		steps := []commands.Step{commands.Order(order.Expire{ID: order.ID(t.s.OrderID), Deadline: deadline, Now: t.now})}
		t.ask("expire", order.CommandExpire, append(steps, t.expireStock()...))
	case t.s.Reserved:
		t.confirm("yield") // it may have been confirmed, and the crash that delayed this timer took the memory of it
	}
}

// yield gives the reservations up: their time is over, and the hold still stands.
func (t *placementTurn) yield() {
	if len(t.items()) == 0 { // what was reserved was cancelled, and given back then
		t.lapsed()
		return
	}
	t.ask("lapse", stock.CommandExpire, t.expireStock())
}

// lapsed goes on waiting for the hold, without reservations.
func (t *placementTurn) lapsed() {
	t.s.Reserved = false
	t.wait(WaitForHold)
}

func (t *placementTurn) expireStock() []commands.Step {
	if !t.s.Reserved {
		return nil
	}
	var steps []commands.Step
	for _, i := range t.items() {
		steps = append(steps, commands.Stock(stock.Expire{Key: i.Key, ReservationIDs: t.reservations(i.lines), Now: t.now}))
	}
	return steps
}

func (t *placementTurn) close() {
	t.s.Waiting, t.s.Closed = "", true
	t.r.Cancel = append(t.r.Cancel, timerReservation, timerHold)
}

func (t *placementTurn) accepted(step string, events []commands.Caused) {
	switch name, _, _ := strings.Cut(step, "-"); name {
	case "reserve":
		t.s.Reserved = true
		t.trim(events)
		t.goOn()
	case "confirm", "yield":
		if failpoint.On(failpoint.BugExpiryIgnoresConfirmed) {
			t.releaseAll("expired")
		}
		t.s.Confirmed, t.s.Waiting = true, ""
		t.r.Cancel = append(t.r.Cancel, timerReservation, timerHold)
	case "lapse":
		t.lapsed()
	case "expire":
		t.s.Reserved = false
		t.close()
	case "reject":
		t.close()
	case "release":
	}
}

func (t *placementTurn) refused(step string, r *commands.Refused) error {
	switch name, _, _ := strings.Cut(step, "-"); name {
	case "reserve":
		rejection, err := rejectionFor(r)
		if err != nil {
			return err
		}
		t.reject(rejection)
	case "confirm":
		return t.confirmRefused(r)
	case "yield":
		if r.Code != (order.HoldActive{}).RefusalCode() {
			return t.confirmRefused(r)
		}
		t.yield()
	case "expire", "lapse":
		return t.expiryRefused(r)
	case "reject": // the order was closed by somebody else
		t.close()
	case "release": // the reservation is over: nothing is left to give back
	}
	return nil
}

func (t *placementTurn) confirmRefused(r *commands.Refused) error {
	switch r.Code {
	case order.HoldActive{}.RefusalCode():
		t.wait(WaitForHold)
	case order.InvalidTransition{}.RefusalCode(): // closed meanwhile
		t.releaseAll("order is " + r.State)
		t.close()
	case stock.ReservationLapsed{}.RefusalCode(), stock.ReservationClosed{}.RefusalCode(), stock.UnknownReservation{}.RefusalCode():
		t.s.Reserved = false
		if t.s.Attempt >= maxAttempts {
			t.reject(order.Rejection{Reason: order.RejectOutOfStock, Detail: fmt.Sprintf("reservations lapsed %d times before the order could be confirmed", t.s.Attempt)})
			return nil
		}
		t.reserve()
	default:
		return fmt.Errorf("placement: confirm was refused for a reason that has no answer: %w", r)
	}
	return nil
}

func (t *placementTurn) expiryRefused(r *commands.Refused) error {
	switch r.Code {
	case stock.ReservationNotDue{}.RefusalCode(): // our clock runs ahead of the one that set the time
		t.set(timerReservation, t.now.Add(time.Second))
	case order.InvalidTransition{}.RefusalCode():
		t.releaseAll("order is " + r.State)
		t.close()
	default:
		return fmt.Errorf("placement: expiry was refused for a reason that has no answer: %w", r)
	}
	return nil
}

// rejectionFor says to the customer's side what a refused reservation means.
func rejectionFor(r *commands.Refused) (order.Rejection, error) {
	rejection := order.Rejection{Reason: order.RejectInvalid, Detail: r.Detail}
	switch r.Code {
	case stock.InsufficientStock{}.RefusalCode(), stock.BackorderLimitReached{}.RefusalCode():
		var s order.Shortage
		if err := json.Unmarshal(r.Values, &s); err != nil {
			return order.Rejection{}, errors.Join(fmt.Errorf("placement: values of %s", r.Code), err)
		}
		rejection.Reason, rejection.Shortages = order.RejectOutOfStock, []order.Shortage{s}
	}
	return rejection, nil
}

// item is what one stock item has to give.
type item struct {
	stock.Key
	lines []PlacedLine
}

// items groups the lines that need stock and have units left, in the order of their streams: demand on one item is one command.
func (t *placementTurn) items() []item {
	var items []item
	for _, l := range t.s.Lines {
		if l.Quantity == 0 || l.NoStock {
			continue
		}
		key := stock.Key{SKU: l.SKU, Location: l.Location}
		n, found := slices.BinarySearchFunc(items, key, func(i item, k stock.Key) int { return strings.Compare(i.Stream(), k.Stream()) })
		if !found {
			items = slices.Insert(items, n, item{Key: key})
		}
		items[n].lines = append(items[n].lines, l)
	}
	return items
}

func (t *placementTurn) reservation(l PlacedLine) string {
	return stock.ReservationID(t.s.OrderID, l.LineID, max(t.s.Attempt, 1))
}

func (t *placementTurn) reservations(lines []PlacedLine) []string {
	ids := make([]string, len(lines))
	for n, l := range lines {
		ids[n] = t.reservation(l)
	}
	return ids
}

// ask adds a command; the attempt tells the steps of one turn apart.
func (t *placementTurn) ask(name, typ string, steps []commands.Step) {
	t.r.Commands = append(t.r.Commands, Command{Step: name + "-" + strconv.Itoa(t.s.Attempt), Type: typ, Steps: steps})
}

func (t *placementTurn) set(name string, due domain.Time) {
	t.r.Timers = append(t.r.Timers, Timer{Name: name, Due: due.Time()})
}
