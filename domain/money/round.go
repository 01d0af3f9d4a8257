package money

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
)

// Mode says which way a half goes when an amount is rounded to minor units.
type Mode string

// The rounding modes. Half up and half down are by magnitude: -2.5 goes to -3 and -2.
const (
	HalfEven Mode = "half_even" // to the even neighbour; the usual choice
	HalfUp   Mode = "half_up"   // away from zero
	HalfDown Mode = "half_down" // towards zero
)

// Valid reports whether m is one of the modes.
func (m Mode) Valid() bool {
	switch m {
	case HalfEven, HalfUp, HalfDown:
		return true
	}
	return false
}

// up reports whether quotient q with remainder rem of divisor div is rounded to q+1.
func (m Mode) up(q, rem, div uint64) bool {
	switch half := div - rem; { // rem < div, so rem > half means more than one half
	case rem > half:
		return true
	case rem < half:
		return false
	}
	switch m {
	case HalfUp:
		return true
	case HalfDown:
		return false
	case HalfEven:
	}
	return q&1 == 1
}

// maxDigits bounds the digits of a unit price, so that its coefficient fits an uint64.
const maxDigits = 18

// Price is what one unit costs, as a decimal in major units with as many digits as it needs: "2.55", "0.00125". At most 18
// digits; not negative. The currency stands beside it.
type Price string

// decimal is coef / 10^scale.
type decimal struct {
	coef  uint64
	scale int
	neg   bool
}

// ParsePrice checks s and returns it in canonical form: no sign, no leading zeros but one before the point.
// Zeros after the point are kept as written.
func ParsePrice(s string) (Price, error) {
	d, err := parseDecimal(s)
	if err != nil {
		return "", err
	}
	if d.neg {
		return "", fmt.Errorf("parse price %q: %w: negative", s, ErrSyntax)
	}
	whole, frac, point := strings.Cut(s, ".")
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if point {
		return Price(whole + "." + frac), nil
	}
	return Price(whole), nil
}

// PriceOf returns the price that is exactly m, which must not be negative.
func PriceOf(m Money) (Price, error) { return ParsePrice(m.Decimal()) }

// Times returns p × quantity in currency c, rounded once by mode. The product is exact before it is rounded. It fails
// with [ErrSyntax], [ErrCurrency] or [ErrOverflow].
func (p Price) Times(quantity int64, c Currency, mode Mode) (Money, error) {
	d, err := parseDecimal(string(p))
	if err != nil {
		return Money{}, err
	}
	exp, ok := c.Exponent()
	if !ok {
		return Money{}, fmt.Errorf("%s × %d: %w %q", p, quantity, ErrCurrency, string(c))
	}
	hi, lo := bits.Mul64(d.coef, magnitude(quantity))
	neg := d.neg != (quantity < 0)
	var v int64
	if d.scale <= exp {
		over, scaled := bits.Mul64(lo, pow10(exp-d.scale))
		v, ok = signed(hi|over, scaled, neg)
	} else {
		v, ok = divide(hi, lo, pow10(d.scale-exp), mode, neg)
	}
	if !ok {
		return Money{}, fmt.Errorf("%s × %d %s: %w", p, quantity, c, ErrOverflow)
	}
	return Money{Minor: v, Currency: c}, nil
}

// divide returns the 128-bit magnitude hi:lo divided by div, rounded by mode, with a sign.
func divide(hi, lo, div uint64, mode Mode, neg bool) (int64, bool) {
	if hi >= div {
		return 0, false
	}
	q, rem := bits.Div64(hi, lo, div)
	if mode.up(q, rem, div) {
		if q == math.MaxUint64 {
			return 0, false
		}
		q++
	}
	return signed(0, q, neg)
}

// Portion returns what part k of n belongs to total, rounded half up by magnitude: r(total·k/n). It needs 0 ≤ k ≤ n and n > 0.
func Portion(total Money, k, n int64) (Money, error) {
	if k < 0 || n <= 0 || k > n {
		return Money{}, fmt.Errorf("money: no portion %d of %d", k, n)
	}
	hi, lo := bits.Mul64(magnitude(total.Minor), uint64(k))
	v, ok := divide(hi, lo, uint64(n), HalfUp, total.Minor < 0)
	if !ok {
		return Money{}, fmt.Errorf("portion %d of %d of %s: %w", k, n, total, ErrOverflow)
	}
	return Money{Minor: v, Currency: total.Currency}, nil
}

// Between returns what the units after from up to and including to are worth when n units are worth total:
// r(total·to/n) − r(total·from/n). By this cumulative rounding any split of the n units into runs adds up to exactly
// total: three single units of 10.00 give 3.33, 3.34, 3.33.
func Between(total Money, from, to, n int64) (Money, error) {
	if from > to {
		return Money{}, fmt.Errorf("money: no units between %d and %d", from, to)
	}
	before, err := Portion(total, from, n)
	if err != nil {
		return Money{}, err
	}
	after, err := Portion(total, to, n)
	if err != nil {
		return Money{}, err
	}
	return after.Sub(before)
}

// parseDecimal reads [-]digits[.digits] with at most 18 digits in all, leading zeros not counted.
func parseDecimal(s string) (decimal, error) {
	var d decimal
	digits, ok := strings.CutPrefix(s, "-")
	d.neg = ok
	whole, frac, point := strings.Cut(digits, ".")
	if whole == "" || (point && frac == "") {
		return decimal{}, fmt.Errorf("parse %q: %w", s, ErrSyntax)
	}
	if len(frac) > maxDigits || len(strings.TrimLeft(whole, "0"))+len(frac) > maxDigits {
		return decimal{}, fmt.Errorf("parse %q: %w: more than %d digits", s, ErrSyntax, maxDigits)
	}
	for _, part := range [2]string{whole, frac} {
		for i := range len(part) {
			if part[i] < '0' || part[i] > '9' {
				return decimal{}, fmt.Errorf("parse %q: %w", s, ErrSyntax)
			}
			d.coef = d.coef*10 + uint64(part[i]-'0')
		}
	}
	d.scale = len(frac)
	return d, nil
}

// pow10 returns 10^n for 0 ≤ n ≤ 18.
func pow10(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
