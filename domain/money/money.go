// Package money computes with amounts in integer minor units and ISO 4217 currencies.
//
// There is no float anywhere, amounts of different currencies never meet (that is an error, not a conversion), and an
// overflow is an error. What has to be rounded is rounded once, by a [Mode] that the order records; what has to be split is
// split so that the parts add up to the whole. It knows no exchange rates and no taxes.
package money

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Errors of arithmetic and parsing, matched with errors.Is.
var (
	// ErrOverflow reports a result that int64 minor units cannot hold.
	ErrOverflow = errors.New("money: amount out of range")
	// ErrSyntax reports text that is not a decimal number in the form that is asked for.
	ErrSyntax = errors.New("money: not a decimal amount")
	// ErrCurrency reports a code that is not an active ISO 4217 currency.
	ErrCurrency = errors.New("money: unknown currency")
)

// CurrencyMismatchError reports amounts of two currencies that were about to meet.
type CurrencyMismatchError struct {
	Left, Right Currency
}

// Error implements error.
func (e *CurrencyMismatchError) Error() string {
	return "money: " + string(e.Left) + " meets " + string(e.Right)
}

// Money is an amount in minor units of a currency: {4999 EUR} is 49.99 EUR, {500 JPY} is 500 JPY. It may be negative.
// Amounts compare with == when they are of one currency.
type Money struct {
	Minor    int64    `json:"minor"    msgpack:"minor"`
	Currency Currency `json:"currency" msgpack:"currency"`
}

// New returns minor units of currency c.
func New(minor int64, c Currency) Money { return Money{Minor: minor, Currency: c} }

// IsZero reports whether m is no amount, in whatever currency.
func (m Money) IsZero() bool { return m.Minor == 0 }

// Sign returns -1, 0 or 1.
func (m Money) Sign() int { return cmp.Compare(m.Minor, 0) }

// Add returns m + n. It fails with [*CurrencyMismatchError] or [ErrOverflow].
func (m Money) Add(n Money) (Money, error) {
	if m.Currency != n.Currency {
		return Money{}, &CurrencyMismatchError{Left: m.Currency, Right: n.Currency}
	}
	sum := m.Minor + n.Minor
	if (sum > m.Minor) != (n.Minor > 0) {
		return Money{}, fmt.Errorf("%d + %d: %w", m.Minor, n.Minor, ErrOverflow)
	}
	return Money{Minor: sum, Currency: m.Currency}, nil
}

// Sub returns m - n. It fails with [*CurrencyMismatchError] or [ErrOverflow].
func (m Money) Sub(n Money) (Money, error) {
	if m.Currency != n.Currency {
		return Money{}, &CurrencyMismatchError{Left: m.Currency, Right: n.Currency}
	}
	diff := m.Minor - n.Minor
	if (diff < m.Minor) != (n.Minor > 0) {
		return Money{}, fmt.Errorf("%d - %d: %w", m.Minor, n.Minor, ErrOverflow)
	}
	return Money{Minor: diff, Currency: m.Currency}, nil
}

// Mul returns m × n. It fails with [ErrOverflow].
func (m Money) Mul(n int64) (Money, error) {
	hi, lo := bits.Mul64(magnitude(m.Minor), magnitude(n))
	v, ok := signed(hi, lo, (m.Minor < 0) != (n < 0))
	if !ok {
		return Money{}, fmt.Errorf("%d × %d: %w", m.Minor, n, ErrOverflow)
	}
	return Money{Minor: v, Currency: m.Currency}, nil
}

// Compare returns -1, 0 or 1 as m is less than, equal to or more than n. It fails with [*CurrencyMismatchError].
func (m Money) Compare(n Money) (int, error) {
	if m.Currency != n.Currency {
		return 0, &CurrencyMismatchError{Left: m.Currency, Right: n.Currency}
	}
	return cmp.Compare(m.Minor, n.Minor), nil
}

// Parse reads a decimal amount in major units, such as "12.34" for GBP or "-500" for JPY. Fewer digits after the point
// than the currency has are filled with zeros; more are an error, even zeros: nothing is ever rounded away here.
// At most 18 digits are read.
func Parse(s string, c Currency) (Money, error) {
	exp, ok := c.Exponent()
	if !ok {
		return Money{}, fmt.Errorf("parse %q: %w %q", s, ErrCurrency, string(c))
	}
	d, err := parseDecimal(s)
	if err != nil {
		return Money{}, err
	}
	if d.scale > exp {
		return Money{}, fmt.Errorf("parse %q: %w: %s has %d digits after the point", s, ErrSyntax, c, exp)
	}
	hi, lo := bits.Mul64(d.coef, pow10(exp-d.scale))
	v, ok := signed(hi, lo, d.neg)
	if !ok {
		return Money{}, fmt.Errorf("parse %q: %w", s, ErrOverflow)
	}
	return Money{Minor: v, Currency: c}, nil
}

// Decimal returns the amount in major units with all digits of the currency and no code: "49.99". An unknown currency
// has no digits after the point.
func (m Money) Decimal() string {
	exp, _ := m.Currency.Exponent()
	digits := strconv.FormatUint(magnitude(m.Minor), 10)
	if exp > 0 {
		if pad := exp + 1 - len(digits); pad > 0 {
			digits = strings.Repeat("0", pad) + digits
		}
		digits = digits[:len(digits)-exp] + "." + digits[len(digits)-exp:]
	}
	if m.Minor < 0 {
		return "-" + digits
	}
	return digits
}

// String returns the amount with its code, such as "49.99 EUR".
func (m Money) String() string {
	if m.Currency == "" {
		return m.Decimal()
	}
	return m.Decimal() + " " + string(m.Currency)
}

// magnitude returns |v|, also for the smallest int64.
func magnitude(v int64) uint64 {
	if v < 0 {
		return uint64(-(v + 1)) + 1
	}
	return uint64(v)
}

// signed turns a 128-bit magnitude and a sign into an int64; ok is false when it does not fit.
func signed(hi, lo uint64, neg bool) (v int64, ok bool) {
	switch {
	case hi != 0:
		return 0, false
	case neg && lo <= 1<<63:
		return -int64(lo-1) - 1, true
	case !neg && lo <= math.MaxInt64:
		return int64(lo), true
	}
	return 0, false
}
