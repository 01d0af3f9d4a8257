package commands

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"

	"waybill/domain"
	"waybill/eventstore"
)

// TestVerdictsKeepTheirForm holds the stored bytes of every kind of verdict. They are read for ever: a new form gets a
// new number, and these lines stay.
func TestVerdictsKeepTheirForm(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("0198c0de-0000-7000-8000-000000000001")
	refused := func(cause domain.Refusal) *Refused {
		r, err := newRefused(id, cause)
		if err != nil {
			t.Fatal(err)
		}
		r.Stream, r.Version = "stock-MUG@BER1", 7
		return r
	}
	closed := refused(ClaimTaken{Claim: "x", Position: 3})
	closed.State, closed.Allowed = "none", []string{"order.place"}
	for name, tt := range map[string]struct {
		verdict storedVerdict
		golden  string
	}{
		"refused": {
			storedVerdict{Refusal: refused(DuplicateOrderNumber{Channel: "web", Number: "WEB-1", OrderID: "o2"})},
			`{"v":1,"refusal":{"code":"duplicate-order-number","detail":"order o2 has number \"WEB-1\" in channel \"web\" already","values":{"channel":"web","order_number":"WEB-1","order_id":"o2"},"stream":"stock-MUG@BER1","version":7}}`,
		},
		"refused by state": {
			storedVerdict{Refusal: closed},
			`{"v":1,"refusal":{"code":"claim-taken","detail":"\"x\" is claimed by the commit at position 3","values":{"claim":"x","position":3},"stream":"stock-MUG@BER1","version":7,"state":"none","allowed":["order.place"]}}`,
		},
		"unchanged": {
			storedVerdict{Unchanged: []StreamVersion{{Stream: "stock-MUG@BER1", Version: 7}}},
			`{"v":1,"unchanged":[{"stream":"stock-MUG@BER1","version":7}]}`,
		},
		"same as another": {
			storedVerdict{SameAs: &id},
			`{"v":1,"same_as":"0198c0de-0000-7000-8000-000000000001"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &plan{cmd: &Command{ID: id, Type: "stock.reserve", Key: "o1"}}
			v, err := p.verdict("", tt.verdict)
			if err != nil || string(v.Data) != tt.golden {
				t.Fatalf("stored as %s, %v\nwant      %s", v.Data, err, tt.golden)
			}
			back, err := decodeVerdict(v)
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := json.Marshal(back)
			if err != nil || string(encoded) != tt.golden {
				t.Errorf("reads as %s, %v", encoded, err)
			}
		})
	}
}

func TestDamagedVerdictsAreErrors(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]eventstore.Verdict{
		"no JSON":             {Data: []byte("{")},
		"unknown form":        {Data: []byte(`{"v":2,"unchanged":[]}`)},
		"refused by half":     {Refused: true, Data: []byte(`{"v":1,"unchanged":[]}`)},
		"accepted by half":    {Data: []byte(`{"v":1,"refusal":{"code":"x"}}`)},
		"nothing in it":       {Data: []byte(`{"v":1}`)},
		"no data":             {},
		"same as no known id": {Data: []byte(`{"v":1,"same_as":"x"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if s, err := decodeVerdict(&v); err == nil {
				t.Errorf("read as %+v", s)
			}
		})
	}
}

func TestEventIDs(t *testing.T) {
	t.Parallel()
	seen := map[uuid.UUID]bool{}
	for range 100_000 {
		id := newEventID()
		if seen[id] || id.Version() != 7 || id.Variant() != uuid.RFC4122 {
			t.Fatalf("id %s: version %d, variant %s, repeated %t", id, id.Version(), id.Variant(), seen[id])
		}
		seen[id] = true
	}
}
