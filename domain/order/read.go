package order

import (
	"waybill/domain"
	"waybill/domain/money"
)

// An order.placed is the largest event and every read model reads it, so it is read without reflection (a third of the time,
// BenchmarkReadPlaced). The struct tags say what the form is; a test holds what is read here to them.

func readPlaced(data []byte) (Event, error) {
	var e Placed
	r := domain.NewReader(data)
	for key := range r.Fields {
		switch key {
		case "order_id":
			e.OrderID = ID(r.Text())
		case "details":
			readDetails(r, &e.Details)
		case "at":
			e.At = r.Time()
		default:
			r.Skip()
		}
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	return e, nil
}

func readDetails(r *domain.Reader, d *Details) {
	for key := range r.Fields {
		switch key {
		case "number":
			d.Number = r.Text()
		case "channel":
			d.Channel = r.Text()
		case "source_ref":
			d.SourceRef = r.Text()
		case "customer_id":
			d.CustomerID = r.Text()
		case "contact":
			readContact(r, &d.Contact)
		case "currency":
			d.Currency = money.Currency(r.Text())
		case "lines":
			d.Lines = domain.ReadSlice(r, func(l *Line) { readLine(r, l) })
		case "shipping":
			d.Shipping = domain.ReadSlice(r, func(s *ShippingLine) { readShippingLine(r, s) })
		case "surcharges":
			d.Surcharges = domain.ReadSlice(r, func(s *Surcharge) { readSurcharge(r, s) })
		case "totals":
			readTotals(r, &d.Totals)
		case "ship_by":
			d.ShipBy = r.Time()
		case "tags":
			d.Tags = r.Texts()
		case "placed_at":
			d.PlacedAt = r.Time()
		default:
			readPolicies(r, key, d)
		}
	}
}

func readPolicies(r *domain.Reader, key string, d *Details) {
	switch key {
	case "rounding":
		for key := range r.Fields {
			switch key {
			case "level":
				d.Rounding.Level = RoundingLevel(r.Text())
			case "mode":
				d.Rounding.Mode = money.Mode(r.Text())
			default:
				r.Skip()
			}
		}
	case "payment_terms":
		for key := range r.Fields {
			switch key {
			case "kind":
				d.PaymentTerms.Kind = PaymentKind(r.Text())
			case "pay_by":
				d.PaymentTerms.PayBy = r.Time()
			default:
				r.Skip()
			}
		}
	case "reserve_policy":
		d.ReservePolicy = ReservePolicy(r.Text())
	case "attributes":
		d.Attributes = make(map[string]string)
		for name := range r.Fields {
			d.Attributes[name] = r.Text()
		}
	default:
		r.Skip()
	}
}

func readContact(r *domain.Reader, c *Contact) {
	for key := range r.Fields {
		switch key {
		case "name":
			c.Name = r.Personal()
		case "email":
			c.Email = r.Personal()
		case "phone":
			c.Phone = r.Personal()
		case "billing":
			readAddress(r, &c.Billing)
		case "delivery":
			readAddress(r, &c.Delivery)
		default:
			r.Skip()
		}
	}
}

func readAddress(r *domain.Reader, a *Address) {
	for key := range r.Fields {
		switch key {
		case "name":
			a.Name = r.Personal()
		case "lines":
			a.Lines = domain.ReadSlice(r, func(p *domain.Personal) { *p = r.Personal() })
		case "city":
			a.City = r.Personal()
		case "region":
			a.Region = r.Personal()
		case "postcode":
			a.Postcode = r.Personal()
		case "postcode_prefix":
			a.PostcodePrefix = r.Text()
		case "country":
			a.Country = r.Text()
		default:
			r.Skip()
		}
	}
}

func readLine(r *domain.Reader, l *Line) {
	for key := range r.Fields {
		switch key {
		case "line_id":
			l.ID = r.Text()
		case "sku":
			l.SKU = r.Text()
		case "title":
			l.Title = r.Text()
		case "quantity":
			l.Quantity = r.Int()
		case "unit_price":
			l.UnitPrice = money.Price(r.Text())
		case "price_includes_tax":
			l.PriceIncludesTax = r.Bool()
		case "discounts":
			l.Discounts = readDiscounts(r)
		case "taxes":
			l.Taxes = readTaxes(r)
		case "total":
			l.Total = readMoney(r)
		case "net":
			l.Net = readMoney(r)
		case "requires_shipping":
			l.RequiresShipping = r.Bool()
		case "allow_backorder":
			l.AllowBackorder = r.Bool()
		case "location":
			l.Location = r.Text()
		default:
			r.Skip()
		}
	}
}

func readShippingLine(r *domain.Reader, s *ShippingLine) {
	for key := range r.Fields {
		switch key {
		case "shipping_id":
			s.ID = r.Text()
		case "title":
			s.Title = r.Text()
		case "amount":
			s.Amount = readMoney(r)
		case "price_includes_tax":
			s.PriceIncludesTax = r.Bool()
		case "discounts":
			s.Discounts = readDiscounts(r)
		case "taxes":
			s.Taxes = readTaxes(r)
		case "total":
			s.Total = readMoney(r)
		default:
			r.Skip()
		}
	}
}

func readSurcharge(r *domain.Reader, s *Surcharge) {
	for key := range r.Fields {
		switch key {
		case "surcharge_id":
			s.ID = r.Text()
		case "title":
			s.Title = r.Text()
		case "amount":
			s.Amount = readMoney(r)
		case "price_includes_tax":
			s.PriceIncludesTax = r.Bool()
		case "taxes":
			s.Taxes = readTaxes(r)
		case "total":
			s.Total = readMoney(r)
		default:
			r.Skip()
		}
	}
}

func readDiscounts(r *domain.Reader) []Discount {
	return domain.ReadSlice(r, func(d *Discount) {
		for key := range r.Fields {
			switch key {
			case "id":
				d.ID = r.Text()
			case "code":
				d.Code = r.Text()
			case "amount":
				d.Amount = readMoney(r)
			default:
				r.Skip()
			}
		}
	})
}

func readTaxes(r *domain.Reader) []Tax {
	return domain.ReadSlice(r, func(t *Tax) {
		for key := range r.Fields {
			switch key {
			case "code":
				t.Code = r.Text()
			case "rate":
				t.Rate = r.Text()
			case "amount":
				t.Amount = readMoney(r)
			default:
				r.Skip()
			}
		}
	})
}

func readTotals(r *domain.Reader, t *Totals) {
	for key := range r.Fields {
		switch key {
		case "goods":
			t.Goods = readMoney(r)
		case "discount":
			t.Discount = readMoney(r)
		case "shipping":
			t.Shipping = readMoney(r)
		case "surcharge":
			t.Surcharge = readMoney(r)
		case "tax":
			t.Tax = readMoney(r)
		case "grand":
			t.Grand = readMoney(r)
		default:
			r.Skip()
		}
	}
}

func readMoney(r *domain.Reader) (m money.Money) {
	for key := range r.Fields {
		switch key {
		case "minor":
			m.Minor = r.Int()
		case "currency":
			m.Currency = money.Currency(r.Text())
		default:
			r.Skip()
		}
	}
	return m
}
