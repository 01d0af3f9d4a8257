package money_test

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain/money"
)

var currencies = rapid.SampledFrom([]money.Currency{"EUR", "JPY", "KWD", "CLF"})

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const digits = 999_999_999_999_999_999 // as many as are read
		m := money.New(rapid.Int64Range(-digits, digits).Draw(t, "minor"), currencies.Draw(t, "currency"))
		got, err := money.Parse(m.Decimal(), m.Currency)
		if err != nil || got != m {
			t.Fatalf("%d is written as %s and read as %d (%v)", m.Minor, m.Decimal(), got.Minor, err)
		}
	})
}

func TestArithmeticIsExactOrAnError(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		x, y := money.New(a, "EUR"), money.New(b, "EUR")
		add, addErr := x.Add(y)
		sub, subErr := x.Sub(y)
		mul, mulErr := x.Mul(b)
		bigA, bigB := big.NewInt(a), big.NewInt(b)
		for _, op := range []struct {
			name string
			got  money.Money
			err  error
			want *big.Int
		}{
			{"+", add, addErr, new(big.Int).Add(bigA, bigB)},
			{"-", sub, subErr, new(big.Int).Sub(bigA, bigB)},
			{"×", mul, mulErr, new(big.Int).Mul(bigA, bigB)},
		} {
			if op.want.IsInt64() != (op.err == nil) || (op.err != nil && !errors.Is(op.err, money.ErrOverflow)) {
				t.Fatalf("%d %s %d is %s: %v", a, op.name, b, op.want, op.err)
			}
			if op.err == nil && op.got.Minor != op.want.Int64() {
				t.Fatalf("%d %s %d is %d, want %s", a, op.name, b, op.got.Minor, op.want)
			}
		}
	})
}

func TestPartsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := money.New(rapid.Int64().Draw(t, "total"), "EUR")
		weights := rapid.SliceOfN(rapid.Int64Range(0, 1<<40), 1, 50).Draw(t, "weights")
		parts, err := money.Allocate(total, weights)
		if err != nil {
			t.Fatal(err)
		}
		sum := new(big.Int)
		for i, p := range parts {
			sum.Add(sum, big.NewInt(p.Minor))
			if p.Sign()*total.Sign() < 0 {
				t.Fatalf("part %d of %d is %d", i, total.Minor, p.Minor)
			}
			if weights[i] == 0 && p.Minor != 0 && slices.Max(weights) > 0 {
				t.Fatalf("a weight of zero gets %d", p.Minor)
			}
			for j, q := range parts { // more weight never gets less
				if weights[i] > weights[j] && p.Sign()*total.Sign() >= 0 && abs(p.Minor) < abs(q.Minor) {
					t.Fatalf("weight %d gets %d, weight %d gets %d", weights[i], p.Minor, weights[j], q.Minor)
				}
			}
		}
		if sum.Cmp(big.NewInt(total.Minor)) != 0 {
			t.Fatalf("the parts of %d add up to %s", total.Minor, sum)
		}
	})
}

func abs(n int64) uint64 {
	if n < 0 {
		return uint64(-(n + 1)) + 1
	}
	return uint64(n)
}

func TestRunsOfUnitsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := money.New(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "total"), "EUR")
		n := rapid.Int64Range(1, 1_000).Draw(t, "units")
		sum := int64(0)
		for at := int64(0); at < n; {
			next := rapid.Int64Range(at+1, n).Draw(t, "run")
			part, err := money.Between(total, at, next, n)
			if err != nil {
				t.Fatal(err)
			}
			if part.Sign()*total.Sign() < 0 {
				t.Fatalf("units %d to %d of %d are worth %s of %s", at, next, n, part, total)
			}
			sum += part.Minor
			at = next
		}
		if sum != total.Minor {
			t.Fatalf("the units of %d add up to %d", total.Minor, sum)
		}
	})
}

// TestTimesIsTheNearest compares with exact fractions: the result is at most half a minor unit away.
func TestTimesIsTheNearest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		price := rapid.StringMatching(`(0|[1-9][0-9]{0,7})(\.[0-9]{1,8})?`).Draw(t, "price")
		quantity := rapid.Int64Range(0, 1_000_000).Draw(t, "quantity")
		c := currencies.Draw(t, "currency")
		mode := rapid.SampledFrom([]money.Mode{money.HalfEven, money.HalfUp, money.HalfDown}).Draw(t, "mode")
		got, err := money.Price(price).Times(quantity, c, mode)
		if err != nil {
			t.Fatal(err)
		}
		exact, ok := new(big.Rat).SetString(price)
		if !ok {
			t.Fatalf("%q is no number", price)
		}
		exp, _ := c.Exponent()
		exact.Mul(exact, new(big.Rat).SetInt64(quantity))
		exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exp)), nil)))
		off := new(big.Rat).Sub(new(big.Rat).SetInt64(got.Minor), exact)
		half := big.NewRat(1, 2)
		switch cmp := new(big.Rat).Abs(off).Cmp(half); {
		case cmp > 0:
			t.Fatalf("%s × %d %s is %s, but %d was given", price, quantity, c, exact, got.Minor)
		case cmp == 0 && (mode == money.HalfUp && off.Sign() < 0 || mode == money.HalfDown && off.Sign() > 0 || mode == money.HalfEven && got.Minor%2 != 0):
			t.Fatalf("the half of %s went to %d by %s", exact, got.Minor, mode)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"12.34", "-0", "0.", "999999999999999999", "00000000000000000000001", "1e9", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := money.Parse(s, "EUR")
		if err != nil {
			return
		}
		if back, err := money.Parse(m.Decimal(), "EUR"); err != nil || back != m {
			t.Fatalf("%q is %d, written %q, read %d (%v)", s, m.Minor, m.Decimal(), back.Minor, err)
		}
	})
}
