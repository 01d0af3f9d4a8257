package order_test

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"waybill/domain"
	"waybill/domain/money"
	"waybill/domain/order"
)

// TestPlaceRefuses breaks one thing of a good order at a time.
func TestPlaceRefuses(t *testing.T) {
	t.Parallel()
	invalid := func(field, reason string) error { return domain.InvalidField{Field: field, Reason: reason} }
	over := func(field string, limit, actual int64, unit string) error {
		return domain.LimitExceeded{Field: field, Limit: limit, Actual: actual, Unit: unit}
	}
	mismatch := func(total string, stated, computed int64) error {
		return order.TotalsMismatch{Total: total, Stated: eur(stated), Computed: eur(computed)}
	}
	tests := map[string]struct {
		breakIt func(*order.Details)
		want    error
	}{
		"grand total":         {func(d *order.Details) { d.Totals.Grand = eur(3486) }, mismatch("grand", 3486, 3485)},
		"goods total":         {func(d *order.Details) { d.Totals.Goods = eur(3124) }, mismatch("goods", 3124, 3125)},
		"discount total":      {func(d *order.Details) { d.Totals.Discount = eur(0) }, mismatch("discount", 0, 150)},
		"shipping total":      {func(d *order.Details) { d.Totals.Shipping = eur(1) }, mismatch("shipping", 1, 500)},
		"surcharge total":     {func(d *order.Details) { d.Totals.Surcharge = eur(105) }, mismatch("surcharge", 105, -105)},
		"tax total":           {func(d *order.Details) { d.Totals.Tax = eur(546) }, mismatch("tax", 546, 547)},
		"line total":          {func(d *order.Details) { d.Lines[0].Total = eur(3000) }, mismatch("lines[0].total", 3000, 2900)},
		"included tax added":  {func(d *order.Details) { d.Lines[0].PriceIncludesTax = false }, mismatch("lines[0].total", 2900, 3383)},
		"shipping line total": {func(d *order.Details) { d.Shipping[0].Total = eur(550) }, mismatch("shipping[0].total", 550, 540)},
		"surcharge line":      {func(d *order.Details) { d.Surcharges[0].Total = eur(0) }, mismatch("surcharges[0].total", 0, 200)},
		"rounded by unit":     {func(d *order.Details) { d.Rounding.Level = order.RoundUnit }, mismatch("lines[2].total", 150, 25)},
		"another currency":    {func(d *order.Details) { d.Lines[1].Total.Currency = "USD" }, order.CurrencyMismatch{Field: "lines[1].total", Expected: "EUR", Actual: "USD"}},
		"no such currency":    {func(d *order.Details) { d.Currency = "XXX" }, invalid("currency", `"XXX" is not a currency`)},
		"no lines":            {func(d *order.Details) { d.Lines = nil }, invalid("lines", "are missing: an order has at least one")},
		"too many lines":      {func(d *order.Details) { d.Lines = make([]order.Line, 1001) }, over("lines", 1000, 1001, "lines")},
		"no units":            {func(d *order.Details) { d.Lines[1].Quantity = 0 }, invalid("lines[1].quantity", "is 0, at least 1 is needed")},
		"negative units":      {func(d *order.Details) { d.Lines[1].Quantity = -1 }, invalid("lines[1].quantity", "is -1, at least 1 is needed")},
		"too many units":      {func(d *order.Details) { d.Lines[1].Quantity = 1e9 + 1 }, over("lines[1].quantity", 1e9, 1e9+1, "units")},
		"a line id twice":     {func(d *order.Details) { d.Lines[2].ID = "1" }, invalid("lines[2]", "repeats the id 1")},
		"long line id":        {func(d *order.Details) { d.Lines[2].ID = strings.Repeat("x", 65) }, domain.LimitExceeded{Field: "lines[2].line_id", Limit: 64, Actual: 65, Unit: "bytes"}},
		"no line id":          {func(d *order.Details) { d.Lines[2].ID = "" }, invalid("lines[2].line_id", "is missing")},
		"no sku":              {func(d *order.Details) { d.Lines[2].SKU = "" }, invalid("lines[2].sku", "is missing")},
		"a sku with an at":    {func(d *order.Details) { d.Lines[2].SKU = "A@B" }, invalid("lines[2].sku", `holds "@", which divides SKU from location`)},
		"a price in words":    {func(d *order.Details) { d.Lines[2].UnitPrice = "free" }, invalid("lines[2].unit_price", "is not a decimal of at most 18 digits, zero or more")},
		"a negative price":    {func(d *order.Details) { d.Lines[2].UnitPrice = "-1" }, invalid("lines[2].unit_price", "is not a decimal of at most 18 digits, zero or more")},
		"an overflow": {
			func(d *order.Details) { d.Lines[2].UnitPrice, d.Lines[2].Quantity = "999999999999999999", 1e9 },
			invalid("lines[2].unit_price", "adds up to more than an amount can hold"),
		},
		"a negative discount":  {func(d *order.Details) { d.Lines[0].Discounts[0].Amount = eur(-1) }, invalid("lines[0].discounts[0].amount", "is negative")},
		"a negative line tax":  {func(d *order.Details) { d.Lines[0].Taxes[0].Amount = eur(-1) }, invalid("lines[0].taxes[0].amount", "is negative")},
		"a line below zero":    {func(d *order.Details) { d.Lines[0].Discounts[0].Amount, d.Lines[0].Total = eur(3001), eur(-1) }, invalid("lines[0].total", "is negative")},
		"negative delivery":    {func(d *order.Details) { d.Shipping[0].Amount = eur(-1) }, invalid("shipping[0].amount", "is negative")},
		"no order number":      {func(d *order.Details) { d.Number = "" }, invalid("order_number", "is missing")},
		"no channel":           {func(d *order.Details) { d.Channel = "" }, invalid("channel", "is missing")},
		"broken text":          {func(d *order.Details) { d.Lines[0].Title = "\xff" }, invalid("lines[0].title", "is not valid UTF-8")},
		"a control character":  {func(d *order.Details) { d.SourceRef = "a\x00b" }, invalid("source_ref", "holds a control character at byte 1")},
		"a long title":         {func(d *order.Details) { d.Lines[0].Title = strings.Repeat("x", 513) }, over("lines[0].title", 512, 513, "bytes")},
		"a long postcode area": {func(d *order.Details) { d.Contact.Billing.PostcodePrefix = "SW1Y4" }, over("contact.billing.postcode_prefix", 4, 5, "bytes")},
		"a long e-mail":        {func(d *order.Details) { d.Contact.Email = domain.NewPersonal(strings.Repeat("x", 513)) }, over("contact.email", 512, 513, "bytes")},
		"an unknown mode":      {func(d *order.Details) { d.Rounding.Mode = "up" }, invalid("rounding.mode", `is "up", not a mode`)},
		"an unknown policy":    {func(d *order.Details) { d.ReservePolicy = "soon" }, invalid("reserve_policy", `is "soon", not one of ["none" "track_only" "reserve_on_order" "reserve_on_payment" "external"]`)},
		"an empty tag":         {func(d *order.Details) { d.Tags = []string{""} }, invalid("tags[0]", "is missing")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := details()
			tt.breakIt(&d)
			_, err := order.Decide(new(order.Order), order.Place{ID: orderID, Details: d, Now: t0})
			if !reflect.DeepEqual(err, tt.want) {
				t.Errorf("refused with %#v, want %#v", err, tt.want)
			}
			if _, ok := errors.AsType[domain.Refusal](err); !ok {
				t.Errorf("%v is not a refusal", err)
			}
		})
	}
}

