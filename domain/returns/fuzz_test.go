package returns_test

import (
	"bytes"
	"testing"

	"waybill/domain/returns"
)

// FuzzSnapshot: no stored snapshot makes the decoder panic, what it reads goes on, and is stored in one form again.
func FuzzSnapshot(f *testing.F) {
	r := new(returns.Return)
	for _, e := range samples(f) {
		returns.Evolve(r, e)
		data, err := returns.EncodeSnapshot(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	later := samples(f)
	f.Fuzz(func(t *testing.T, stored []byte) {
		r, err := returns.DecodeSnapshot(returns.SnapshotSchema, stored)
		if err != nil {
			return
		}
		data, err := returns.EncodeSnapshot(r)
		if err != nil {
			t.Fatalf("%+v cannot be stored: %v", r, err)
		}
		again, err := returns.DecodeSnapshot(returns.SnapshotSchema, data)
		if err != nil {
			t.Fatalf("%+v cannot be read back: %v", r, err)
		}
		if twice, err := returns.EncodeSnapshot(again); err != nil || !bytes.Equal(data, twice) {
			t.Fatalf("%+v has two forms: %x and %x (%v)", r, data, twice, err)
		}
		for _, e := range later {
			returns.Evolve(r, e)
		}
		_, _, _ = returns.Allowed(r), r.RestockDue(), r.RefundDue()
	})
}
