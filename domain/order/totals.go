package order

import (
	"errors"
	"fmt"
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// adder adds amounts of one currency up and remembers the first thing that went wrong.
type adder struct {
	names
	currency money.Currency
	err      error
}

// fault turns an overflow into a refusal: an amount out of range is the sender's, not the program's.
func (a *adder) fault(field string, err error) {
	switch {
	case a.err != nil || err == nil:
	case errors.Is(err, money.ErrOverflow):
		a.err = domain.InvalidField{Field: field, Reason: "adds up to more than an amount can hold"}
	case errors.Is(err, money.ErrSyntax):
		a.err = domain.InvalidField{Field: field, Reason: "is not a decimal price"}
	default:
		a.err = fmt.Errorf("add up %s: %w", field, err)
	}
}

// add adds the amount of field to sum.
func (a *adder) add(sum *money.Money, field string, amount money.Money) {
	a.in(field, amount)
	if a.err != nil {
		return
	}
	next, err := sum.Add(amount)
	a.fault(field, err)
	*sum = next
}

// sub takes the amount of field off sum.
func (a *adder) sub(sum *money.Money, field string, amount money.Money) {
	a.in(field, amount)
	if a.err != nil {
		return
	}
	next, err := sum.Sub(amount)
	a.fault(field, err)
	*sum = next
}

// in refuses an amount in another currency.
func (a *adder) in(field string, amount money.Money) {
	if a.err == nil && amount.Currency != a.currency {
		a.err = CurrencyMismatch{Field: field, Expected: a.currency, Actual: amount.Currency}
	}
}

// atLeastZero refuses a negative amount.
func (a *adder) atLeastZero(field string, amount money.Money) {
	if a.err == nil && amount.Minor < 0 {
		a.err = domain.InvalidField{Field: field, Reason: "is negative"}
	}
}

// equal refuses a stated amount that is not the computed one.
func (a *adder) equal(total string, stated, computed money.Money) {
	a.in(total, stated)
	if a.err == nil && stated != computed {
		a.err = TotalsMismatch{Total: total, Stated: stated, Computed: computed}
	}
}

// zero returns no amount.
func (a *adder) zero() money.Money { return money.New(0, a.currency) }

// checkTotals refuses details whose amounts do not add up, from the lines to the grand total.
func checkTotals(d *Details, n names) error {
	a := &adder{names: n, currency: d.Currency}
	t := Totals{
		Goods: a.zero(), Discount: a.zero(), Shipping: a.zero(), Surcharge: a.zero(), Tax: a.zero(), Grand: a.zero(),
	}
	for i := range d.Lines {
		a.line(&t, a.at("lines", i), &d.Lines[i], d.Rounding)
		if a.err != nil {
			return a.err
		}
	}
	for i := range d.Shipping {
		a.shipping(&t, a.at("shipping", i), &d.Shipping[i])
	}
	for i := range d.Surcharges {
		a.surcharge(&t, a.at("surcharges", i), &d.Surcharges[i])
	}
	a.equal("goods", d.Totals.Goods, t.Goods)
	a.equal("discount", d.Totals.Discount, t.Discount)
	a.equal("shipping", d.Totals.Shipping, t.Shipping)
	a.equal("surcharge", d.Totals.Surcharge, t.Surcharge)
	a.equal("tax", d.Totals.Tax, t.Tax)
	a.equal("grand", d.Totals.Grand, t.Grand)
	a.atLeastZero("totals.grand", t.Grand)
	return a.err
}

func (a *adder) line(t *Totals, field string, l *Line, r Rounding) {
	goods, err := extend(l, a.currency, r)
	a.fault(field+".unit_price", err)
	a.add(&t.Goods, field+".unit_price", goods)
	total := a.component(t, field, goods, l.Discounts, l.Taxes, l.PriceIncludesTax)
	a.equal(field+".total", l.Total, total)
	a.atLeastZero(field+".total", total)
	a.add(&t.Grand, field+".total", total)
	for i := range l.Taxes {
		if a.err == nil {
			a.atLeastZero(a.at(field+".taxes", i)+".amount", l.Taxes[i].Amount)
		}
	}
}

// extend returns the amount of all units of l before discounts and taxes.
func extend(l *Line, c money.Currency, r Rounding) (money.Money, error) {
	switch r.Level {
	case RoundUnit:
		unit, err := l.UnitPrice.Times(1, c, r.Mode)
		if err != nil {
			return money.Money{}, err
		}
		return unit.Mul(l.Quantity)
	case RoundLine:
	}
	return l.UnitPrice.Times(l.Quantity, c, r.Mode)
}

func (a *adder) shipping(t *Totals, field string, s *ShippingLine) {
	a.atLeastZero(field+".amount", s.Amount)
	a.add(&t.Shipping, field+".amount", s.Amount)
	total := a.component(t, field, s.Amount, s.Discounts, s.Taxes, s.PriceIncludesTax)
	a.equal(field+".total", s.Total, total)
	a.atLeastZero(field+".total", total)
	a.add(&t.Grand, field+".total", total)
}

func (a *adder) surcharge(t *Totals, field string, s *Surcharge) {
	a.add(&t.Surcharge, field+".amount", s.Amount)
	total := a.component(t, field, s.Amount, nil, s.Taxes, s.PriceIncludesTax)
	a.equal(field+".total", s.Total, total)
	if a.err == nil && total.Sign()*s.Amount.Sign() < 0 {
		a.err = domain.InvalidField{Field: field + ".total", Reason: "has another sign than its amount"}
	}
	a.add(&t.Grand, field+".total", total)
}

// component returns amount − discounts, + taxes unless they are included, and adds discounts and taxes to t.
func (a *adder) component(t *Totals, field string, amount money.Money, ds []Discount, taxes []Tax, included bool) money.Money {
	total := amount
	for i := range ds {
		if a.err != nil {
			return total
		}
		f := a.at(field+".discounts", i) + ".amount"
		a.atLeastZero(f, ds[i].Amount)
		a.sub(&total, f, ds[i].Amount)
		a.add(&t.Discount, f, ds[i].Amount)
	}
	for i := range taxes {
		if a.err != nil {
			return total
		}
		f := a.at(field+".taxes", i) + ".amount"
		a.add(&t.Tax, f, taxes[i].Amount)
		if !included {
			a.add(&total, f, taxes[i].Amount)
		}
	}
	return total
}

// netLines returns the lines of d with the unit price in canonical form and Net set: the total and the line's share of the negative surcharges, by largest
// remainder. It refuses negative surcharges of more than the lines are worth: nothing could be given back for a line.
func netLines(d *Details) ([]Line, error) {
	off, goods := int64(0), int64(0)
	for i := range d.Surcharges {
		off += min(0, d.Surcharges[i].Total.Minor) // checkTotals has added these up without overflow
	}
	weights := make([]int64, len(d.Lines))
	for i := range d.Lines {
		weights[i] = d.Lines[i].Total.Minor
		goods += weights[i]
	}
	lines := slices.Clone(d.Lines)
	if goods+off < 0 {
		return nil, domain.InvalidField{Field: "surcharges", Reason: "take off more than the lines come to"}
	}
	shares, err := money.Allocate(money.New(off, d.Currency), weights)
	if err != nil {
		return nil, fmt.Errorf("share surcharges out: %w", err)
	}
	for i := range lines {
		lines[i].Net, err = lines[i].Total.Add(shares[i])
		if err != nil {
			return nil, fmt.Errorf("share surcharges out: %w", err)
		}
		if lines[i].UnitPrice, err = money.ParsePrice(string(lines[i].UnitPrice)); err != nil {
			return nil, fmt.Errorf("line %s: %w", lines[i].ID, err)
		}
	}
	return lines, nil
}
