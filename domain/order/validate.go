package order

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"waybill/domain"
	"waybill/domain/money"
)

// Limits of one order.
const (
	MaxLines         = 1_000         // lines
	MaxQuantity      = 1_000_000_000 // units of a line
	MaxCharges       = 100           // shipping lines, and surcharges, and discounts or taxes of one line
	MaxHolds         = 100           // holds ever placed
	MaxNotes         = 1_000         // notes
	MaxLineID        = 64            // bytes of a line's id: it is a part of longer ids, such as that of a reservation
	MaxTags          = 100           // tags
	MaxAttributes    = 100           // attributes
	MaxName          = 128           // bytes of a number, channel, tag, code or attribute key
	MaxTitle         = 512           // bytes of a title, a name, an address line or a detail
	MaxText          = 4_096         // bytes of a note or an attribute
	MaxAddress       = 10            // lines of an address
	MaxPayments      = 1_000         // payments, also those that failed
	MaxCancellations = 1_000         // cancellations that had to wait
	MaxAmendments    = 1_000         // amendments ever proposed
	MaxRefunds       = 1_000         // refunds ever granted
	MaxFailures      = 100           // attempts to pay one refund back that failed
	MaxReturns       = 1_000         // returns ever authorised
	MaxFulfilments   = 1_000         // fulfilments that ever had units
	MaxAmount        = 1 << 53       // minor units of an amount that others report
)

// fields checks fields one after the other and keeps the first refusal.
type fields struct {
	names
	err error
}

// names spells the paths of fields. Only a refusal needs them, and most commands are good: they are checked without
// names first, and a second time with names when something is wrong.
type names bool

// at returns the path of the i-th entry of list, or "" where no names are spelt.
func (n names) at(list string, i int) string {
	if !n {
		return ""
	}
	return list + "[" + strconv.Itoa(i) + "]"
}

// named runs check without names, and for the name of what is wrong a second time.
func named(check func(names) error) error {
	if err := check(false); err == nil {
		return nil
	}
	return check(true)
}

func (f *fields) check(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) id(field, id string)             { f.check(domain.CheckID(field, id)) }
func (f *fields) text(field, s string, limit int) { f.check(domain.CheckText(field, s, limit)) }
func (f *fields) personal(field string, p domain.Personal) {
	f.check(domain.CheckPersonal(field, p, MaxTitle))
}

// name checks a short text that must be given.
func (f *fields) name(field, s string) {
	if s == "" {
		f.check(domain.InvalidField{Field: field, Reason: "is missing"})
	}
	f.text(field, s, MaxName)
}

func (f *fields) count(field string, n, limit int, unit string) {
	if n > limit {
		f.check(domain.LimitExceeded{Field: field, Limit: int64(limit), Actual: int64(n), Unit: unit})
	}
}

// oneOf refuses a value that is not listed.
func oneOf[T ~string](f *fields, field string, v T, known ...T) {
	if !slices.Contains(known, v) {
		f.check(domain.InvalidField{Field: field, Reason: fmt.Sprintf("is %q, not one of %q", string(v), known)})
	}
}

// unique refuses an id that stands twice.
func unique[T any](f *fields, field string, items []T, id func(*T) string) {
	if len(items) < 2 {
		return
	}
	seen := make(map[string]struct{}, len(items))
	for i := range items {
		v := id(&items[i])
		if _, twice := seen[v]; twice {
			f.check(domain.InvalidField{Field: f.at(field, i), Reason: "repeats the id " + v})
			return
		}
		seen[v] = struct{}{}
	}
}

// checkDetails refuses details that no order may have, whatever they add up to.
func checkDetails(d *Details, n names) error {
	f := &fields{names: n}
	f.name("order_number", d.Number)
	f.name("channel", d.Channel)
	f.text("source_ref", d.SourceRef, MaxName)
	f.text("customer_id", d.CustomerID, MaxName)
	if _, ok := d.Currency.Exponent(); !ok {
		f.check(domain.InvalidField{Field: "currency", Reason: fmt.Sprintf("%q is not a currency", string(d.Currency))})
	}
	f.contact(&d.Contact)
	f.goods(d.Lines)
	f.charges(d)
	oneOf(f, "rounding.level", d.Rounding.Level, RoundLine, RoundUnit)
	if !d.Rounding.Mode.Valid() {
		f.check(domain.InvalidField{Field: "rounding.mode", Reason: fmt.Sprintf("is %q, not a mode", string(d.Rounding.Mode))})
	}
	oneOf(f, "payment_terms.kind", d.PaymentTerms.Kind, PaymentPrepaid, PaymentAuthorise, PaymentOffline, PaymentOnAccount)
	oneOf(f, "reserve_policy", d.ReservePolicy, ReserveNone, ReserveTrackOnly, ReserveOnOrder, ReserveOnPayment, ReserveExternal)
	f.tags(d.Tags)
	f.count("attributes", len(d.Attributes), MaxAttributes, "attributes")
	for _, k := range slices.Sorted(maps.Keys(d.Attributes)) {
		f.name("attributes key", k)
		f.text("attributes."+k, d.Attributes[k], MaxText)
	}
	return f.err
}

