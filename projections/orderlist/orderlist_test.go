package orderlist_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/domain/order"
	"waybill/internal/devstack/devtest"
	"waybill/projections/historytest"
	"waybill/projections/keyset"
	"waybill/projections/orderlist"
)

func TestMain(m *testing.M) { os.Exit(devtest.Main(m, historytest.Migrate)) }

// expected derives a row from the state that the domain itself folds.
func expected(o *order.Order) orderlist.Row {
	r := orderlist.Row{
		OrderID: string(o.ID), Number: o.Details.Number, Channel: o.Details.Channel, SourceRef: o.Details.SourceRef,
		CustomerID: o.Details.CustomerID, Lifecycle: o.Lifecycle.String(), PaymentStatus: string(o.PaymentStatus()),
		FulfilmentStatus: string(o.FulfilmentStatus(0)), ReturnStatus: string(o.ReturnStatus()), Holds: []string{}, Tags: append([]string{}, o.Tags...),
		SKUs: []string{}, Total: o.Due(), Country: o.Details.Contact.Delivery.Country, Lines: len(o.Lines), PlacedAt: o.PlacedAt.Time(),
	}
	for i := range o.Lines {
		r.SKUs = append(r.SKUs, o.Lines[i].Line.SKU)
		r.Units += o.Lines[i].Ordered() - o.Lines[i].Cancelled
	}
	for _, h := range o.Holds {
		if h.ReleasedAt.IsZero() {
			r.Holds = append(r.Holds, string(h.Kind))
		}
	}
	slices.Sort(r.SKUs)
	slices.Sort(r.Holds)
	r.SKUs, r.Holds = slices.Compact(r.SKUs), slices.Compact(r.Holds)
	return r
}

// model is the list in memory, newest placed last.
type model struct {
	rows []orderlist.Row
	seq  map[string]int64
}

func newModel(l *historytest.Log) *model {
	m := &model{seq: map[string]int64{}}
	last := map[string][3]int64{}
	for i := range l.Events {
		e := &l.Events[i]
		if id, ok := order.ParseStream(e.Stream); ok {
			if m.seq[string(id)] == 0 {
				m.seq[string(id)] = e.Position
			}
			last[string(id)] = [3]int64{e.RecordedAt.UnixMicro(), e.Version, e.Position}
		}
	}
	for _, id := range l.OrderIDs {
		r := expected(l.Orders[id])
		r.UpdatedAt, r.Version, r.Position = time.UnixMicro(last[id][0]).UTC(), last[id][1], last[id][2]
		m.rows = append(m.rows, r)
	}
	return m
}

// list answers a filter the naive way.
func (m *model) list(f orderlist.Filter) []orderlist.Row {
	var out []orderlist.Row
	for _, r := range m.rows {
		if matches(&r, &f) {
			out = append(out, r)
		}
	}
	name, descending := strings.CutPrefix(string(f.Sort), "-")
	if f.Sort == "" {
		name, descending = "placed_at", true
	}
	slices.SortFunc(out, func(a, b orderlist.Row) int {
		c := 0
		switch name {
		case "placed_at":
			c = a.PlacedAt.Compare(b.PlacedAt)
		case "updated_at":
			c = a.UpdatedAt.Compare(b.UpdatedAt)
		case "total":
			c = int(a.Total.Minor - b.Total.Minor)
		case "number":
			c = strings.Compare(a.Number, b.Number)
		}
		if c == 0 {
			c = int(m.seq[a.OrderID] - m.seq[b.OrderID])
		}
		if descending {
			return -c
		}
		return c
	})
	return out
}

