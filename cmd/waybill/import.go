package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"waybill/cmd/waybill/client"
	"waybill/cmd/waybill/importer"
	"waybill/domain/money"
	"waybill/projections/orderlist"
)

type importOptions struct {
	channel, location, currency, zone, encoding string
	columns                                     map[string]string
	noReceive                                   bool
	report                                      string
}

func newImport(a *app) *cobra.Command {
	r := &remote{app: a}
	var o importOptions
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Place the orders of a CSV or JSONL file",
		Long: `Import places the orders of a file. In CSV, a row is a line of an order and the rows of one order stand together; the
headings say which column is which, or --map does. In JSONL, a line is an order as POST /v1/orders takes it.

The stock that the orders need is received first, so that they can be confirmed. With --no-receive they take what is
there; what is not there gets orders rejected, and cancellations of these refused. A row that
gives back units of an earlier sale in the file cancels them, a row without a price and a customer corrects the stock,
and whatever has no meaning is left out; the report names each such line and why. An order of which a line cannot be
read is held back as a whole.

An order is known by its channel and its name in the file, so an import that was cut off is simply started again, and a
second one changes nothing. At the end the engine's sums are compared with the file's.`,
		Example: `  waybill import orders.csv --currency EUR --channel shop
  waybill import export.csv --map order=InvoiceNo,sku=StockCode,quantity=Quantity,unit_price=UnitPrice --currency GBP
  waybill import orders.jsonl --no-receive --report left-out.jsonl`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runImport(cmd.Context(), r, args[0], o) },
	}
	r.flags(c)
	c.Flags().StringVar(&o.channel, "channel", "import", "channel of the orders")
	c.Flags().StringVar(&o.location, "location", "MAIN", "where the stock is")
	c.Flags().StringVar(&o.currency, "currency", "", "ISO 4217 code of all amounts, if the file has no column for it")
	c.Flags().StringVar(&o.zone, "zone", "UTC", "time zone of times that name none, such as Europe/London")
	c.Flags().StringVar(&o.encoding, "encoding", "utf-8", "utf-8 or latin1")
	c.Flags().StringToStringVar(&o.columns, "map", nil, "which column is which: order, sku, title, quantity, placed_at, unit_price, customer_id, country, currency")
	c.Flags().BoolVar(&o.noReceive, "no-receive", false, "do not receive stock for the orders")
	c.Flags().StringVar(&o.report, "report", "", "also write the findings to this file, a JSON object a line")
	return c
}

func runImport(ctx context.Context, r *remote, path string, o importOptions) error {
	api, err := r.client()
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(exitUsage, "", "%w", err)
	}
	defer f.Close()
	rows, err := countLines(f)
	if err != nil {
		return err
	}
	reader, err := o.reader(r.app, path, f)
	if err != nil {
		return err
	}
	p := newProgress(r.app.err)
	to := &sender{api: api}
	report, err := importer.Import(ctx, reader, to, importer.Config{
		Channel: o.channel, Location: o.location, Receive: !o.noReceive,
		Progress: func(done int) { p.show("rows", int64(done), rows) },
	})
	p.end()
	if err != nil {
		if report != nil && report.Orders+report.Already > 0 {
			r.app.sayf("%d orders were placed before this; the same command goes on from there", report.Orders)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, client.ErrUnreachable) {
			return fail(exitError, "the same command again: it goes on where this one was cut off", "%w", err)
		}
		return explain(err)
	}
	if err := writeFindings(o.report, report.Findings); err != nil {
		return err
	}
	says, err := compare(ctx, api, report)
	if err != nil {
		return explain(err)
	}
	return r.showImport(report, says)
}

