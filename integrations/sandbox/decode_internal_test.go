package sandbox

import (
	"encoding/json"
	"reflect"
	"testing"
)

func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{"operation_id":"op-1","amount":1000,"currency":"GBP"}`,
		`{"operation_id":"op-1","amount":1000,"currency":"GBP","token":"tok_3ds","capture_mode":"auto","return_url":"https://shop.example/","metadata":{"a":"b"}}`,
		`{"operation_id":"op-1","amount":1,"final":true}`,
		`{"operation_id":"op-1"}`,
		`{"operation_id":"op-1","amount":-1}`,
		`{"operation_id":"op-1","amount":9223372036854775808}`,
		`{"operation_id":"\ud800"}{}`,
		`null`,
	} {
		for i := range Kinds() {
			f.Add(i, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, i int, data []byte) {
		kind := Kinds()[uint(i)%uint(len(Kinds()))]
		r, err := decodeRequest(kind, data)
		if err != nil {
			return
		}
		needs := kind == KindAuthorise || kind == KindCapture || kind == KindRefund
		if r.OperationID == "" || r.Amount < 0 || r.Amount > maxAmount || needs && r.Amount == 0 || r.Final && kind != KindCapture {
			t.Fatalf("%s accepts %+v", kind, r)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeRequest(kind, b)
		if len(r.Metadata) == 0 {
			r.Metadata = nil // left out, or there and empty
		}
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%+v is read back as %+v: %v", r, again, err)
		}
	})
}
