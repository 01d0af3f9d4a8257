package payment_test

import (
	"bytes"
	"testing"

	"waybill/domain/payment"
)

// FuzzSnapshot: no stored snapshot makes the decoder panic, what it reads goes on, and is stored in one form again.
func FuzzSnapshot(f *testing.F) {
	state := new(payment.Payment)
	for _, e := range history() {
		payment.Evolve(state, e)
		data, err := payment.EncodeSnapshot(state)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	later := history()[1:]
	f.Fuzz(func(t *testing.T, stored []byte) {
		state, err := payment.DecodeSnapshot(payment.SnapshotSchema, stored)
		if err != nil {
			return
		}
		data, err := payment.EncodeSnapshot(state)
		if err != nil {
			t.Fatalf("%+v cannot be stored: %v", state, err)
		}
		again, err := payment.DecodeSnapshot(payment.SnapshotSchema, data)
		if err != nil {
			t.Fatalf("%+v cannot be read back: %v", state, err)
		}
		if twice, err := payment.EncodeSnapshot(again); err != nil || !bytes.Equal(data, twice) {
			t.Fatalf("%+v has two forms: %x and %x (%v)", state, data, twice, err)
		}
		for _, c := range commands() { // whatever it says, no decision panics
			_, _ = payment.Decide(state, c)
			_ = payment.Allowed(state)
		}
		for _, e := range later {
			payment.Evolve(state, e)
		}
	})
}
