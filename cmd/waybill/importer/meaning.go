package importer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"waybill/api/wire"
	"waybill/domain/money"
)

// document says what the lines of one order number mean.
//
// An order that lacks one of its lines would be another order than the one that was sold, and in the way of the right one
// for ever. So when a line of a sale cannot be read or cannot stand in an order, the whole sale is held back.
func (c *CSV) document(entries []entry) Document {
	d := Document{Line: entries[0].line, Ref: entries[0].ref(), Rows: len(entries)}
	s := sorted{csv: c, cancels: c.layout.CancelPrefix != "" && strings.HasPrefix(d.Ref, c.layout.CancelPrefix)}
	for _, e := range entries {
		if e.bad != nil {
			d.Findings = append(d.Findings, *e.bad)
			d.Unread++
			s.spoil(e.line)
			continue
		}
		s.row(&d, *e.row)
	}
	sold := slices.Concat(s.goods, s.charges)
	switch {
	case len(sold) == 0:
	case s.spoiled > 0:
		for _, r := range sold {
			d.leaveOut(r, fmt.Sprintf("its order is held back as a whole, because of line %d", s.spoiled))
		}
		d.Held = true
	default:
		c.sale(&d, s.goods, s.charges)
	}
	return d
}

// sorted are the rows of a document by what they mean.
type sorted struct {
	csv            *CSV
	cancels        bool // the document cancels earlier sales
	goods, charges []row
	spoiled        int // line that keeps the sale from being placed; 0: none
}

func (s *sorted) spoil(line int) {
	if s.spoiled == 0 {
		s.spoiled = line
	}
}

func (s *sorted) row(d *Document, r row) {
	charge := s.csv.charge(r.sku)
	switch {
	case r.quantity == 0:
		d.leaveOut(r, "has no quantity")
	case r.amount.Sign() == 0 && r.customer == "" && !s.cancels && !charge:
		d.Adjustments = append(d.Adjustments, Adjustment{Line: r.line, Ref: adjustmentRef(d.Ref, r), SKU: r.sku, Delta: r.quantity, Reason: reason(r)})
	case r.quantity < 0 && charge && s.cancels:
		d.leaveOut(r, fmt.Sprintf("gives back money for %s, which is no line of an order in the file", r.sku))
	case charge && s.cancels:
		d.leaveOut(r, "is a charge on a cancellation")
	case charge: // of either sign: a negative one is a discount on the whole order
		s.add(d, &s.charges, r)
	case r.quantity < 0:
		d.Cancelled = append(d.Cancelled, Cancellation{Line: r.line, Customer: r.customer, SKU: r.sku, Price: r.priceText, Quantity: -r.quantity, Amount: r.amount})
	case s.cancels:
		d.leaveOut(r, "is a positive line of a cancellation")
	case r.amount.Sign() < 0:
		d.leaveOut(r, "has a negative price")
		s.spoil(r.line)
	default:
		s.add(d, &s.goods, r)
	}
}

// add puts a row with those that are sold, if it is in their currency.
func (s *sorted) add(d *Document, to *[]row, r row) {
	for _, others := range [][]row{s.goods, s.charges} {
		if len(others) > 0 && others[0].currency != r.currency {
			d.leaveOut(r, "is in another currency than the rest of its order")
			s.spoil(r.line)
			return
		}
	}
	*to = append(*to, r)
}

func (c *CSV) charge(sku string) bool {
	return slices.Contains(c.layout.Shipping, sku) || slices.Contains(c.layout.Surcharges, sku)
}

func (d *Document) leaveOut(r row, why string) {
	d.Findings = append(d.Findings, AmountFinding{
		Finding: Finding{Line: r.line, Ref: r.order, Row: fmt.Sprintf("%d %s at %s", r.quantity, r.sku, r.priceText), Reason: why}, Amount: r.amount,
	})
}

// adjustmentRef tells two corrections of one document apart.
func adjustmentRef(ref string, r row) string { return ref + "/" + strconv.Itoa(r.line) }

func reason(r row) string {
	switch {
	case r.title != "" && r.title != r.sku:
		return r.title
	case r.quantity < 0:
		return "written off"
	}
	return "found"
}

