package bench

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"waybill/domain"
	"waybill/domain/stock"
	"waybill/eventstore"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	a, b := NewHistogram(), NewHistogram()
	for ms := 1; ms <= 999; ms++ {
		h := a
		if ms%2 == 0 {
			h = b
		}
		Record(h, time.Duration(ms)*time.Millisecond)
	}
	Record(b, time.Hour) // beyond the scale: kept, as the most that it knows
	all := merge([]Measurement{{Latency: a}, {}, {Latency: b}})
	for percent, want := range map[float64]float64{50: 500, 99: 990, 99.9: 999} {
		if got := quantile(all, percent); math.Abs(got-want) > want/100 {
			t.Errorf("p%v is %v ms, want about %v", percent, got, want)
		}
	}
	if got := quantile(all, 100); got < 599_000 {
		t.Errorf("the longest is %v ms", got)
	}
	if merge([]Measurement{{}}) != nil || quantile(nil, 50) != 0 {
		t.Error("there are latencies where none were measured")
	}
}

// TestResult takes medians of each side, and the ratio of each round before the median of those.
func TestResult(t *testing.T) {
	t.Parallel()
	turn := func(rate int64) Measurement { return Measurement{Count: rate, Elapsed: time.Second} }
	sides := []Side{{Name: "ours"}, {Name: "plain"}, {Name: "other"}}
	r := Contest{Clients: 8, Unit: "x/s"}.result(sides, [][]Measurement{
		{turn(300), turn(100), turn(200)},
		{turn(100), turn(50), turn(10)}, // ratios 3, 2, 20: their median is not the ratio of the medians, which is 4
		{turn(600), turn(400), turn(400)},
	})
	if r.Rate != 200 || r.Yardstick != 50 || r.Ratio != 3 || len(r.Spread) != 3 || r.Spread[2] != 20 {
		t.Errorf("%+v", r)
	}
	if len(r.Yardsticks) != 2 || r.Yardsticks[1].Name != "other" || r.Yardsticks[1].Ratio != 0.5 {
		t.Errorf("%+v", r.Yardsticks)
	}
	compared := Contest{Compare: func(ours, theirs Measurement) (float64, float64) {
		return float64(theirs.Count) + 0.5, float64(theirs.Count) / float64(ours.Count)
	}}.result(sides[:2], [][]Measurement{{turn(10)}, {turn(20)}})
	if compared.Yardstick != 20.5 || compared.Ratio != 2 {
		t.Errorf("%+v", compared)
	}
	alone := Contest{}.result(sides[:1], [][]Measurement{{{Count: 1, Elapsed: time.Second, Figures: map[string]float64{"lost": 2}}}})
	if alone.Ratio != 0 || alone.Spread != nil || alone.Figures["lost"] != 2 {
		t.Errorf("%+v", alone)
	}
}

// wants fails the test unless err says so.
func wants(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want an error with %q", err, text)
	}
}

// TestCensus finds an acknowledgement without an event, an event without an acknowledgement, and a position given twice.
func TestCensus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                  string
		appended, acknowledge int
		twice                 bool
		want                  string
	}{
		{name: "as it should be", appended: 3, acknowledge: 3},
		{name: "lost", appended: 2, acknowledge: 3, want: "the log has 2 new events, and 3 were acknowledged"},
		{name: "doubled", appended: 4, acknowledge: 3, want: "the log has 4 new events, and 3 were acknowledged"},
		{name: "one position twice", appended: 3, acknowledge: 3, twice: true, want: "add up to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log := eventstore.NewMemory()
			appendTo(t, log, commit(newStream(), 0, 5))
			c, err := newCensus(t.Context(), log)
			if err != nil {
				t.Fatal(err)
			}
			for i := range tt.appended {
				r := appendTo(t, log, commit(newStream(), 0, 1))
				if tt.twice && i == 1 {
					r.Last--
				}
				c.add(r)
			}
			err = c.check(t.Context(), int64(tt.acknowledge), 1)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wants(t, err, tt.want)
		})
	}
}

func appendTo(t *testing.T, log eventstore.Appender, c eventstore.Commit) eventstore.Receipt {
	t.Helper()
	r, err := log.Append(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSale finds a sale of too little and of too much.
func TestSale(t *testing.T) {
	t.Parallel()
	const now = domain.Time(1_770_000_000_000_000)
	for _, tt := range []struct {
		name             string
		stock, sold, ask int64
		want             string
	}{
		{name: "exactly", stock: 3, sold: 3, ask: 3},
		{name: "too little", stock: 3, sold: 2, ask: 3, want: "has 2 reservations of 2 units, and 1 are left"},
		{name: "too much", stock: 3, sold: 4, ask: 3, want: "is oversold by 1 at version 5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log := eventstore.NewMemory()
			events := []stock.Event{stock.Received{MovementID: "m", Quantity: tt.stock, At: now}}
			for n := range tt.sold {
				id := "order-" + string(rune('a'+n))
				events = append(events, stock.Reserved{
					OrderID: id, ExpiresAt: now.Add(time.Hour), At: now,
					Reservations: []stock.Granted{{ReservationID: stock.ReservationID(id, "1", 1), FromStock: 1}},
				})
			}
			c := commit(stock.Stream("A", location), 0, len(events))
			for i, e := range events {
				typ, schema, data, err := stock.Encode(e)
				if err != nil {
					t.Fatal(err)
				}
				c.Streams[0].Events[i] = eventstore.NewEvent{Type: typ, Schema: schema, Data: data, Meta: []byte{0x80}}
			}
			appendTo(t, log, c)
			err := checkSale(t.Context(), log, stock.Stream("A", location), tt.ask)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wants(t, err, tt.want)
		})
	}
	short := saleSide("short", 10, func(context.Context, string, int64) (Measurement, error) {
		return Measurement{Count: 9, Elapsed: time.Second}, nil
	})
	_, err := short.Run(t.Context(), Round{})
	wants(t, err, "9 units were sold of a stock of 10")
}

// TestClients counts what was done: at least one operation each, until the time is over or somebody fails.
func TestClients(t *testing.T) {
	t.Parallel()
	var left [3]int
	m, err := UntilDone(t.Context(), 3, func(_ context.Context, client int) (bool, error) {
		left[client]++
		return left[client] <= 10, nil
	})
	if err != nil || m.Count != 30 || m.Latency.TotalCount() != 30 {
		t.Errorf("%d operations, %d latencies, %v", m.Count, m.Latency.TotalCount(), err)
	}
	m, err = EachClient(t.Context(), 2, 0, func(context.Context, int) error { return nil })
	if err != nil || m.Count != 2 {
		t.Errorf("%d operations in no time, %v; want one of each client, so that no figure is made of nothing", m.Count, err)
	}
	_, err = EachClient(t.Context(), 2, time.Minute, func(context.Context, int) error { return eventstore.ErrClosed })
	wants(t, err, eventstore.ErrClosed.Error())
}
