package commands

import (
	"encoding/json"
	"testing"

	"waybill/eventstore"
)

// FuzzVerdict: no stored verdict makes the decoder panic, and what it reads says whether the command was refused.
func FuzzVerdict(f *testing.F) {
	f.Add([]byte(`{"v":1,"refusal":{"code":"insufficient-stock","detail":"no","values":{"sku":"A"},"stream":"stock-A@B","version":3}}`), true)
	f.Add([]byte(`{"v":1,"unchanged":[{"stream":"order-1","version":7}]}`), false)
	f.Add([]byte(`{"v":1,"same_as":"01890a5d-ac96-774b-bcce-b302099a8057"}`), false)
	f.Add([]byte(`{"v":2}`), false)
	f.Add([]byte(`{"v":1,"refusal":null}`), true)
	f.Fuzz(func(t *testing.T, data []byte, refused bool) {
		s, err := decodeVerdict(&eventstore.Verdict{Refused: refused, Data: data})
		if err != nil {
			return
		}
		if refused != (s.Refusal != nil) {
			t.Fatalf("%s is refused: %t", data, s.Refusal != nil)
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatalf("%+v cannot be stored: %v", s, err)
		}
		if _, err := decodeVerdict(&eventstore.Verdict{Refused: refused, Data: again}); err != nil {
			t.Fatalf("%s becomes %s, which is none: %v", data, again, err)
		}
	})
}
