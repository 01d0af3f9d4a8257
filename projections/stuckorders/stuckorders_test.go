package stuckorders_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/projections/historytest"
	"waybill/projections/keyset"
	"waybill/projections/stuckorders"
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func walk(t *testing.T, pool *pgxpool.Pool, f stuckorders.Filter, now time.Time) []stuckorders.Order {
	t.Helper()
	var all []stuckorders.Order
	for {
		page, err := stuckorders.List(t.Context(), pool, f, now)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Data...)
		if !page.HasMore {
			return all
		}
		f.Cursor = page.NextCursor
	}
}

// waits says by the domain's own state whether an order waits at now, and whether a hold of it is active.
func waits(o *order.Order, now domain.Time) (waits, held bool) {
	held = slices.ContainsFunc(o.Holds, func(h order.Hold) bool { return h.Active(now) })
	switch o.Lifecycle {
	case order.LifecyclePending, order.LifecycleCancelling:
		return true, held
	case order.LifecycleConfirmed:
		return held, held
	case order.LifecycleNone, order.LifecycleCompleted, order.LifecycleRejected, order.LifecycleExpired, order.LifecycleCancelled:
		// Not there yet, or over: nobody waits.
	}
	return false, held
}

// The list has exactly the orders that wait, each with a reason, the longest wait first, page by page.
func TestListEqualsTheOrders(t *testing.T) {
	log := historytest.Random(61, 5_000)
	pool := historytest.Install(t, stuckorders.Projection{})
	historytest.Apply(t, pool, stuckorders.Projection{}, log.Events, 300)
	now := log.Now.Add(time.Hour)
	for _, f := range []stuckorders.Filter{
		{},
		{Limit: 7},
		{OlderThan: 40 * time.Hour, Limit: 13},
		{OnHold: new(true)},
		{OnHold: new(false), Limit: 11},
		{Lifecycle: []string{"confirmed"}},
		{Lifecycle: []string{"pending", "cancelling"}, Channels: []string{"web"}},
	} {
		want := map[string]bool{}
		for id, o := range log.Orders {
			w, held := waits(o, domain.TimeOf(now))
			if w && (f.OnHold == nil || *f.OnHold == held) && (f.Lifecycle == nil || slices.Contains(f.Lifecycle, o.Lifecycle.String())) &&
				(f.Channels == nil || slices.Contains(f.Channels, o.Details.Channel)) {
				want[id] = true
			}
		}
		got := walk(t, pool, f, now)
		for i, o := range got {
			if !want[o.OrderID] {
				t.Fatalf("filter %s: order %s does not belong in the list, or comes twice", asJSON(t, f), asJSON(t, o))
			}
			delete(want, o.OrderID)
			if len(o.Reasons) == 0 || o.Reasons[0].Text == "" || o.NextStep.Text == "" || o.AgeSeconds != int64(now.Sub(o.Since).Seconds()) {
				t.Errorf("order says too little: %s", asJSON(t, o))
			}
			if i > 0 && o.Since.Before(got[i-1].Since) {
				t.Errorf("order %s waits longer than the one before", o.OrderID)
			}
			if d := log.Orders[o.OrderID]; o.Due != d.Due() || o.Number != d.Details.Number || now.Sub(o.Since) < f.OlderThan {
				t.Errorf("order is %s, the domain says %s, due %s", asJSON(t, o), d.Details.Number, d.Due())
			}
		}
		for id := range want {
			if f.OlderThan == 0 {
				t.Errorf("filter %s: order %s is missing", asJSON(t, f), id)
			}
		}
		if len(got) == 0 {
			t.Errorf("filter %s found nothing: it tests nothing", asJSON(t, f))
		}
	}
}

// life is an order that the tests below lead through its life.
type life struct {
	t    *testing.T
	log  *historytest.Log
	id   string
	pool *pgxpool.Pool
	done int
}

func begin(t *testing.T) *life {
	t.Helper()
	l := &life{t: t, log: historytest.New(7), pool: historytest.Install(t, stuckorders.Projection{})}
	l.id = l.log.Place()
	return l
}

func (l *life) order(c order.Command) {
	l.t.Helper()
	if err := l.log.Order(c); err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) stock(c stock.Command) {
	l.t.Helper()
	if err := l.log.Stock(c); err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) now() domain.Time { return domain.TimeOf(l.log.Now) }

// why returns the order as the list has it some time from now, and false if it is not in it.
func (l *life) why(later time.Duration) (stuckorders.Order, bool) {
	l.t.Helper()
	historytest.Apply(l.t, l.pool, stuckorders.Projection{}, l.log.Events[l.done:], 2)
	l.done = len(l.log.Events)
	list := walk(l.t, l.pool, stuckorders.Filter{}, l.log.Now.Add(later))
	if len(list) == 0 {
		return stuckorders.Order{}, false
	}
	return list[0], true
}

// reason wants the order to wait for these reasons.
func (l *life) reason(later time.Duration, codes ...string) stuckorders.Order {
	l.t.Helper()
	o, ok := l.why(later)
	var got []string
	for _, r := range o.Reasons {
		got = append(got, r.Code)
	}
	if !ok || !slices.Equal(got, codes) {
		l.t.Fatalf("order waits for %v (in the list: %t), want %v", got, ok, codes)
	}
	return o
}

// reserveAll reserves every line until some time from now; the stock has room for all but short units of each.
func (l *life) reserveAll(expires time.Duration, short int64) {
	l.t.Helper()
	lines := l.log.Orders[l.id].Lines
	for i := range lines {
		line := &lines[i]
		key := stock.Key{SKU: line.Line.SKU, Location: line.Line.Location}
		l.stock(stock.SetBackorderPolicy{Key: key, Limit: 1000, Now: l.now()})
		if n := line.Open() - short; n > 0 {
			l.stock(stock.Receive{Key: key, MovementID: line.Line.ID, Quantity: n, Now: l.now()})
		}
		l.stock(stock.Reserve{Key: key, OrderID: l.id, ExpiresAt: l.now().Add(expires), Now: l.now(), Reservations: []stock.Ask{
			{ReservationID: stock.ReservationID(l.id, line.Line.ID, 1), Quantity: line.Open(), AllowBackorder: true},
		}})
	}
}

