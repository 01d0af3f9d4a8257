package importer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"waybill/api/auth"
	"waybill/api/dispatch"
	"waybill/api/wire"
	"waybill/cmd/waybill/importer"
	"waybill/commands"
	"waybill/eventstore"
)

// engine carries commands out as the edges do: decoder, bus and log, the log in memory.
type engine struct {
	t        testing.TB
	dispatch *dispatch.Dispatcher
	log      *eventstore.Memory
	sent     []importer.Command
	cut      int // fail after so many commands; 0: never
}

func newEngine(t testing.TB) *engine {
	t.Helper()
	log := eventstore.NewMemory()
	bus, err := commands.New(commands.Config{Log: log, Numbers: commands.NewBlocks(&commands.MemoryCounter{})})
	if err != nil {
		t.Fatal(err)
	}
	table, err := wire.NewTable()
	if err != nil {
		t.Fatal(err)
	}
	d, err := dispatch.New(dispatch.Config{Bus: bus, Table: table, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return &engine{t: t, dispatch: d, log: log}
}

func (e *engine) Send(ctx context.Context, all []importer.Command) ([]importer.Verdict, error) {
	verdicts := make([]importer.Verdict, len(all))
	for i, c := range all {
		if e.sent = append(e.sent, c); e.cut > 0 && len(e.sent) > e.cut {
			return nil, errCut
		}
		r := e.dispatch.Do(ctx, &dispatch.Request{
			Principal: &auth.Principal{Name: "key:test", Scopes: auth.Scopes()}, Type: c.Type, Key: c.Key, Body: c.Data,
		})
		verdicts[i] = importer.Verdict{Accepted: r.Problem == nil, Replayed: r.Replayed, Position: r.Position}
		if r.Problem != nil {
			verdicts[i].Code, verdicts[i].Detail = r.Problem.Code, r.Problem.Detail
		}
	}
	return verdicts, nil
}

var errCut = errors.New("the line was cut")

func (e *engine) events() int64 {
	e.t.Helper()
	h, err := e.log.Head(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	return h.Position
}

func (e *engine) importCSV(text string, layout importer.Layout) (*importer.Report, error) {
	e.t.Helper()
	r, err := importer.NewCSV(strings.NewReader(text), layout, nil)
	if err != nil {
		return nil, err
	}
	return importer.Import(e.t.Context(), r, e, importer.Config{Receive: true, Chunk: 2})
}

const retail = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

// found is the findings in words.
func found(r *importer.Report) []string {
	var words []string
	for _, f := range r.Findings {
		reason, _, _ := strings.Cut(f.Reason, ":")
		words = append(words, fmt.Sprintf("%d %s %s", f.Line, f.Kind, reason))
	}
	return words
}

func TestWhatRowsMean(t *testing.T) {
	t.Parallel()
	sale := "1,A,Apple,3,12/1/10 8:26,2.55,C1,France\n1,B,Bowl,1,12/1/10 8:26,4,C1,France\n"
	tests := map[string]struct {
		rows  string
		want  importer.Report // counts
		found []string
	}{
		"a sale":                       {sale, importer.Report{Rows: 2, Orders: 1, Receipts: 2}, nil},
		"the same SKU twice":           {"1,A,,1,,1,,\n1,A,,2,,1,,\n", importer.Report{Rows: 2, Orders: 1, Receipts: 1}, nil},
		"postage and a fee":            {sale + "1,POST,Postage,1,12/1/10 8:26,5,C1,France\n1,M,Manual,1,12/1/10 8:26,1.5,C1,France\n", importer.Report{Rows: 4, Orders: 1, Receipts: 2}, nil},
		"nothing but a charge":         {"1,BANK CHARGES,,1,12/1/10 8:26,15,,United Kingdom\n", importer.Report{Rows: 1, Orders: 1}, nil},
		"a free line in a sale":        {sale + "1,C,Card,1,12/1/10 8:26,0,C1,France\n", importer.Report{Rows: 3, Orders: 1, Receipts: 3}, nil},
		"units of a sale are returned": {sale + "C2,A,Apple,-2,12/2/10 8:26,2.55,C1,France\n", importer.Report{Rows: 3, Orders: 1, Receipts: 2, Cancelled: 1}, []string{"4 mapped cancels units of 1"}},
		"more is returned than sold":   {sale + "C2,A,Apple,-4,12/2/10 8:26,2.55,C1,France\n", importer.Report{Rows: 3, Orders: 1, Receipts: 2, LeftOut: 1}, []string{"4 left out cancels more units of A than a sale to customer C1 in the file has open (3)"}},
		"another customer returns it":  {sale + "C2,A,Apple,-1,12/2/10 8:26,2.55,C9,France\n", importer.Report{Rows: 3, Orders: 1, Receipts: 2, LeftOut: 1}, []string{"4 left out cancels a sale that is not in the file"}},
		"nobody returns it":            {sale + "C2,A,Apple,-1,12/2/10 8:26,2.55,,France\n", importer.Report{Rows: 3, Orders: 1, Receipts: 2, LeftOut: 1}, []string{"4 left out gives units back, and names no customer whose sale it could be"}},
		"two rows return one line":     {sale + "C2,A,Apple,-1,12/2/10 8:26,2.55,C1,France\nC2,A,Apple,-2,12/2/10 8:26,2.55,C1,France\n", importer.Report{Rows: 4, Orders: 1, Receipts: 2, Cancelled: 1}, []string{"4 mapped cancels units of 1", "5 mapped cancels units of 1"}},
		"a discount afterwards":        {sale + "C2,D,Discount,-1,12/2/10 8:26,5,C1,France\n", importer.Report{Rows: 3, Orders: 1, Receipts: 2, LeftOut: 1}, []string{"4 left out gives back money for D, which is no line of an order in the file"}},
		"stock is found":               {"9,A,,56,12/1/10 8:26,0,,\n", importer.Report{Rows: 1, Adjusted: 1}, []string{"2 mapped adjustment of the stock"}},
		"stock is written off":         {"9,A,broken,-3,12/1/10 8:26,0,,\n", importer.Report{Rows: 1, Adjusted: 1, Receipts: 1}, []string{"2 mapped adjustment of the stock"}},
		"no whole number":              {"1,A,,x,12/1/10 8:26,1,,\n" + "2,A,,1,12/1/10 8:26,1,,\n", importer.Report{Rows: 2, Orders: 1, Receipts: 1, LeftOut: 1, Unread: 1}, []string{`2 left out the quantity "x" is not a whole number`}},
		"no price":                     {"1,A,,1,12/1/10 8:26,1e3,,\n", importer.Report{Rows: 1, LeftOut: 1, Unread: 1}, []string{`2 left out the price "1e3" is not a decimal number`}},
		"no time":                      {"1,A,,1,yesterday,1,,\n", importer.Report{Rows: 1, LeftOut: 1, Unread: 1}, []string{`2 left out the time "yesterday" is none of 1/2/06 15`}},
		"no order number":              {",A,,1,,1,,\n", importer.Report{Rows: 1, LeftOut: 1, Unread: 1}, []string{"2 left out names no order or no SKU"}},
		"not text":                     {"1,A,\xa35,1,,1,,\n", importer.Report{Rows: 1, LeftOut: 1, Unread: 1}, []string{"2 left out is not valid UTF-8"}},
		"a short row":                  {"1,A\n2,A,,1,,1,,\n", importer.Report{Rows: 2, Orders: 1, Receipts: 1, LeftOut: 1, Unread: 1}, []string{`2 left out the quantity "" is not a whole number`}},
		"an unreadable row in an order": {sale + "1,C,Card,x,12/1/10 8:26,1,C1,France\n" + "2,A,,1,12/1/10 8:26,1,,\n", importer.Report{Rows: 4, Orders: 1, Held: 1, Receipts: 1, LeftOut: 3, Unread: 1}, []string{
			`4 left out the quantity "x" is not a whole number`, "2 left out its order is held back as a whole, because of line 4", "3 left out its order is held back as a whole, because of line 4",
		}},
		"a discount in a sale":  {sale + "1,D,Discount,-1,12/1/10 8:26,5,C1,France\n", importer.Report{Rows: 3, Orders: 1, Receipts: 2}, nil},
		"refused by the engine": {"1,bad@sku,,1,,1,,\n", importer.Report{Rows: 1, Refused: 2}, []string{"2 refused malformed", "2 refused invalid-field"}},
		"nothing":               {"", importer.Report{}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := newEngine(t).importCSV(retail+tt.rows, importer.Layout{})
			if err != nil {
				t.Fatal(err)
			}
			counts := *got
			counts.Findings, counts.Sums, counts.Expected, counts.LastPosition = nil, nil, nil, 0
			if fmt.Sprint(counts) != fmt.Sprint(tt.want) {
				t.Errorf("got %+v, want %+v", counts, tt.want)
			}
			if !slices.Equal(found(got), tt.found) {
				t.Errorf("found %q, want %q", found(got), tt.found)
			}
			for _, s := range got.Sums {
				if !s.Agrees() {
					t.Errorf("sums differ: %+v", s)
				}
			}
		})
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	if _, err := e.importCSV("a,b,c\n1,2,3\n", importer.Layout{}); err == nil || !strings.Contains(err.Error(), "--map") {
		t.Errorf("unknown headings: %v", err)
	}
	if _, err := e.importCSV("order,sku,quantity,unit_price\n1,A,1,1\n", importer.Layout{}); err == nil || !strings.Contains(err.Error(), "--currency") {
		t.Errorf("no currency: %v", err)
	}
	r, err := e.importCSV("\ufefforder,sku,quantity,unit_price,currency,placed_at\n1,A,2,100,jpy,2026-01-02T03:04:05+09:00\n", importer.Layout{})
	if err != nil || r.Orders != 1 || r.Sums[0].Currency != "JPY" || r.Sums[0].Placed != 200 {
		t.Errorf("got %+v, %v", r, err)
	}
	r, err = e.importCSV("order,sku,quantity,unit_price,currency\n5,A,1,1,EUR\n5,B,1,1,USD\n6,A,1,1,EUR\n", importer.Layout{})
	if err != nil || r.Orders != 1 || r.Held != 1 || r.LeftOut != 2 {
		t.Errorf("an order in two currencies: got %+v, %v", r, err)
	}
	layout := importer.Layout{Columns: importer.Columns{Order: "o", SKU: "s", Quantity: "q", UnitPrice: "p"}, Currency: "EUR", Latin1: true}
	r, err = e.importCSV("p,q,s,o\n1.50,2,Caf\xe9,77\n", layout)
	if err != nil || r.Orders != 1 || r.Sums[0].Placed != 300 {
		t.Errorf("got %+v, %v", r, err)
	}
}

// TestSample imports the real orders, twice, with a cut in between: the sums agree to the penny, and nothing is there
// twice.
func TestSample(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "..", "shared", "data", "online-retail-sample.csv")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the real orders are not part of the repository, and not beside this checkout: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	e := newEngine(t)
	e.cut = 4000
	if _, err := e.importCSV(string(b), importer.Layout{}); err == nil {
		t.Fatal("an import whose line was cut came to its end")
	}
	e.cut = 0
	first, err := e.importCSV(string(b), importer.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	if n := first.Orders + first.Already; n != 412 || first.Already == 0 || first.Refused != 0 || first.Rows != 9735 {
		t.Errorf("%d orders of 412 are there, %d from before the cut, %d refused, %d rows", n, first.Already, first.Refused, first.Rows)
	}
	s := first.Sums[0]
	if !s.Agrees() || s.Rows != 17608021 || s.Placed != 17966079 || s.Credited != -18400 || s.LeftOut != -339658 {
		t.Errorf("sums are %+v", s)
	}
	events := e.events()
	second, err := e.importCSV(string(b), importer.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	if second.Orders+second.Cancelled+second.Adjusted+second.Receipts != 0 || second.Already != 412 || e.events() != events {
		t.Errorf("the second import placed %d orders, and the log went from %d to %d events", second.Orders, events, e.events())
	}
}

func TestJSONL(t *testing.T) {
	t.Parallel()
	good := func(ref string) string {
		o := wire.Place{
			SourceRef: ref, Currency: "EUR", Lines: []wire.Line{{SKU: "A", Quantity: 2, UnitPrice: "1.25", Total: wire.Money{Minor: 250, Currency: "EUR"}}},
			Totals: wire.Totals{Goods: wire.Money{Minor: 250, Currency: "EUR"}, Grand: wire.Money{Minor: 250, Currency: "EUR"}},
		}
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	text := good("1") + "\n\n" + `{"nonsense":1}` + "\n" + good("") + "\n" + good("2") + " {}\n" + strings.Repeat("x", 5<<20) + "\n" + good("3")
	e := newEngine(t)
	r, err := importer.Import(t.Context(), importer.NewJSONL(strings.NewReader(text)), e, importer.Config{Channel: "shop", Receive: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Orders != 2 || r.LeftOut != 4 || r.Receipts != 2 || !r.Sums[0].Agrees() {
		t.Errorf("got %+v", r)
	}
	if want := []string{"3", "4", "5", "6"}; !slices.EqualFunc(r.Findings, want, func(f importer.Finding, line string) bool { return strconv.Itoa(f.Line) == line }) {
		t.Errorf("found %q, want the lines %v", found(r), want)
	}
}

// acceptAll accepts everything: the invariants of reading hold whatever an engine says.
type acceptAll struct{}

func (acceptAll) Send(_ context.Context, all []importer.Command) ([]importer.Verdict, error) {
	verdicts := make([]importer.Verdict, len(all))
	for i := range verdicts {
		verdicts[i].Accepted = true
	}
	return verdicts, nil
}

// FuzzCSV: whatever a file holds, every row is counted, every penny is accounted for, and keys are never used twice
// for two orders.
func FuzzCSV(f *testing.F) {
	f.Add(retail + "1,A,Apple,3,12/1/10 8:26,2.55,C1,France\nC2,A,Apple,-2,12/2/10 8:26,2.55,C1,France\n9,A,,-3,12/1/10 8:26,0,,\n")
	f.Add(retail + "1,A,\"unterminated\n2,B,,1,,1,,\n")
	f.Add("order,sku,quantity,unit_price,currency\n1,A,9223372036854775807,99999999999999.99,EUR\n1,B,1,1,USD\n")
	f.Fuzz(func(t *testing.T, text string) {
		in, err := importer.NewCSV(strings.NewReader(text), importer.Layout{}, nil)
		if err != nil {
			return
		}
		r, err := importer.Import(t.Context(), in, acceptAll{}, importer.Config{Receive: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Sums {
			if !s.Agrees() {
				t.Errorf("sums differ: %+v", s)
			}
		}
		if r.Orders+r.LeftOut+r.Cancelled > r.Rows {
			t.Errorf("%+v: more than there are rows", r)
		}
	})
}

// FuzzJSONL: whatever a line holds, it is an order or a finding.
func FuzzJSONL(f *testing.F) {
	f.Add(`{"source_ref":"1","totals":{"grand":{"minor":1,"currency":"EUR"}}}`)
	f.Add("{\n\n[]\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := importer.Import(t.Context(), importer.NewJSONL(strings.NewReader(text)), acceptAll{}, importer.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Orders+r.LeftOut != r.Rows {
			t.Errorf("%+v: rows are neither", r)
		}
	})
}
