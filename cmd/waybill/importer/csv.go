package importer

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"waybill/domain/money"
)

// Columns says under which heading each field of a row stands. Empty: the file does not have it.
type Columns struct {
	Order, SKU, Title, Quantity, PlacedAt, UnitPrice, Customer, Country, Currency string
}

// Layout is how a CSV file says what it says.
type Layout struct {
	Name    string
	Columns Columns
	// Currency of all amounts, where the file has no column for it.
	Currency money.Currency
	// Times are the layouts of dates, as package time has them; the first that fits counts.
	Times []string
	// Shipping and Surcharges are codes in the column of the SKU that stand for a charge and not for goods.
	Shipping, Surcharges []string
	// CancelPrefix begins the order numbers of cancellations; empty: negative quantities alone say so.
	CancelPrefix string
	// Latin1 says that the file is in ISO 8859-1; otherwise it is in UTF-8.
	Latin1 bool
}

// OnlineRetail is the layout of the data set "Online Retail" (Chen 2015, UCI, doi 10.24432/C5BW33): amounts in pounds,
// and charges and corrections among the goods.
func OnlineRetail() Layout {
	return Layout{
		Name: "Online Retail (UCI)",
		Columns: Columns{
			Order: "InvoiceNo", SKU: "StockCode", Title: "Description", Quantity: "Quantity", PlacedAt: "InvoiceDate",
			UnitPrice: "UnitPrice", Customer: "CustomerID", Country: "Country",
		},
		Currency:     "GBP",
		Times:        []string{"1/2/06 15:04", "1/2/2006 15:04"},
		Shipping:     []string{"POST", "DOT", "C2"},
		Surcharges:   []string{"M", "D", "S", "BANK CHARGES", "AMAZONFEE", "CRUK"},
		CancelPrefix: "C",
	}
}

// Generic is the layout of a file with headings of Waybill's own.
func Generic() Layout {
	return Layout{
		Name: "generic",
		Columns: Columns{
			Order: "order", SKU: "sku", Title: "title", Quantity: "quantity", PlacedAt: "placed_at",
			UnitPrice: "unit_price", Customer: "customer_id", Country: "country", Currency: "currency",
		},
		Times: []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"},
	}
}

// Recognise returns the layout that has the headings of a file; ok is false if none has.
func Recognise(headings []string) (l Layout, ok bool) {
	for _, l := range []Layout{OnlineRetail(), Generic()} {
		c := l.Columns
		if has(headings, c.Order) && has(headings, c.SKU) && has(headings, c.Quantity) && has(headings, c.UnitPrice) {
			return l, true
		}
	}
	return Layout{}, false
}

func has(headings []string, name string) bool { return slices.Contains(headings, name) }

// row is a line of the file that was understood.
type row struct {
	line            int
	order, sku      string
	title, customer string
	country         string
	currency        money.Currency
	quantity        int64
	price           money.Price
	priceText       string
	placedAt        time.Time
	amount          money.Money
}

// CSV reads a file of order lines. The lines of one order must stand together.
type CSV struct {
	layout  Layout
	zone    *time.Location
	in      *csv.Reader
	columns map[string]int
	ahead   *entry // first line of the next document
}

// NewCSV reads the headings. With a layout that names no columns, it recognises one. zone is that of times which name
// none; UTC if nil.
func NewCSV(r io.Reader, layout Layout, zone *time.Location) (*CSV, error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord = -1
	in.ReuseRecord = true
	in.LazyQuotes = true
	headings, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: the file is empty", ErrHeadings)
	}
	if err != nil {
		return nil, fmt.Errorf("read the headings: %w", err)
	}
	headings = slices.Clone(headings)
	headings[0] = strings.TrimPrefix(headings[0], "\ufeff")
	for i := range headings {
		headings[i] = strings.TrimSpace(headings[i])
	}
	if layout.Columns == (Columns{}) {
		found, ok := Recognise(headings)
		if !ok {
			return nil, fmt.Errorf("%w: the headings are %s; say which is which with --map order=…,sku=…,quantity=…,unit_price=…", ErrHeadings, strings.Join(headings, ", "))
		}
		found.Currency = firstCurrency(layout.Currency, found.Currency)
		found.Latin1 = layout.Latin1
		layout = found
	}
	if zone == nil {
		zone = time.UTC
	}
	c := &CSV{layout: layout, zone: zone, in: in, columns: map[string]int{}}
	for i, h := range headings {
		c.columns[h] = i
	}
	for _, required := range []string{layout.Columns.Order, layout.Columns.SKU, layout.Columns.Quantity, layout.Columns.UnitPrice} {
		if _, ok := c.columns[required]; !ok {
			return nil, fmt.Errorf("%w: there is no column %q; the headings are %s", ErrHeadings, required, strings.Join(headings, ", "))
		}
	}
	if _, ok := c.columns[layout.Columns.Currency]; !ok && layout.Currency == "" {
		return nil, fmt.Errorf("%w: there is no column for the currency; name it with --currency", ErrHeadings)
	}
	return c, nil
}