func TestReasonsOfAPendingOrder(t *testing.T) {
	l := begin(t)
	o := l.reason(0, stuckorders.ReasonReservation)
	if o.Reasons[0].Units == 0 || o.NextStep.Text == "" {
		t.Errorf("order is %s, want units", asJSON(t, o))
	}
	l.reserveAll(24*time.Hour, 0)
	if o := l.reason(0, stuckorders.ReasonConfirmation); o.NextStep.Command != order.CommandConfirm || o.Reasons[0].ExpiresAt.IsZero() || len(o.Reasons[0].Items) == 0 {
		t.Errorf("order is %s, want it to be confirmed, with the end of its reservation", asJSON(t, o))
	}
	// Nobody has swept the reservation, and no event says that it is over: the time that is asked for does.
	if o := l.reason(48*time.Hour, stuckorders.ReasonReservationRunsOut); len(o.Reasons[0].Items) == 0 {
		t.Errorf("order is %s, want the items whose reservation ran out", asJSON(t, o))
	}
	l.order(order.Confirm{ID: order.ID(l.id), Now: l.now()})
	if o, ok := l.why(0); ok {
		t.Errorf("a confirmed order still waits: %s", asJSON(t, o))
	}
}

func TestBackorderedOrder(t *testing.T) {
	l := begin(t)
	l.reserveAll(24*time.Hour, 1)
	o := l.reason(0, stuckorders.ReasonBackordered)
	units := int64(0)
	for _, i := range o.Reasons[0].Items {
		units += i.Units
	}
	if units != o.Reasons[0].Units || units != int64(len(l.log.Orders[l.id].Lines)) || o.NextStep.Command != stock.CommandReceive {
		t.Errorf("order is %s, want one unit of each line", asJSON(t, o))
	}
}

func TestExpiredReservation(t *testing.T) {
	l := begin(t)
	l.reserveAll(time.Hour, 0)
	l.log.Now = l.log.Now.Add(48 * time.Hour)
	for _, line := range l.log.Orders[l.id].Lines {
		key := stock.Key{SKU: line.Line.SKU, Location: line.Line.Location}
		l.stock(stock.Expire{Key: key, Now: l.now()})
	}
	l.reason(0, stuckorders.ReasonReservationRunsOut)
}

func TestHolds(t *testing.T) {
	l := begin(t)
	id := order.ID(l.id)
	l.order(order.PlaceHold{ID: id, HoldID: "h1", Kind: order.HoldFraud, Now: l.now()})
	o := l.reason(0, stuckorders.ReasonHold, stuckorders.ReasonReservation)
	h := o.Reasons[0]
	if h.HoldID != "h1" || h.Kind != "fraud" || h.By == "" || h.Since.IsZero() || len(h.Blocks) == 0 || o.NextStep.Command != order.CommandReleaseHold {
		t.Errorf("order is %s, want who holds it, why and since when", asJSON(t, o))
	}
	l.order(order.Confirm{ID: id, Now: l.now()})
	l.reason(0, stuckorders.ReasonHold)
	l.order(order.ReleaseHold{ID: id, HoldID: "h1", Now: l.now()})
	if o, ok := l.why(0); ok {
		t.Errorf("a released order still waits: %s", asJSON(t, o))
	}
	l.log.Now = l.log.Now.Add(time.Hour)
	l.order(order.PlaceHold{ID: id, HoldID: "h2", Kind: order.HoldManual, Until: l.now().Add(2 * time.Hour), Now: l.now()})
	held := l.reason(time.Hour, stuckorders.ReasonHold)
	if recorded := l.log.Events[len(l.log.Events)-1].RecordedAt; !held.Since.Equal(recorded) {
		t.Errorf("order waits since %s, want since the second hold at %s", held.Since, recorded)
	}
	if o, ok := l.why(3 * time.Hour); ok {
		t.Errorf("a hold that ran out still holds: %s", asJSON(t, o))
	}
}

func TestClosedOrdersDoNotWait(t *testing.T) {
	l := begin(t)
	id := order.ID(l.id)
	l.order(order.PlaceHold{ID: id, HoldID: "h1", Kind: order.HoldFraud, Now: l.now()})
	l.order(order.Reject{ID: id, Rejection: order.Rejection{Reason: order.RejectFraud, Detail: "stolen card"}, Now: l.now()})
	if o, ok := l.why(0); ok {
		t.Errorf("a rejected order still waits: %s", asJSON(t, o))
	}
}

func TestBadFilters(t *testing.T) {
	pool := historytest.Install(t, stuckorders.Projection{})
	for name, tt := range map[string]struct {
		filter stuckorders.Filter
		want   error
	}{
		"limit":     {stuckorders.Filter{Limit: 201}, keyset.ErrBadFilter},
		"age":       {stuckorders.Filter{OlderThan: -1}, keyset.ErrBadFilter},
		"lifecycle": {stuckorders.Filter{Lifecycle: []string{"a\x00"}}, keyset.ErrBadFilter},
		"channels":  {stuckorders.Filter{Channels: make([]string, 51)}, keyset.ErrBadFilter},
		"cursor":    {stuckorders.Filter{Cursor: "x"}, keyset.ErrBadCursor},
	} {
		if _, err := stuckorders.List(t.Context(), pool, tt.filter, time.Unix(0, 0)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}
