package historytest

import (
	"slices"
	"testing"

	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/projections"
)

// InPlace wants the rows of a table, whose key is given as in SQL, to stay on their pages while orders go from placed to
// confirmed, all together: then Postgres changes no index, and writes a third less to its log. It is the way of nearly
// every order, and the hardest form of it: no page is tidied up between the changes of one transaction. A few may move:
// documents are large and of many sizes, and a page may get its share of those that grow most.
func InPlace(t *testing.T, p projections.Projection, table, key string) {
	t.Helper()
	log := New(5)
	for range 300 {
		id := log.Place()
		log.eachLine(id, func(item stock.Key, l *order.LineState) {
			log.mayRefuse(log.Stock(stock.Receive{Key: item, MovementID: id + l.Line.ID, Quantity: l.Open(), Now: log.now()}))
		})
		log.Reserve(id)
	}
	placed := len(log.Events)
	for _, id := range log.OrderIDs {
		log.mayRefuse(log.Order(order.Confirm{ID: order.ID(id), Now: log.now()}))
		log.eachLine(id, func(item stock.Key, l *order.LineState) {
			held := stock.ReservationID(id, l.Line.ID, 1)
			log.mayRefuse(log.Stock(stock.Confirm{Key: item, OrderID: id, ReservationIDs: []string{held}, Now: log.now()}))
		})
	}
	pool := Install(t, p)
	pages := func() (list []int32) {
		t.Helper()
		err := pool.QueryRow(t.Context(), "SELECT array_agg((ctid::text::point)[0]::int ORDER BY "+key+") FROM "+table).Scan(&list)
		if err != nil || len(list) < 300 {
			t.Fatalf("%d rows, %v, want one an order at least", len(list), err)
		}
		return list
	}
	Apply(t, pool, p, log.Events[:placed], placed)
	before := pages()
	Apply(t, pool, p, log.Events[placed:], len(log.Events))
	after := pages()
	moved := 0
	for i := range before {
		if before[i] != after[i] {
			moved++
		}
	}
	if moved > len(before)/50 || slices.Max(before) == 0 {
		t.Errorf("%d of %d rows on %d pages of %s moved when their orders were confirmed", moved, len(before), slices.Max(before)+1, table)
	}
}

// eachLine calls do for the lines of an order.
func (l *Log) eachLine(id string, do func(item stock.Key, line *order.LineState)) {
	lines := l.Orders[id].Lines
	for i := range lines {
		do(stock.Key{SKU: lines[i].Line.SKU, Location: lines[i].Line.Location}, &lines[i])
	}
}