func matches(r *orderlist.Row, f *orderlist.Filter) bool {
	in := func(list []string, v string) bool { return len(list) == 0 || slices.Contains(list, v) }
	all := func(want, have []string) bool {
		return !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(have, w) })
	}
	is := func(want, have string) bool { return want == "" || want == have }
	return in(f.Lifecycle, r.Lifecycle) && in(f.PaymentStatus, r.PaymentStatus) && in(f.FulfilmentStatus, r.FulfilmentStatus) &&
		in(f.ReturnStatus, r.ReturnStatus) && in(f.Channels, r.Channel) && in(f.Countries, r.Country) &&
		is(f.CustomerID, r.CustomerID) && is(f.Number, r.Number) && is(f.SourceRef, r.SourceRef) && is(f.Currency, string(r.Total.Currency)) &&
		(len(f.Holds) == 0 || slices.ContainsFunc(f.Holds, func(h string) bool { return slices.Contains(r.Holds, h) })) &&
		(f.OnHold == nil || *f.OnHold == (len(r.Holds) > 0)) && all(f.Tags, r.Tags) && all(f.SKUs, r.SKUs) &&
		(f.TotalMin == nil || r.Total.Minor >= *f.TotalMin) && (f.TotalMax == nil || r.Total.Minor <= *f.TotalMax) &&
		(f.PlacedFrom.IsZero() || !r.PlacedAt.Before(f.PlacedFrom)) && (f.PlacedBefore.IsZero() || r.PlacedAt.Before(f.PlacedBefore)) &&
		(f.UpdatedFrom.IsZero() || !r.UpdatedAt.Before(f.UpdatedFrom)) && (f.UpdatedBefore.IsZero() || r.UpdatedAt.Before(f.UpdatedBefore))
}

// randomFilter sets each condition now and then, to values that occur.
func randomFilter(rng *rand.Rand, m *model) orderlist.Filter {
	row := func() *orderlist.Row { return &m.rows[rng.IntN(len(m.rows))] }
	now := func(n int) bool { return rng.IntN(n) == 0 }
	var f orderlist.Filter
	if now(3) {
		f.Lifecycle = []string{row().Lifecycle}
		if now(2) {
			f.Lifecycle = append(f.Lifecycle, row().Lifecycle, "completed")
		}
	}
	if now(6) {
		f.FulfilmentStatus = []string{row().FulfilmentStatus, row().FulfilmentStatus}
	}
	if now(8) {
		f.PaymentStatus, f.ReturnStatus = []string{"not_paid", "paid"}, []string{"none"}
	}
	if now(4) {
		f.Channels = []string{row().Channel}
	}
	if now(8) {
		f.Countries = []string{row().Country, "XX"}
	}
	if now(6) {
		f.CustomerID = row().CustomerID
	}
	if now(20) {
		f.Number = row().Number
	}
	if now(20) {
		f.SourceRef = row().SourceRef
	}
	if now(8) {
		f.Holds = []string{"fraud", "address"}
	}
	if now(8) {
		f.OnHold = new(now(2))
	}
	if now(5) {
		f.Tags = slices.Clone(row().Tags)
	}
	if now(6) {
		f.SKUs = row().SKUs[:1]
	}
	f.Sort = []orderlist.Sort{
		"", orderlist.PlacedDesc, orderlist.PlacedAsc, orderlist.UpdatedDesc, orderlist.UpdatedAsc,
		orderlist.NumberDesc, orderlist.NumberAsc, orderlist.TotalDesc, orderlist.TotalAsc,
	}[rng.IntN(9)]
	if now(4) || f.Sort == orderlist.TotalAsc || f.Sort == orderlist.TotalDesc {
		r := row()
		f.Currency = string(r.Total.Currency)
		if now(2) {
			f.TotalMin = new(r.Total.Minor)
		}
		if now(2) {
			f.TotalMax = new(r.Total.Minor + 5000)
		}
	}
	if now(5) {
		f.PlacedFrom = row().PlacedAt
	}
	if now(5) {
		f.PlacedBefore = row().PlacedAt
	}
	if now(8) {
		f.UpdatedFrom, f.UpdatedBefore = row().UpdatedAt, row().UpdatedAt.Add(24*time.Hour)
	}
	return f
}

