package money_test

import (
	"errors"
	"math"
	"testing"

	"waybill/domain/money"
)

func TestExponents(t *testing.T) {
	t.Parallel()
	for code, want := range map[money.Currency]int{"GBP": 2, "EUR": 2, "JPY": 0, "KWD": 3, "BHD": 3, "TND": 3, "CLF": 4, "UYW": 4, "ISK": 0, "XCG": 2} {
		if got, ok := code.Exponent(); !ok || got != want {
			t.Errorf("%s has %d digits (%t), want %d", code, got, ok, want)
		}
	}
	for _, code := range []string{"", "gbp", "XXX", "XAU", "EURO", "BTC", "DEM"} {
		if c, err := money.ParseCurrency(code); !errors.Is(err, money.ErrCurrency) {
			t.Errorf("%q is taken for %q (%v)", code, c, err)
		}
	}
	if c, err := money.ParseCurrency("GBP"); c != "GBP" || err != nil {
		t.Errorf("got %q, %v", c, err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text     string
		currency money.Currency
		minor    int64
		back     string // how it is written again, "" for an error
		err      error
	}{
		{"12.34", "GBP", 1234, "12.34", nil},
		{"12", "GBP", 1200, "12.00", nil},
		{"12.3", "GBP", 1230, "12.30", nil},
		{"-0.05", "GBP", -5, "-0.05", nil},
		{"500", "JPY", 500, "500", nil},
		{"1.234", "KWD", 1234, "1.234", nil},
		{"0.0001", "CLF", 1, "0.0001", nil},
		{"0007.50", "EUR", 750, "7.50", nil},
		{"92233720368547758.07", "EUR", math.MaxInt64, "", money.ErrSyntax}, // 19 digits
		{"9223372036854775.80", "EUR", 922337203685477580, "9223372036854775.80", nil},
		{"999999999999999999", "CLF", 0, "", money.ErrOverflow},
		{"12.345", "GBP", 0, "", money.ErrSyntax},
		{"12.340", "GBP", 0, "", money.ErrSyntax},
		{"1.0", "JPY", 0, "", money.ErrSyntax},
		{"1,00", "EUR", 0, "", money.ErrSyntax},
		{"1e3", "EUR", 0, "", money.ErrSyntax},
		{"+1", "EUR", 0, "", money.ErrSyntax},
		{".5", "EUR", 0, "", money.ErrSyntax},
		{"5.", "EUR", 0, "", money.ErrSyntax},
		{"", "EUR", 0, "", money.ErrSyntax},
		{"-", "EUR", 0, "", money.ErrSyntax},
		{"--1", "EUR", 0, "", money.ErrSyntax},
		{" 1", "EUR", 0, "", money.ErrSyntax},
		{"١", "EUR", 0, "", money.ErrSyntax},
		{"1", "EURO", 0, "", money.ErrCurrency},
	}
	for _, tt := range tests {
		got, err := money.Parse(tt.text, tt.currency)
		if !errors.Is(err, tt.err) {
			t.Errorf("parse %q %s: %v, want %v", tt.text, tt.currency, err, tt.err)
			continue
		}
		if tt.err == nil && (got != money.New(tt.minor, tt.currency) || got.Decimal() != tt.back) {
			t.Errorf("parse %q %s gives %s (%d), want %s", tt.text, tt.currency, got, got.Minor, tt.back)
		}
	}
	if got := money.New(math.MinInt64, "EUR").String(); got != "-92233720368547758.08 EUR" {
		t.Errorf("the smallest amount is %s", got)
	}
}

func TestArithmeticAtTheEdges(t *testing.T) {
	t.Parallel()
	m := func(minor int64) money.Money { return money.New(minor, "EUR") }
	for name, f := range map[string]func() (money.Money, error){
		"max + 1":  func() (money.Money, error) { return m(math.MaxInt64).Add(m(1)) },
		"min + -1": func() (money.Money, error) { return m(math.MinInt64).Add(m(-1)) },
		"min - 1":  func() (money.Money, error) { return m(math.MinInt64).Sub(m(1)) },
		"0 - min":  func() (money.Money, error) { return m(0).Sub(m(math.MinInt64)) },
		"min × -1": func() (money.Money, error) { return m(math.MinInt64).Mul(-1) },
		"2^62 × 2": func() (money.Money, error) { return m(1 << 62).Mul(2) },
		"big prices": func() (money.Money, error) {
			return money.Price("999999999999999999").Times(1_000_000_000, "EUR", money.HalfEven)
		},
	} {
		if got, err := f(); !errors.Is(err, money.ErrOverflow) {
			t.Errorf("%s is %s (%v), want an overflow", name, got, err)
		}
	}
	if got, err := m(math.MinInt64).Mul(1); err != nil || got.Minor != math.MinInt64 {
		t.Errorf("min × 1 is %s (%v)", got, err)
	}
	if got, err := m(-(1 << 62)).Mul(2); err != nil || got.Minor != math.MinInt64 {
		t.Errorf("-2^62 × 2 is %s (%v)", got, err)
	}
}

func TestCurrenciesNeverMeet(t *testing.T) {
	t.Parallel()
	eur, usd := money.New(1, "EUR"), money.New(1, "USD")
	_, add := eur.Add(usd)
	_, sub := eur.Sub(usd)
	_, compare := eur.Compare(usd)
	for name, err := range map[string]error{"add": add, "sub": sub, "compare": compare} {
		if _, ok := errors.AsType[*money.CurrencyMismatchError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c, err := money.New(2, "EUR").Compare(eur); c != 1 || err != nil {
		t.Errorf("2 against 1: %d (%v)", c, err)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		price          money.Price
		quantity       int64
		currency       money.Currency
		even, up, down int64
	}{
		{"2.55", 6, "GBP", 1530, 1530, 1530},
		{"0", 3, "GBP", 0, 0, 0},
		{"0.005", 1, "EUR", 0, 1, 0},
		{"0.015", 1, "EUR", 2, 2, 1},
		{"0.025", 1, "EUR", 2, 3, 2},
		{"0.0250001", 1, "EUR", 3, 3, 3},
		{"0.005", -1, "EUR", 0, -1, 0},
		{"0.00125", 1000, "EUR", 125, 125, 125},
		{"0.5", 1, "JPY", 0, 1, 0},
		{"1.5", 1, "JPY", 2, 2, 1},
		{"0.0005", 1, "KWD", 0, 1, 0},
		{"0.000000000000000001", 1_000_000_000, "EUR", 0, 0, 0},
		{"123456789012345678", 0, "EUR", 0, 0, 0},
	}
	for _, tt := range tests {
		for mode, want := range map[money.Mode]int64{money.HalfEven: tt.even, money.HalfUp: tt.up, money.HalfDown: tt.down} {
			got, err := tt.price.Times(tt.quantity, tt.currency, mode)
			if err != nil || got != money.New(want, tt.currency) {
				t.Errorf("%s × %d by %s is %d (%v), want %d", tt.price, tt.quantity, mode, got.Minor, err, want)
			}
		}
	}
	if _, err := money.Price("92233720368547758.07").Times(1, "EUR", money.HalfEven); !errors.Is(err, money.ErrSyntax) {
		t.Errorf("19 digits: %v", err)
	}
	if _, err := money.Price("1").Times(1, "???", money.HalfEven); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("no currency: %v", err)
	}
	if money.Mode("up").Valid() || !money.HalfUp.Valid() {
		t.Error("modes are told wrong")
	}
}

func TestParsePrice(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]money.Price{"2.55": "2.55", "002.550": "2.550", "0": "0", "000": "0", "0.00125": "0.00125", "00.5": "0.5"} {
		if got, err := money.ParsePrice(text); err != nil || got != want {
			t.Errorf("%q is %q (%v), want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.", ".1", "1.2.3", "x", "1234567890.1234567890"} {
		if got, err := money.ParsePrice(text); !errors.Is(err, money.ErrSyntax) {
			t.Errorf("%q is taken for %q (%v)", text, got, err)
		}
	}
	if got, err := money.PriceOf(money.New(185, "GBP")); err != nil || got != "1.85" {
		t.Errorf("got %q (%v)", got, err)
	}
	if got, err := money.PriceOf(money.New(-185, "GBP")); err == nil {
		t.Errorf("a negative amount is a price: %q", got)
	}
}

func TestAllocate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		total   int64
		weights []int64
		want    []int64
	}{
		"100 over three":        {100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		"the largest remainder": {100, []int64{1, 2, 4}, []int64{14, 29, 57}},
		"ties go to the first":  {1, []int64{5, 5}, []int64{1, 0}},
		"negative":              {-100, []int64{1, 1, 1}, []int64{-34, -33, -33}},
		"a weight of zero":      {7, []int64{0, 1, 0, 1}, []int64{0, 4, 0, 3}},
		"only zeros":            {7, []int64{0, 0, 0}, []int64{3, 2, 2}},
		"nothing":               {0, []int64{1, 2}, []int64{0, 0}},
		"one":                   {math.MinInt64, []int64{3}, []int64{math.MinInt64}},
		"large weights":         {math.MaxInt64, []int64{math.MaxInt64 - 1, 1}, []int64{math.MaxInt64 - 1, 1}},
	}
	for name, tt := range tests {
		parts, err := money.Allocate(money.New(tt.total, "EUR"), tt.weights)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, p := range parts {
			if p != money.New(tt.want[i], "EUR") {
				t.Errorf("%s: part %d is %d, want %d", name, i, p.Minor, tt.want[i])
			}
		}
	}
	for name, weights := range map[string][]int64{"none": nil, "negative": {1, -1}, "overflow": {math.MaxInt64, 1}} {
		if parts, err := money.Allocate(money.New(1, "EUR"), weights); err == nil {
			t.Errorf("%s weights give %v", name, parts)
		}
	}
}

// TestUnitsOfALineAddUp is 1000 for three units: never 999, never 1001, whichever way they are given back.
func TestUnitsOfALineAddUp(t *testing.T) {
	t.Parallel()
	total := money.New(1000, "EUR")
	var got []int64
	for k := range int64(3) {
		part, err := money.Between(total, k, k+1, 3)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, part.Minor)
	}
	if got[0] != 333 || got[1] != 334 || got[2] != 333 {
		t.Errorf("got %v, want 333, 334, 333", got)
	}
	for _, bad := range [][3]int64{{-1, 1, 3}, {2, 1, 3}, {0, 4, 3}, {0, 0, 0}} {
		if part, err := money.Between(total, bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("units %v are worth %s", bad, part)
		}
	}
}
