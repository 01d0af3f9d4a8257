package importer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"waybill/api/wire"
	"waybill/domain/money"
)

// document says what the rows of one order number mean.
func (c *CSV) document(rows []row) Document {
	first := &rows[0]
	d := Document{Line: first.line, Ref: first.order, Rows: len(rows)}
	cancels := c.layout.CancelPrefix != "" && strings.HasPrefix(first.order, c.layout.CancelPrefix)
	var goods, charges []row
	for _, r := range rows {
		switch {
		case r.quantity == 0:
			d.leaveOut(r, "has no quantity")
		case r.amount.Sign() == 0 && r.customer == "" && !cancels && !c.charge(r.sku):
			d.Adjustments = append(d.Adjustments, Adjustment{Line: r.line, Ref: adjustmentRef(d.Ref, r), SKU: r.sku, Delta: r.quantity, Reason: reason(r)})
		case r.quantity < 0 && c.charge(r.sku):
			d.leaveOut(r, fmt.Sprintf("gives back money for %s, which is no line of an order in the file", r.sku))
		case r.quantity < 0:
			d.Cancelled = append(d.Cancelled, Cancellation{Line: r.line, Customer: r.customer, SKU: r.sku, Price: r.priceText, Quantity: -r.quantity, Amount: r.amount})
		case r.amount.Sign() < 0:
			d.leaveOut(r, "has a negative price")
		case cancels:
			d.leaveOut(r, "is a positive line of a cancellation")
		case r.currency != first.currency:
			d.leaveOut(r, "is in another currency than the first line of its order")
		case c.charge(r.sku):
			charges = append(charges, r)
		default:
			goods = append(goods, r)
		}
	}
	if len(goods)+len(charges) > 0 {
		c.sale(&d, goods, charges)
	}
	return d
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
	first := &goods[0]
	sum := func(rows []row) wire.Money {
		total := wire.Money{Currency: string(first.currency)}
		for _, r := range rows {
			total.Minor += r.amount.Minor
		}
		return total
	}
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
		if slices.Contains(c.layout.Shipping, r.sku) {
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
