package stock_test

import (
	"flag"
	"fmt"
	"testing"

	"waybill/domain/domaintest"
	"waybill/domain/stock"
)

var update = flag.Bool("update", false, "write golden files that do not exist yet; existing ones are never changed")

func suite() domaintest.Aggregate[stock.Event, stock.Item] {
	return domaintest.Aggregate[stock.Event, stock.Item]{
		Samples: samples(), Encode: stock.Encode, Decode: stock.Decode, Evolve: stock.Evolve,
		EncodeSnapshot: stock.EncodeSnapshot, DecodeSnapshot: stock.DecodeSnapshot, SnapshotSchema: stock.SnapshotSchema,
		Same:    func(_, _ *stock.Item) bool { return true }, // an item makes its indexes when it needs them
		History: history(), Update: *update,
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	suite().Test(t)
}

// TestDecodeRefuses has what the suite cannot know: fields of this aggregate.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		typ  string
		data string
	}{
		"a quantity that is text":    {stock.TypeReceived, "\x81\xa8quantity\xa3ten"},
		"a quantity that is a float": {stock.TypeReceived, "\x81\xa8quantity\xca\x00\x00\x00\x00"},
		"text that is not UTF-8":     {stock.TypeReserved, "\x81\xa8order_id\xa1\xff"},
		"a list beyond the end":      {stock.TypeReserved, "\x81\xacreservations\xdd\xff\xff\xff\xff"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e, err := stock.Decode(tt.typ, 1, []byte(tt.data)); err == nil {
				t.Errorf("decodes to %+v", e)
			}
		})
	}
}

// snapshotOf returns all that an item is as bytes: equal ones give equal bytes.
func snapshotOf(t interface{ Fatal(args ...any) }, i *stock.Item) []byte {
	return suite().Snapshot(t, i)
}

func FuzzDecode(f *testing.F) { suite().FuzzDecode(f) }

func FuzzSnapshot(f *testing.F) {
	suite().FuzzSnapshot(f, func(s *stock.Item) {
		_, _ = stock.Decide(s, stock.Expire{Key: stock.Key{SKU: "A", Location: "B"}, Now: 1 << 60})
	})
}

// BenchmarkDecodeAndFold is what loading an item of 100 events costs: reserved and confirmed, 49 times.
func BenchmarkDecodeAndFold(b *testing.B) {
	a := suite()
	a.History = []stock.Event{stock.Received{MovementID: "m1", Quantity: 1000, At: t0}, stock.SafetyStockSet{Quantity: 5, At: t0}}
	for n := range 49 {
		order := fmt.Sprintf("0198c0de-0000-7000-8000-%012d", n)
		id := stock.ReservationID(order, "1", 1)
		a.History = append(a.History,
			stock.Reserved{OrderID: order, Reservations: []stock.Granted{{ReservationID: id, FromStock: 1}}, ExpiresAt: t0 + 9, At: t0},
			stock.ReservationConfirmed{OrderID: order, ReservationIDs: []string{id}, At: t0})
	}
	a.BenchmarkLoad(b)
}

func BenchmarkCodec(b *testing.B) { suite().BenchmarkCodec(b) }