func TestPlaceFillsInDefaults(t *testing.T) {
	t.Parallel()
	d := order.Details{
		Number: "1", Channel: "web", Currency: "JPY",
		Lines:  []order.Line{{ID: "1", SKU: "POST", Quantity: 2, UnitPrice: "0250", Total: money.New(500, "JPY")}},
		Totals: totals("JPY", 500),
	}
	got := placed(t, d).Details
	if got.Rounding != (order.Rounding{Level: order.RoundLine, Mode: money.HalfEven}) || got.PlacedAt != t0 ||
		got.PaymentTerms.Kind != order.PaymentOffline || got.ReservePolicy != order.ReserveOnOrder || got.Lines[0].UnitPrice != "250" {
		t.Errorf("got %+v", got)
	}
	if got.Lines[0].Net != money.New(500, "JPY") {
		t.Errorf("the line is worth %s", got.Lines[0].Net)
	}
	if d.Lines[0].UnitPrice != "0250" || !d.Lines[0].Net.IsZero() {
		t.Error("deciding changed the command")
	}
}

// totals returns the totals of an order of goods alone.
func totals(c money.Currency, goods int64) order.Totals {
	zero := money.New(0, c)
	return order.Totals{
		Goods: money.New(goods, c), Discount: zero, Shipping: zero, Surcharge: zero, Tax: zero, Grand: money.New(goods, c),
	}
}

func TestOrderLevelDiscountBeyondGoods(t *testing.T) {
	t.Parallel()
	d := order.Details{
		Number: "1", Channel: "web", Currency: "EUR",
		Lines:      []order.Line{{ID: "1", SKU: "A", Quantity: 1, UnitPrice: "1", Total: eur(100)}},
		Shipping:   []order.ShippingLine{{ID: "s", Amount: eur(500), Total: eur(500)}},
		Surcharges: []order.Surcharge{{ID: "d", Title: "Voucher", Amount: eur(-101), Total: eur(-101)}},
	}
	d.Totals = totals("EUR", 100)
	d.Totals.Shipping, d.Totals.Surcharge, d.Totals.Grand = eur(500), eur(-101), eur(499)
	_, err := order.Decide(new(order.Order), order.Place{ID: orderID, Details: d, Now: t0})
	if want := (domain.InvalidField{Field: "surcharges", Reason: "take off more than the lines come to"}); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// TestLargeOrder places what the largest real order of the sample has: hundreds of lines, many of one SKU, some free.
func TestLargeOrder(t *testing.T) {
	t.Parallel()
	d := order.Details{Number: "536876", Channel: "import", Currency: "GBP"}
	var sum int64
	for n := range order.MaxLines {
		price := int64(n % 7 * 15)
		d.Lines = append(d.Lines, order.Line{
			ID: strconv.Itoa(n + 1), SKU: fmt.Sprint("SKU ", n%400), Quantity: 2, RequiresShipping: true,
			UnitPrice: money.Price(money.New(price, "GBP").Decimal()), Total: money.New(2*price, "GBP"),
		})
		sum += 2 * price
	}
	d.Totals = totals("GBP", sum)
	o := evolve(placed(t, d))
	if o.Details.Lines != nil {
		t.Error("the state holds the lines twice")
	}
	if len(o.Lines) != order.MaxLines || o.Due() != money.New(sum, "GBP") {
		t.Errorf("%d lines for %s", len(o.Lines), o.Due())
	}
	if o = cancelled(t, o); o.Due() != money.New(0, "GBP") {
		t.Errorf("cancelled, it still costs %s", o.Due())
	}
}
