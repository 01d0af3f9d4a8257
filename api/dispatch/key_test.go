package dispatch_test

import (
	"testing"

	"github.com/google/uuid"

	"waybill/api/auth"
	"waybill/api/dispatch"
)

// FuzzCommandID: every key names one command, that of nobody else, under an id that shows what it was made from.
func FuzzCommandID(f *testing.F) {
	f.Add("order-7", "web-shop", "erp")
	f.Add("01890a5d-ac96-774b-bcce-b302099a8057", "a", "b")
	f.Add("01890A5D-AC96-774B-BCCE-B302099A8057", "a", "a\x00")
	f.Add("{01890a5d-ac96-774b-bcce-b302099a8057}", "", "\x00")
	f.Add("urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057", "a", "A")
	f.Add("", "a", "b")
	f.Fuzz(func(t *testing.T, key, one, two string) {
		_ = dispatch.CheckKey(key)
		a, b := &auth.Principal{Name: one}, &auth.Principal{Name: two}
		id := dispatch.CommandID(a, key)
		if id == uuid.Nil || id.Variant() != uuid.RFC4122 || (id.Version() != 5 && id.Version() != 8) {
			t.Fatalf("key %q has the id %s", key, id)
		}
		if id != dispatch.CommandID(a, key) {
			t.Fatalf("key %q has two ids", key)
		}
		if one != two && dispatch.CheckKey(key) == nil && id == dispatch.CommandID(b, key) {
			t.Fatalf("%q and %q have one command under the key %q", one, two, key)
		}
		if u, err := uuid.Parse(key); err == nil && u.Version() == 7 && string(id[:6]) != string(u[:6]) {
			t.Fatalf("id %s has lost the time of key %s", id, key)
		}
	})
}
