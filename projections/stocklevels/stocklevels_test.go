package stocklevels_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/domain"
	"waybill/domain/stock"
	"waybill/projections/historytest"
	"waybill/projections/keyset"
	"waybill/projections/stocklevels"
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// expected returns what the items' own states say, ordered as the list is.
func expected(log *historytest.Log) []stocklevels.Level {
	var levels []stocklevels.Level
	for key, item := range log.Items {
		l := stocklevels.Level{
			SKU: key.SKU, Location: key.Location, OnHand: item.OnHand, Unavailable: item.Safety + item.Unavailable.Total(),
			Damaged: item.Unavailable.Damaged, QualityControl: item.Unavailable.QualityControl, Other: item.Unavailable.Other,
			Safety: item.Safety, Reserved: item.Reserved, Allocated: item.Allocated, Backordered: item.Backordered, Threshold: item.Threshold,
			Available: item.Available(), BackorderLimit: item.BackorderLimit, Short: item.Oversold(), Oversold: item.Oversold() > 0,
		}
		for i := range log.Events {
			if e := &log.Events[i]; e.Stream == key.Stream() {
				l.UpdatedAt, l.Version, l.Position = e.RecordedAt, e.Version, e.Position
			}
		}
		for id := range reservationIDs(log, key) {
			r, ok := item.Reservation(id)
			switch {
			case !ok:
			case r.State == stock.StateHeld:
				l.Held += r.FromStock
			default:
				l.Confirmed += r.Unallocated()
			}
		}
		levels = append(levels, l)
	}
	slices.SortFunc(levels, func(a, b stocklevels.Level) int {
		return cmp.Or(strings.Compare(a.SKU, b.SKU), strings.Compare(a.Location, b.Location))
	})
	return levels
}

// reservationIDs returns all that were ever made of an item.
func reservationIDs(log *historytest.Log, key stock.Key) map[string]bool {
	ids := map[string]bool{}
	for i := range log.Events {
		e := &log.Events[i]
		if e.Stream != key.Stream() || e.Type != stock.TypeReserved {
			continue
		}
		ev, err := stock.Decode(e.Type, e.Schema, e.Data)
		if err != nil {
			panic(err)
		}
		if r, ok := ev.(stock.Reserved); ok {
			for _, g := range r.Reservations {
				ids[g.ReservationID] = true
			}
		}
	}
	return ids
}

