package eventstore_test

import (
	"bytes"
	"testing"
	"time"

	"waybill/eventstore"
)

// FuzzMeta: no stored metadata makes the decoder panic, and what it reads is stored in one form again.
func FuzzMeta(f *testing.F) {
	whole, err := eventstore.EncodeMeta(eventstore.Meta{
		Key: "order-1", Command: "order.place", Actor: "key:web-shop", Channel: "web", CorrelationID: "c", CausationID: "e",
		Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", OccurredAt: time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{0x80})
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff}) // a map of 4 billion entries, of which none is there
	f.Add([]byte{0x81, 0xa3, 'k', 'e', 'y', 0xdb, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, stored []byte) {
		m, err := eventstore.DecodeMeta(stored)
		if err != nil {
			return
		}
		data, err := eventstore.EncodeMeta(m)
		if err != nil {
			t.Fatalf("%+v cannot be encoded: %v", m, err)
		}
		again, err := eventstore.DecodeMeta(data)
		if err != nil {
			t.Fatalf("%+v cannot be read back: %v", m, err)
		}
		if twice, err := eventstore.EncodeMeta(again); err != nil || !bytes.Equal(data, twice) {
			t.Fatalf("%+v has two forms: %x and %x (%v)", m, data, twice, err)
		}
	})
}
