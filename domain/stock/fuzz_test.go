package stock_test

import (
	"bytes"
	"testing"

	"waybill/domain/stock"
)

// FuzzSnapshot: no stored snapshot makes the decoder panic, what it reads goes on, and is stored in one form again.
func FuzzSnapshot(f *testing.F) {
	i := new(stock.Item)
	for _, e := range history() {
		stock.Evolve(i, e)
		data, err := stock.EncodeSnapshot(i)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	later := history()
	f.Fuzz(func(t *testing.T, stored []byte) {
		i, err := stock.DecodeSnapshot(stock.SnapshotSchema, stored)
		if err != nil {
			return
		}
		data, err := stock.EncodeSnapshot(i)
		if err != nil {
			t.Fatalf("%+v cannot be stored: %v", i, err)
		}
		again, err := stock.DecodeSnapshot(stock.SnapshotSchema, data)
		if err != nil {
			t.Fatalf("%+v cannot be read back: %v", i, err)
		}
		if twice, err := stock.EncodeSnapshot(again); err != nil || !bytes.Equal(data, twice) {
			t.Fatalf("%+v has two forms: %x and %x (%v)", i, data, twice, err)
		}
		for _, e := range later {
			stock.Evolve(i, e)
		}
		_, _ = stock.Decide(i, stock.Expire{Key: stock.Key{SKU: "A", Location: "B"}, Now: 1 << 60})
	})
}