func walk(t *testing.T, pool *pgxpool.Pool, f stocklevels.Filter) []stocklevels.Level {
	t.Helper()
	var all []stocklevels.Level
	for {
		page, err := stocklevels.List(t.Context(), pool, f)
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

// The levels are what the items' own states say, whatever is asked for, page by page.
func TestLevelsEqualTheItems(t *testing.T) {
	log := historytest.Random(51, 5_000)
	pool := historytest.Install(t, stocklevels.Projection{})
	historytest.Apply(t, pool, stocklevels.Projection{}, log.Events, 333)
	all := expected(log)
	oversold, backordered := 0, 0
	for i := range all {
		if all[i].Oversold {
			oversold++
		}
		if all[i].Backordered > 0 {
			backordered++
		}
	}
	if oversold == 0 || backordered == 0 {
		t.Fatalf("%d items oversold, %d backordered: the history tests too little", oversold, backordered)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	for range 150 {
		f := stocklevels.Filter{Limit: 1 + rng.IntN(40)}
		if rng.IntN(3) == 0 {
			f.SKUPrefix = []string{"SKU-00", "SKU-001", "SKU-0005", "nothing", "S"}[rng.IntN(5)]
		}
		if rng.IntN(3) == 0 {
			f.Locations = [][]string{{"BER1"}, {"LON1", "BER1"}, {"MOON"}}[rng.IntN(3)]
		}
		if rng.IntN(3) == 0 {
			f.AvailableBelow = new(int64(rng.IntN(60) - 5))
		}
		if rng.IntN(4) == 0 {
			f.Oversold = new(rng.IntN(2) == 0)
		}
		if rng.IntN(4) == 0 {
			f.Backordered = new(rng.IntN(2) == 0)
		}
		var want []stocklevels.Level
		for _, l := range all {
			if strings.HasPrefix(l.SKU, f.SKUPrefix) && (f.Locations == nil || slices.Contains(f.Locations, l.Location)) &&
				(f.AvailableBelow == nil || l.Available < *f.AvailableBelow) && (f.Oversold == nil || *f.Oversold == l.Oversold) &&
				(f.Backordered == nil || *f.Backordered == (l.Backordered > 0)) {
				want = append(want, l)
			}
		}
		got := walk(t, pool, f)
		if g, w := asJSON(t, got), asJSON(t, want); len(got)+len(want) > 0 && g != w {
			t.Fatalf("filter %s:\n%s\nwant\n%s", asJSON(t, f), g, w)
		}
	}
	for _, want := range all {
		got, err := stocklevels.Get(t.Context(), pool, want.SKU, want.Location)
		if err != nil || got != want {
			t.Fatalf("get %s at %s: %+v, %v, want %+v", want.SKU, want.Location, got, err, want)
		}
	}
	if _, err := stocklevels.Get(t.Context(), pool, "nothing", "BER1"); !errors.Is(err, keyset.ErrNotFound) {
		t.Errorf("get of an unknown item: %v, want ErrNotFound", err)
	}
}

// Which orders hold a SKU, and what an order holds, is what the items say.
func TestReservationsEqualTheItems(t *testing.T) {
	log := historytest.Random(52, 4_000)
	pool := historytest.Install(t, stocklevels.Projection{})
	historytest.Apply(t, pool, stocklevels.Projection{}, log.Events, 250)
	walk := func(f stocklevels.ReservationFilter) []stocklevels.Reservation {
		t.Helper()
		var all []stocklevels.Reservation
		for {
			page, err := stocklevels.Reservations(t.Context(), pool, f)
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
	open, ended := 0, 0
	byOrder := map[string]int{}
	for key, item := range log.Items {
		made := reservationIDs(log, key)
		all := walk(stocklevels.ReservationFilter{SKU: key.SKU, Location: key.Location, Ended: true, Limit: 3})
		if len(all) != len(made) {
			t.Fatalf("%s: %d reservations, want %d", key.Stream(), len(all), len(made))
		}
		for _, r := range all {
			byOrder[r.OrderID]++
			in, isOpen := item.Reservation(r.ReservationID)
			switch {
			case !isOpen:
				ended++
				if r.Quantity != 0 || r.Backordered != 0 || !slices.Contains([]string{"released", "expired", "issued"}, r.State) {
					t.Errorf("reservation %+v has ended", r)
				}
			case r.State != in.State.String() || r.Quantity != in.Quantity() || r.Allocated != in.Allocated || r.Issued != in.Issued || r.Backordered != in.Backordered || r.Asked != in.Asked || r.OrderID != in.OrderID:
				t.Errorf("reservation %+v, the item says %+v", r, in)
			case in.State == stock.StateHeld && domain.TimeOf(r.ExpiresAt) != in.ExpiresAt:
				t.Errorf("reservation %s expires at %s, the item says %s", r.ReservationID, r.ExpiresAt, in.ExpiresAt)
			}
		}
		held := walk(stocklevels.ReservationFilter{SKU: key.SKU, Location: key.Location})
		if len(held) != item.Open() {
			t.Errorf("%s: %d open reservations, the item says %d", key.Stream(), len(held), item.Open())
		}
		open += len(held)
	}
	if open < 20 || ended < 20 {
		t.Errorf("%d open, %d ended reservations: the history tests too little", open, ended)
	}
	for id, n := range byOrder {
		if got := walk(stocklevels.ReservationFilter{OrderID: id, Ended: true, Limit: 2}); len(got) != n {
			t.Errorf("order %s: %d reservations, want %d", id, len(got), n)
		}
	}
}

func TestBadFilters(t *testing.T) {
	pool := historytest.Install(t, stocklevels.Projection{})
	for name, f := range map[string]stocklevels.Filter{
		"limit": {Limit: 500}, "prefix": {SKUPrefix: "a\x00"}, "location": {Locations: []string{"\xff"}}, "places": {Locations: make([]string, 51)},
	} {
		if _, err := stocklevels.List(t.Context(), pool, f); !errors.Is(err, keyset.ErrBadFilter) {
			t.Errorf("%s: %v, want ErrBadFilter", name, err)
		}
	}
	for name, f := range map[string]stocklevels.ReservationFilter{
		"neither order nor SKU": {}, "limit": {SKU: "a", Limit: -1}, "order": {OrderID: "\x00"},
	} {
		if _, err := stocklevels.Reservations(t.Context(), pool, f); !errors.Is(err, keyset.ErrBadFilter) {
			t.Errorf("reservations, %s: %v, want ErrBadFilter", name, err)
		}
	}
	if _, err := stocklevels.List(t.Context(), pool, stocklevels.Filter{Cursor: "x"}); !errors.Is(err, keyset.ErrBadCursor) {
		t.Errorf("cursor: %v, want ErrBadCursor", err)
	}
	if _, err := stocklevels.Reservations(t.Context(), pool, stocklevels.ReservationFilter{SKU: "a", Cursor: "x"}); !errors.Is(err, keyset.ErrBadCursor) {
		t.Errorf("reservations, cursor: %v, want ErrBadCursor", err)
	}
}