// ErrHeadings is matched when the headings of a file do not say enough.
var ErrHeadings = errors.New("columns of the file")

func firstCurrency(a, b money.Currency) money.Currency {
	if a != "" {
		return a
	}
	return b
}

// Layout is the one that is used.
func (c *CSV) Layout() Layout { return c.layout }

// Next implements [Reader].
func (c *CSV) Next() (Document, error) {
	first, err := c.entry()
	if err != nil {
		return Document{}, err
	}
	entries := []entry{first}
	for {
		e, err := c.entry()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Document{}, err
		}
		if e.ref() != first.ref() {
			c.ahead = &e
			break
		}
		entries = append(entries, e)
	}
	return c.document(entries), nil
}

// entry is a line of the file: a row that was understood, or why it was not.
type entry struct {
	row  *row
	bad  *AmountFinding
	line int
}

func (e *entry) ref() string {
	if e.row != nil {
		return e.row.order
	}
	return e.bad.Ref
}

// entry reads the next line.
func (c *CSV) entry() (entry, error) {
	if c.ahead != nil {
		e := *c.ahead
		c.ahead = nil
		return e, nil
	}
	record, err := c.in.Read()
	if errors.Is(err, io.EOF) {
		return entry{}, err
	}
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return entry{line: parse.StartLine, bad: &AmountFinding{Finding: Finding{Line: parse.StartLine, Reason: "is not a line of CSV: " + parse.Err.Error()}}}, nil
	}
	if err != nil {
		return entry{}, fmt.Errorf("read the file: %w", err)
	}
	line, _ := c.in.FieldPos(0)
	r, bad := c.parse(line, record)
	return entry{row: r, bad: bad, line: line}, nil
}

// field returns the text under a heading, "" if the row or the file does not have it.
func (c *CSV) field(record []string, heading string) string {
	i, ok := c.columns[heading]
	if !ok || i >= len(record) {
		return ""
	}
	s := strings.Clone(record[i])
	if c.layout.Latin1 {
		s = fromLatin1(s)
	}
	return strings.TrimSpace(s)
}

func fromLatin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

// parse understands a row, or says why it cannot.
func (c *CSV) parse(line int, record []string) (*row, *AmountFinding) {
	col := c.layout.Columns
	r := &row{
		line: line, order: c.field(record, col.Order), sku: c.field(record, col.SKU), title: c.field(record, col.Title),
		customer: c.field(record, col.Customer), country: c.field(record, col.Country), priceText: c.field(record, col.UnitPrice),
		currency: firstCurrency(money.Currency(strings.ToUpper(c.field(record, col.Currency))), c.layout.Currency),
	}
	no := func(format string, args ...any) (*row, *AmountFinding) {
		short := strings.ToValidUTF8(strings.Join(record, ","), "?")
		return nil, &AmountFinding{Finding: Finding{Line: line, Ref: r.order, Row: short[:min(len(short), 80)], Reason: fmt.Sprintf(format, args...)}}
	}
	for _, s := range record {
		if !c.layout.Latin1 && !utf8.ValidString(s) {
			return no("is not valid UTF-8: if the file is in ISO 8859-1, say --encoding latin1")
		}
	}
	if r.order == "" || r.sku == "" {
		return no("names no order or no SKU")
	}
	var err error
	if r.quantity, err = strconv.ParseInt(c.field(record, col.Quantity), 10, 64); err != nil {
		return no("the quantity %q is not a whole number", c.field(record, col.Quantity))
	}
	if _, err := money.ParseCurrency(string(r.currency)); err != nil {
		return no("the currency %q is not one of ISO 4217", string(r.currency))
	}
	if r.price, err = money.ParsePrice(r.priceText); err != nil {
		return no("the price %q is not a decimal number", r.priceText)
	}
	if r.amount, err = r.price.Times(r.quantity, r.currency, money.HalfEven); err != nil {
		return no("quantity × price: %v", err)
	}
	if text := c.field(record, col.PlacedAt); text != "" {
		if r.placedAt, err = c.time(text); err != nil {
			return no("the time %q is none of %s", text, strings.Join(c.layout.Times, ", "))
		}
	}
	return r, nil
}

func (c *CSV) time(text string) (time.Time, error) {
	err := errors.New("no layout")
	for _, layout := range c.layout.Times {
		var t time.Time
		if t, err = time.ParseInLocation(layout, text, c.zone); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, err
}