// reader chooses how the file is read.
func (o *importOptions) reader(a *app, path string, f io.Reader) (importer.Reader, error) {
	if ext := strings.ToLower(filepath.Ext(path)); ext == ".jsonl" || ext == ".ndjson" {
		return importer.NewJSONL(f), nil
	}
	layout := importer.Layout{Currency: money.Currency(strings.ToUpper(o.currency)), Latin1: o.encoding == "latin1"}
	if o.encoding != "latin1" && o.encoding != "utf-8" {
		return nil, fail(exitUsage, "", "--encoding %q: choose utf-8 or latin1", o.encoding)
	}
	if len(o.columns) > 0 {
		l, err := mapped(o.columns)
		if err != nil {
			return nil, err
		}
		l.Currency, l.Latin1 = layout.Currency, layout.Latin1
		layout = l
	}
	zone, err := time.LoadLocation(o.zone)
	if err != nil {
		return nil, fail(exitUsage, "", "--zone: %w", err)
	}
	in, err := importer.NewCSV(f, layout, zone)
	if errors.Is(err, importer.ErrHeadings) {
		return nil, fail(exitUsage, "waybill import --help", "%s: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l := in.Layout()
	currency := string(l.Currency)
	if currency == "" {
		currency = "the file's currencies"
	}
	a.sayf("%s: layout %s, amounts in %s, times in %s", path, l.Name, currency, zone)
	return in, nil
}

// mapped is the layout that --map describes.
func mapped(columns map[string]string) (importer.Layout, error) {
	l := importer.Generic()
	l.Name = "of --map"
	l.Times = append(l.Times, importer.OnlineRetail().Times...)
	l.Columns = importer.Columns{}
	fields := map[string]*string{
		"order": &l.Columns.Order, "sku": &l.Columns.SKU, "title": &l.Columns.Title, "quantity": &l.Columns.Quantity, "placed_at": &l.Columns.PlacedAt,
		"unit_price": &l.Columns.UnitPrice, "customer_id": &l.Columns.Customer, "country": &l.Columns.Country, "currency": &l.Columns.Currency,
	}
	for name, heading := range columns {
		field, ok := fields[name]
		if !ok {
			names := make([]string, 0, len(fields))
			for n := range fields {
				names = append(names, n)
			}
			slices.Sort(names)
			return l, fail(exitUsage, "", "--map %s=%s: there is no field %q; choose from %s", name, heading, name, strings.Join(names, ", "))
		}
		*field = heading
	}
	return l, nil
}

// countLines says how much there is to do, and goes back to the beginning.
func countLines(f *os.File) (int64, error) {
	n := int64(0)
	b := make([]byte, 256<<10)
	for {
		read, err := f.Read(b)
		n += int64(bytes.Count(b[:read], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", f.Name(), err)
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("read %s again: %w", f.Name(), err)
	}
	return n, nil
}

// sender sends the commands of an import as a batch.
type sender struct{ api *client.Client }

// Send implements [importer.Sender].
func (s *sender) Send(ctx context.Context, commands []importer.Command) ([]importer.Verdict, error) {
	var body bytes.Buffer
	for _, c := range commands {
		b, err := json.Marshal(map[string]any{"type": c.Type, "idempotency_key": c.Key, "data": c.Data})
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", c.Line, err)
		}
		body.Write(b)
		body.WriteByte('\n')
	}
	verdicts := make([]importer.Verdict, 0, len(commands))
	err := s.api.Batch(ctx, &body, func(v client.Verdict) error {
		if v.Line != len(verdicts)+1 || v.Line > len(commands) {
			return fmt.Errorf("verdict on line %d, %d is the next of %d", v.Line, len(verdicts)+1, len(commands))
		}
		p := v.Problem()
		if p != nil && p.Status >= 500 || p != nil && p.Status == 429 || p != nil && p.Status == 409 {
			return p // the engine could not, which says nothing of the order: the same import again goes on here
		}
		verdict := importer.Verdict{Accepted: p == nil, Replayed: v.Replayed}
		if p != nil {
			verdict.Code, verdict.Detail = p.Code, p.Detail
		} else {
			var a accepted
			if err := json.Unmarshal(v.Body, &a); err != nil {
				return fmt.Errorf("verdict on line %d: %w", v.Line, err)
			}
			verdict.Position = a.Position
		}
		verdicts = append(verdicts, verdict)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(verdicts) != len(commands) {
		return nil, fmt.Errorf("%w: %d verdicts on %d commands", io.ErrUnexpectedEOF, len(verdicts), len(commands))
	}
	return verdicts, nil
}

// engineSays is what the engine holds of the orders of a file.
type engineSays struct {
	Due     map[money.Currency]int64 `json:"due"`     // after all that happened to them
	Changed int                      `json:"changed"` // orders of which something else is due than the file says, by later changes
	Differ  []string                 `json:"differ"`  // orders that were placed with another total, or are not there
}

// compare asks the engine for every order of the file, and compares what it was placed with.
func compare(ctx context.Context, api *client.Client, report *importer.Report) (*engineSays, error) {
	says := &engineSays{Due: map[money.Currency]int64{}, Differ: []string{}}
	for channel, expected := range report.Expected {
		left := maps.Clone(expected)
		q := url.Values{"channel": {channel}, "limit": {"200"}, "min_position": {strconv.FormatInt(report.LastPosition, 10)}}
		for more := true; more; {
			reply, err := api.Get(ctx, "/v1/orders", q)
			if err != nil {
				return nil, err
			}
			var page orderlist.Page
			if err := json.Unmarshal(reply.Body, &page); err != nil {
				return nil, fmt.Errorf("read the list of orders: %w", err)
			}
			for i := range page.Data {
				o := &page.Data[i]
				if e := left[o.SourceRef]; e != nil {
					delete(left, o.SourceRef)
					if err := says.order(ctx, api, o, e); err != nil {
						return nil, err
					}
				}
			}
			more = page.HasMore
			q.Set("cursor", page.NextCursor)
		}
		for ref := range left {
			says.Differ = append(says.Differ, ref+" is not in the engine")
		}
	}
	slices.Sort(says.Differ)
	return says, nil
}

// order compares one order. Something else may be due by now, if it was changed since; what it was placed with may not
// differ.
func (s *engineSays) order(ctx context.Context, api *client.Client, o *orderlist.Row, e *importer.Expected) error {
	s.Due[o.Total.Currency] += o.Total.Minor
	if o.Total.Currency == e.Placed.Currency && o.Total.Minor == e.Placed.Minor+e.Credited {
		return nil
	}
	reply, err := api.Get(ctx, "/v1/orders/"+url.PathEscape(o.OrderID), nil)
	if err != nil {
		return err
	}
	var d struct {
		Totals struct {
			Grand money.Money `json:"grand"`
		} `json:"totals"`
	}
	if err := json.Unmarshal(reply.Body, &d); err != nil {
		return fmt.Errorf("read order %s: %w", o.OrderID, err)
	}
	if d.Totals.Grand != e.Placed {
		s.Differ = append(s.Differ, fmt.Sprintf("%s was placed with %s, the file says %s", o.SourceRef, d.Totals.Grand, e.Placed))
		return nil
	}
	s.Changed++
	return nil
}

func writeFindings(path string, findings []importer.Finding) error {
	if path == "" {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, f := range findings {
		if err := e.Encode(f); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// showImport prints what was done, and whether the sums agree.
func (r *remote) showImport(report *importer.Report, engine *engineSays) error {
	agree := len(engine.Differ) == 0
	for _, s := range report.Sums {
		agree = agree && s.Agrees()
	}
	if r.output != asTable {
		b, err := json.Marshal(struct {
			*importer.Report

			Engine *engineSays `json:"engine"`
			Agree  bool        `json:"sums_agree"`
		}{report, engine, agree})
		if err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		if err := r.show(b, nil); err != nil {
			return err
		}
	} else if err := printImport(r.app.out, report, engine, agree); err != nil {
		return err
	}
	switch {
	case !agree:
		return fail(exitViolation, "waybill verify", "the orders of the file and of the engine differ: %s", strings.Join(engine.Differ[:min(len(engine.Differ), 5)], "; "))
	case report.Refused > 0:
		return fail(exitRefused, "mend the lines that the report names, and import the file again", "%d commands were refused", report.Refused)
	case report.Unread > 0 || report.Held > 0:
		return fail(exitRefused, "mend the lines that the report names, and import the file again", "%d rows could not be read, and %d orders were held back", report.Unread, report.Held)
	}
	return nil
}

func printImport(out io.Writer, report *importer.Report, engine *engineSays, agree bool) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	if len(report.Findings) > 0 {
		fmt.Fprintln(w, "LINE\tORDER\tROW\tAMOUNT\tWHAT\tWHY")
		for _, f := range report.Findings {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", f.Line, dash(f.Ref), dash(f.Row), dash(f.Amount), f.Kind, f.Reason)
		}
		fmt.Fprintln(w)
	}
	for _, s := range report.Sums {
		m := func(minor int64) money.Money { return money.New(minor, s.Currency) }
		fmt.Fprintf(w, "rows of the file\t%s\n  placed\t%s\n  credited by cancellations\t%s\n  left out\t%s\n  refused\t%s\ndue, by the engine\t%s\n",
			m(s.Rows), m(s.Placed), m(s.Credited), m(s.LeftOut), m(s.Refused), m(engine.Due[s.Currency]))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	verdict := "the sums agree to the last unit"
	switch {
	case !agree:
		verdict = "THE SUMS DIFFER"
	case report.Unread > 0:
		verdict = fmt.Sprintf("the sums agree but for %d rows that COULD NOT BE READ", report.Unread)
	case engine.Changed > 0:
		verdict = fmt.Sprintf("the sums agree as placed; %d orders were changed since", engine.Changed)
	}
	_, err := fmt.Fprintf(out, "%d rows: %d orders placed, %d already there, %d held back, %d cancellations, %d adjustments, %d rows left out, %d refused; %s\n",
		report.Rows, report.Orders, report.Already, report.Held, report.Cancelled, report.Adjusted, report.LeftOut, report.Refused, verdict)
	return err
}