func (f *fields) goods(lines []Line) {
	if len(lines) == 0 {
		f.check(domain.InvalidField{Field: "lines", Reason: "are missing: an order has at least one"})
	}
	f.count("lines", len(lines), MaxLines, "lines")
	for i := range lines {
		if f.err != nil {
			return
		}
		f.line(f.at("lines", i), &lines[i])
	}
	unique(f, "lines", lines, func(l *Line) string { return l.ID })
}

func (f *fields) line(field string, l *Line) {
	f.id(field+".line_id", l.ID)
	f.text(field+".line_id", l.ID, MaxLineID)
	f.check(domain.CheckSKU(field+".sku", l.SKU))
	f.text(field+".title", l.Title, MaxTitle)
	if l.Quantity < 1 {
		f.check(domain.InvalidField{Field: field + ".quantity", Reason: fmt.Sprintf("is %d, at least 1 is needed", l.Quantity)})
	}
	if l.Quantity > MaxQuantity {
		f.check(domain.LimitExceeded{Field: field + ".quantity", Limit: MaxQuantity, Actual: l.Quantity, Unit: "units"})
	}
	if _, err := money.ParsePrice(string(l.UnitPrice)); err != nil {
		f.check(domain.InvalidField{Field: field + ".unit_price", Reason: "is not a decimal of at most 18 digits, zero or more"})
	}
	f.discounts(field, l.Discounts)
	f.taxes(field, l.Taxes)
	if l.Location != "" {
		f.check(domain.CheckLocation(field+".location", l.Location))
	}
}

func (f *fields) discounts(field string, ds []Discount) {
	f.count(field+".discounts", len(ds), MaxCharges, "discounts")
	for i := range ds {
		f.id(f.at(field+".discounts", i)+".id", ds[i].ID)
		f.text(f.at(field+".discounts", i)+".code", ds[i].Code, MaxName)
	}
	unique(f, field+".discounts", ds, func(d *Discount) string { return d.ID })
}

func (f *fields) taxes(field string, ts []Tax) {
	f.count(field+".taxes", len(ts), MaxCharges, "taxes")
	for i := range ts {
		f.text(f.at(field+".taxes", i)+".code", ts[i].Code, MaxName)
		f.text(f.at(field+".taxes", i)+".rate", ts[i].Rate, MaxName)
	}
}

func (f *fields) charges(d *Details) {
	f.count("shipping", len(d.Shipping), MaxCharges, "shipping lines")
	for i := range d.Shipping {
		s, field := &d.Shipping[i], f.at("shipping", i)
		f.id(field+".shipping_id", s.ID)
		f.text(field+".title", s.Title, MaxTitle)
		f.discounts(field, s.Discounts)
		f.taxes(field, s.Taxes)
	}
	unique(f, "shipping", d.Shipping, func(s *ShippingLine) string { return s.ID })
	f.count("surcharges", len(d.Surcharges), MaxCharges, "surcharges")
	for i := range d.Surcharges {
		s, field := &d.Surcharges[i], f.at("surcharges", i)
		f.id(field+".surcharge_id", s.ID)
		f.text(field+".title", s.Title, MaxTitle)
		f.taxes(field, s.Taxes)
	}
	unique(f, "surcharges", d.Surcharges, func(s *Surcharge) string { return s.ID })
}

func (f *fields) contact(c *Contact) {
	f.personal("contact.name", c.Name)
	f.personal("contact.email", c.Email)
	f.personal("contact.phone", c.Phone)
	f.address("contact.billing", &c.Billing)
	f.address("contact.delivery", &c.Delivery)
}

func (f *fields) address(field string, a *Address) {
	f.personal(field+".name", a.Name)
	f.count(field+".lines", len(a.Lines), MaxAddress, "lines")
	for i := range a.Lines {
		f.personal(f.at(field+".lines", i), a.Lines[i])
	}
	f.personal(field+".city", a.City)
	f.personal(field+".region", a.Region)
	f.personal(field+".postcode", a.Postcode)
	f.text(field+".postcode_prefix", a.PostcodePrefix, MaxPostcodePrefix)
	f.text(field+".country", a.Country, MaxName)
}

// MaxPostcodePrefix is how many bytes of a postcode may stand in clear: an area, not a street.
const MaxPostcodePrefix = 4

func (f *fields) tags(tags []string) {
	f.count("tags", len(tags), MaxTags, "tags")
	for i, t := range tags {
		f.name(f.at("tags", i), t)
	}
}