// walk reads all pages of a list.
func walk(t *testing.T, pool *pgxpool.Pool, f orderlist.Filter, between func()) []orderlist.Row {
	t.Helper()
	var all []orderlist.Row
	for {
		page, err := orderlist.List(t.Context(), pool, f)
		if err != nil {
			t.Fatalf("list %+v: %v", f, err)
		}
		all = append(all, page.Data...)
		if page.HasMore != (page.NextCursor != "") || len(page.Data) > f.Limit {
			t.Fatalf("page of %d rows, limit %d, has more %t, next cursor %q", len(page.Data), f.Limit, page.HasMore, page.NextCursor)
		}
		if !page.HasMore {
			return all
		}
		f.Cursor = page.NextCursor
		if between != nil {
			between()
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// diff is empty if both lists are the same, sort values and all.
func diff(t *testing.T, got, want []orderlist.Row) string {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if g, w := asJSON(t, got[i]), asJSON(t, want[i]); g != w {
			return "row " + g + "\nwant " + w
		}
	}
	if len(got) != len(want) {
		return "another number of rows: " + asJSON(t, len(got)) + ", want " + asJSON(t, len(want))
	}
	return ""
}

// Whatever is asked for, the table and its indexes answer what a loop over all orders would.
func TestFiltersEqualANaiveFilter(t *testing.T) {
	log := historytest.Random(1, 6_000)
	pool := historytest.Install(t, orderlist.Projection{})
	historytest.Apply(t, pool, orderlist.Projection{}, log.Events, 700)
	m := newModel(log)
	rng := rand.New(rand.NewPCG(7, 7))
	found := 0
	for range 400 {
		f := randomFilter(rng, m)
		f.Limit = 1 + rng.IntN(keyset.MaxLimit)
		want := m.list(f)
		got := walk(t, pool, f, nil)
		if d := diff(t, got, want); d != "" {
			t.Fatalf("filter %s: %s", asJSON(t, f), d)
		}
		found += len(got)
		count, err := orderlist.CountUpTo(t.Context(), pool, f)
		if err != nil || count.Total != int64(len(want)) || count.Relation != "eq" {
			t.Fatalf("filter %s: count %+v, %v, want %d", asJSON(t, f), count, err, len(want))
		}
	}
	if found < 5_000 {
		t.Errorf("the random filters found %d orders in all: they test too little", found)
	}
}

// While orders come in, no row appears twice, and none that was there from the beginning is missing.
func TestPagesAreStableWhileOrdersComeIn(t *testing.T) {
	for _, sort := range []orderlist.Sort{orderlist.PlacedDesc, orderlist.PlacedAsc, orderlist.NumberDesc, orderlist.NumberAsc} {
		t.Run(string(sort), func(t *testing.T) {
			log := historytest.Random(2, 1_500)
			pool := historytest.Install(t, orderlist.Projection{})
			historytest.Apply(t, pool, orderlist.Projection{}, log.Events, 500)
			before := newModel(log).list(orderlist.Filter{Sort: sort})
			got := walk(t, pool, orderlist.Filter{Sort: sort, Limit: 37}, func() {
				at := len(log.Events)
				for range 5 {
					log.Place()
				}
				historytest.Apply(t, pool, orderlist.Projection{}, log.Events[at:], 10)
				if len(log.OrderIDs) > 3*len(before) {
					t.Fatal("the list does not end")
				}
			})
			seen := map[string]bool{}
			var old []string
			for _, r := range got {
				if seen[r.OrderID] {
					t.Fatalf("order %s appears twice", r.OrderID)
				}
				seen[r.OrderID] = true
				if slices.ContainsFunc(before, func(b orderlist.Row) bool { return b.OrderID == r.OrderID }) {
					old = append(old, r.OrderID)
				}
			}
			var want []string
			for _, r := range before {
				want = append(want, r.OrderID)
			}
			if !slices.Equal(old, want) {
				t.Errorf("of the %d orders that were there, %d were listed, or in another order", len(want), len(old))
			}
		})
	}
}

// Rows do not depend on how the log is cut into batches.
func TestBatchesDoNotMatter(t *testing.T) {
	log := historytest.Random(3, 2_000)
	var want []orderlist.Row
	for _, size := range []int{1, 7, 400, 100_000} {
		pool := historytest.Install(t, orderlist.Projection{})
		historytest.Apply(t, pool, orderlist.Projection{}, log.Events, size)
		got := walk(t, pool, orderlist.Filter{Limit: keyset.MaxLimit}, nil)
		if want == nil {
			want = newModel(log).list(orderlist.Filter{})
		}
		if d := diff(t, got, want); d != "" {
			t.Fatalf("batches of %d: %s", size, d)
		}
	}
}

func TestBadFiltersAndCursors(t *testing.T) {
	log := historytest.Random(5, 300)
	pool := historytest.Install(t, orderlist.Projection{})
	historytest.Apply(t, pool, orderlist.Projection{}, log.Events, 100)
	page, err := orderlist.List(t.Context(), pool, orderlist.Filter{Limit: 1})
	if err != nil || page.NextCursor == "" {
		t.Fatalf("first page: %v, cursor %q", err, page.NextCursor)
	}
	changed := []byte(page.NextCursor)
	changed[len(changed)/2] ^= 1
	for name, tt := range map[string]struct {
		filter orderlist.Filter
		want   error
	}{
		"limit below 1":             {orderlist.Filter{Limit: -1}, keyset.ErrBadFilter},
		"limit above the most":      {orderlist.Filter{Limit: 201}, keyset.ErrBadFilter},
		"unknown sort":              {orderlist.Filter{Sort: "colour"}, keyset.ErrBadFilter},
		"sort by total":             {orderlist.Filter{Sort: orderlist.TotalAsc}, keyset.ErrBadFilter},
		"range of mixed currencies": {orderlist.Filter{TotalMin: new(int64(1))}, keyset.ErrBadFilter},
		"too many values":           {orderlist.Filter{Tags: make([]string, 51)}, keyset.ErrBadFilter},
		"text that is no text":      {orderlist.Filter{Channels: []string{"a\x00b"}}, keyset.ErrBadFilter},
		"id that is no text":        {orderlist.Filter{CustomerID: "\xff"}, keyset.ErrBadFilter},
		"cursor of another sort":    {orderlist.Filter{Cursor: page.NextCursor, Sort: orderlist.PlacedAsc}, keyset.ErrBadCursor},
		"cursor of another filter":  {orderlist.Filter{Cursor: page.NextCursor, Tags: []string{"vip"}}, keyset.ErrBadCursor},
		"cursor that was changed":   {orderlist.Filter{Cursor: string(changed)}, keyset.ErrBadCursor},
		"cursor that was cut":       {orderlist.Filter{Cursor: page.NextCursor[:len(page.NextCursor)-2]}, keyset.ErrBadCursor},
		"cursor that is none":       {orderlist.Filter{Cursor: "%%%"}, keyset.ErrBadCursor},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := orderlist.List(t.Context(), pool, tt.filter); !errors.Is(err, tt.want) {
				t.Errorf("list: %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := orderlist.List(t.Context(), pool, orderlist.Filter{Cursor: page.NextCursor, Limit: 7}); err != nil {
		t.Errorf("another limit between two pages: %v, want none", err)
	}
}

// A filter says the same in whatever order its values come: its cursors stay good.
func TestFilterOrderDoesNotMatterToCursors(t *testing.T) {
	log := historytest.Random(6, 400)
	pool := historytest.Install(t, orderlist.Projection{})
	historytest.Apply(t, pool, orderlist.Projection{}, log.Events, 100)
	f := orderlist.Filter{Channels: []string{"web", "phone"}, Limit: 2}
	page, err := orderlist.List(t.Context(), pool, f)
	if err != nil {
		t.Fatal(err)
	}
	f.Cursor, f.Channels = page.NextCursor, []string{"phone", "web", "web"}
	if _, err := orderlist.List(t.Context(), pool, f); err != nil {
		t.Errorf("same values in another order: %v", err)
	}
	if want := []string{"phone", "web", "web"}; !reflect.DeepEqual(f.Channels, want) {
		t.Errorf("the caller's filter was changed to %v", f.Channels)
	}
}
