package importer

import (
	"waybill/api/wire"
	"waybill/domain/money"
)

// Document is what one order number of a file means: a sale, a cancellation of earlier sales, corrections of the stock,
// or several of these.
type Document struct {
	Line int    // first line in the file
	Ref  string // the order's name upstream
	Rows int

	Order       *wire.Place    // the sale, if there is one
	Sold        []Sold         // its lines, for later cancellations
	Cancelled   []Cancellation // units that are given back
	Adjustments []Adjustment   // corrections of the stock
	Findings    []AmountFinding
	Unread      int  // rows of which not even the amount is known
	Held        bool // the sale was held back, because a row of it cannot stand in an order
}

// Sold is a line of a sale, by what a cancellation knows of it.
type Sold struct {
	LineID, Customer, SKU, Price string
	Quantity                     int64
}

// Adjustment is a row that corrects the stock.
type Adjustment struct {
	Line   int
	Ref    string
	SKU    string
	Delta  int64
	Reason string
}

// AmountFinding is a row without a meaning, with its money.
type AmountFinding struct {
	Finding
	Amount money.Money // of no currency if it is not known
}

// Reader reads a file, document by document. Next ends with io.EOF.
type Reader interface {
	Next() (Document, error)
}
