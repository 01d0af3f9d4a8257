package money

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
)

// Allocate splits total over weights by largest remainder: each part is its exact share cut towards zero, and the units
// that are left over go one each to the largest remainders, the earlier weight first among equals. The parts always add up
// to total, no part has the opposite sign, and a weight of zero gets nothing unless all weights are zero: then all count
// the same. Weights must not be negative, there must be at least one, and their sum must fit an int64.
func Allocate(total Money, weights []int64) ([]Money, error) {
	if len(weights) == 0 {
		return nil, fmt.Errorf("money: allocate %s over no weights", total)
	}
	var sum uint64
	for i, w := range weights {
		if w < 0 {
			return nil, fmt.Errorf("money: allocate %s: weight %d is %d", total, i, w)
		}
		if sum += uint64(w); sum > 1<<63-1 {
			return nil, fmt.Errorf("allocate %s: sum of weights: %w", total, ErrOverflow)
		}
	}
	if sum == 0 {
		weights = slices.Repeat([]int64{1}, len(weights))
		sum = uint64(len(weights))
	}
	return allocate(total, weights, sum), nil
}

func allocate(total Money, weights []int64, sum uint64) []Money {
	amount := magnitude(total.Minor)
	shares := make([]uint64, len(weights))
	remainders := make([]uint64, len(weights))
	order := make([]int, len(weights))
	left := amount
	for i, w := range weights {
		hi, lo := bits.Mul64(amount, uint64(w))
		shares[i], remainders[i] = bits.Div64(hi, lo, sum) // w ≤ sum, so hi < sum and the quotient fits
		left -= shares[i]
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(remainders[b], remainders[a]) })
	for _, i := range order[:left] { // left is less than the number of remainders above zero
		shares[i]++
	}
	parts := make([]Money, len(weights))
	for i, share := range shares {
		v, _ := signed(0, share, total.Minor < 0) // share ≤ |total|, so it fits
		parts[i] = Money{Minor: v, Currency: total.Currency}
	}
	return parts
}
