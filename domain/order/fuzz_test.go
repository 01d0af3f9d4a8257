package order_test

import (
	"bytes"
	"testing"

	"waybill/domain/order"
)

// FuzzSnapshot: no stored snapshot makes the decoder panic, what it reads goes on, and is stored in one form again.
func FuzzSnapshot(f *testing.F) {
	o := new(order.Order)
	for _, e := range samples(f) {
		order.Evolve(o, e)
		data, err := order.EncodeSnapshot(o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	later := samples(f)
	f.Fuzz(func(t *testing.T, stored []byte) {
		o, err := order.DecodeSnapshot(order.SnapshotSchema, stored)
		if err != nil {
			return
		}
		data, err := order.EncodeSnapshot(o)
		if err != nil {
			t.Fatalf("%+v cannot be stored: %v", o, err)
		}
		again, err := order.DecodeSnapshot(order.SnapshotSchema, data)
		if err != nil {
			t.Fatalf("%+v cannot be read back: %v", o, err)
		}
		if twice, err := order.EncodeSnapshot(again); err != nil || !bytes.Equal(data, twice) {
			t.Fatalf("%+v has two forms: %x and %x (%v)", o, data, twice, err)
		}
		for _, e := range later {
			order.Evolve(o, e)
		}
	})
}
