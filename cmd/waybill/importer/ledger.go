package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"waybill/domain/money"
)

// Ledger remembers the lines that were sold in this file, so that a later row which gives units back finds the sale it
// belongs to. By customer, SKU and price; the latest sale first.
type Ledger map[string][]*sale

// sale is a line that was sold.
type sale struct {
	ref, lineID string
	open        int64 // units that were not given back
}

// Cancellation is a row that gives units back.
type Cancellation struct {
	Line     int
	Customer string
	SKU      string
	Price    string      // as it stands in the file
	Quantity int64       // units that are given back, positive
	Amount   money.Money // of the row: negative
}

// sold remembers the lines of a sale.
func (l Ledger) sold(d Document) {
	for _, s := range d.Sold {
		k := key(s.Customer, s.SKU, s.Price)
		l[k] = append(l[k], &sale{ref: d.Ref, lineID: s.LineID, open: s.Quantity})
	}
}

// find takes the units from the latest sale that has them, or says why there is none.
func (l Ledger) find(c Cancellation) (*sale, string) {
	if c.Customer == "" {
		return nil, "gives units back, and names no customer whose sale it could be"
	}
	sales := l[key(c.Customer, c.SKU, c.Price)]
	most := int64(0)
	for _, s := range slices.Backward(sales) {
		if s.open >= c.Quantity {
			s.open -= c.Quantity
			return s, ""
		}
		most = max(most, s.open)
	}
	if len(sales) == 0 {
		return nil, fmt.Sprintf("cancels a sale that is not in the file: customer %s bought no %s at this price before", c.Customer, c.SKU)
	}
	return nil, fmt.Sprintf("cancels more units of %s than a sale to customer %s in the file has open (%d)", c.SKU, c.Customer, most)
}

// namespace is that of the ids which an import derives. It is never changed.
var namespace = uuid.MustParse("0b0c1c5e-53e6-5a0e-8f5e-8f8d1c6f2a61") //nolint:gochecknoglobals // a constant; Go has none of this type

// derived is an id that is the same whenever the same file is imported.
func derived(parts ...string) string {
	return uuid.NewSHA1(namespace, []byte(strings.Join(parts, "\x00"))).String()
}

// orderID is the id of the order with that name upstream.
func orderID(channel, ref string) string { return derived("order", channel, ref) }

func key(parts ...string) string { return strings.Join(parts, "\x00") }

func unkey(k string) (first, second string) {
	first, second, _ = strings.Cut(k, "\x00")
	return first, second
}