// sale makes the order of the rows that were sold.
func (c *CSV) sale(d *Document, goods, charges []row) {
	if len(goods) == 0 { // an order has to have a line: then the charges are its lines
		goods, charges = charges, nil
	}
	if grand := total(goods, charges); grand < 0 || len(charges) == 0 && slices.ContainsFunc(goods, func(r row) bool { return r.amount.Sign() < 0 }) {
		for _, r := range slices.Concat(goods, charges) {
			d.leaveOut(r, "adds up to less than nothing with the rest of its order")
		}
		return
	}
	first := &goods[0]
	sum := func(rows []row) wire.Money { return wire.Money{Minor: total(rows), Currency: string(first.currency)} }
	o := &wire.Place{
		OrderID: "", CustomerID: first.customer, Currency: string(first.currency), Reserve: "reserve_on_order",
		Payment: &wire.PaymentTerms{Kind: "on_account"},
	}
	if !first.placedAt.IsZero() {
		o.PlacedAt = &first.placedAt
	}
	if country := countryCode(first.country); country != "" {
		o.Contact = &wire.Contact{Delivery: &wire.Address{Country: country}}
	}
	for _, r := range goods {
		id := strconv.Itoa(len(o.Lines) + 1)
		ships := !c.charge(r.sku)
		o.Lines = append(o.Lines, wire.Line{
			LineID: id, SKU: r.sku, Title: r.title, Quantity: r.quantity, UnitPrice: string(r.price), Total: onWire(r.amount), RequiresShipping: &ships,
		})
		d.Sold = append(d.Sold, Sold{LineID: id, Customer: r.customer, SKU: r.sku, Price: r.priceText, Quantity: r.quantity})
	}
	var shipping, surcharges []row
	for _, r := range charges {
		if slices.Contains(c.layout.Shipping, r.sku) && r.amount.Sign() >= 0 {
			shipping = append(shipping, r)
			o.Shipping = append(o.Shipping, wire.ShippingLine{Title: title(r), Amount: onWire(r.amount), Total: onWire(r.amount)})
		} else {
			surcharges = append(surcharges, r)
			o.Surcharges = append(o.Surcharges, wire.Surcharge{Title: title(r), Amount: onWire(r.amount), Total: onWire(r.amount)})
		}
	}
	ship, extra, all := sum(shipping), sum(surcharges), sum(slices.Concat(goods, charges))
	o.Totals = wire.Totals{Goods: sum(goods), Shipping: &ship, Surcharge: &extra, Grand: all}
	d.Order = o
}

// total is what rows add up to, in minor units.
func total(lists ...[]row) int64 {
	sum := int64(0)
	for _, rows := range lists {
		for _, r := range rows {
			sum += r.amount.Minor
		}
	}
	return sum
}

func title(r row) string {
	if r.title != "" {
		return r.title
	}
	return r.sku
}

func onWire(m money.Money) wire.Money {
	return wire.Money{Minor: m.Minor, Currency: string(m.Currency)}
}

// countryCode returns the ISO 3166-1 code of a country as files name it; what is two letters already stays, and what is
// not known is left out.
func countryCode(name string) string {
	if len(name) == 2 {
		return strings.ToUpper(name)
	}
	switch name {
	case "United Kingdom":
		return "GB"
	case "France":
		return "FR"
	case "Germany":
		return "DE"
	case "EIRE", "Ireland":
		return "IE"
	case "Netherlands":
		return "NL"
	case "Norway":
		return "NO"
	case "Spain":
		return "ES"
	case "Italy":
		return "IT"
	case "Belgium":
		return "BE"
	case "Switzerland":
		return "CH"
	case "Portugal":
		return "PT"
	case "Poland":
		return "PL"
	case "Lithuania":
		return "LT"
	case "Australia":
		return "AU"
	case "Austria":
		return "AT"
	case "Sweden":
		return "SE"
	case "Denmark":
		return "DK"
	case "Finland":
		return "FI"
	case "Japan":
		return "JP"
	case "USA":
		return "US"
	}
	return ""
}
