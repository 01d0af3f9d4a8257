package historytest

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
	"waybill/projections/projectiontest"
)

// Commits returns the log as commits: what was decided together is one commit.
func (l *Log) Commits() []eventstore.Commit {
	var commits []eventstore.Commit
	for i := range l.Events {
		e := &l.Events[i]
		if e.CommandID != uuid.Nil {
			commits = append(commits, eventstore.Commit{
				CommandID: e.CommandID, Streams: []eventstore.StreamEvents{{ID: e.Stream, Expected: e.Version - 1}},
			})
		}
		s := &commits[len(commits)-1].Streams[0]
		s.Events = append(s.Events, eventstore.NewEvent{ID: e.ID, Type: e.Type, Schema: e.Schema, Data: e.Data, Meta: e.Event.Meta})
	}
	return commits
}

// Samples returns histories for the contract suite: one in which stock is reserved for an order before that is placed, a
// short one, and one in which orders overlap.
func Samples() []projectiontest.Sample {
	samples := []projectiontest.Sample{{Name: "reserved-first", Commits: reservedFirst().Commits()}}
	for seed, n := range []int{40, 250} {
		samples = append(samples, projectiontest.Sample{Name: "random-" + strconv.Itoa(n), Commits: Random(uint64(seed), n).Commits()})
	}
	return samples
}

func reservedFirst() *Log {
	const id = "basket-7"
	l := New(5)
	key := stock.Key{SKU: SKU(1), Location: "BER1"}
	reservation := stock.ReservationID(id, "1", 1)
	for _, err := range []error{
		l.Stock(stock.Receive{Key: key, MovementID: "m1", Quantity: 9, Now: l.now()}),
		l.Stock(stock.Reserve{
			Key: key, OrderID: id, ExpiresAt: l.now().Add(time.Hour), Now: l.now(),
			Reservations: []stock.Ask{{ReservationID: reservation, Quantity: 4}},
		}),
		l.Order(order.Place{ID: id, Details: l.details(), Now: l.now()}),
		l.Stock(stock.Confirm{Key: key, OrderID: id, ReservationIDs: []string{reservation}, Now: l.now()}),
		l.Order(order.Confirm{ID: id, Now: l.now()}),
	} {
		if err != nil {
			panic(fmt.Sprintf("a history that is always possible: %v", err))
		}
	}
	return l
}
