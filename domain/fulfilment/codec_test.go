package fulfilment_test

import (
	"flag"
	"testing"

	"waybill/domain/domaintest"
	"waybill/domain/fulfilment"
)

var update = flag.Bool("update", false, "write golden files that do not exist yet; existing ones are never changed")

func suite() domaintest.Aggregate[fulfilment.Event, fulfilment.Fulfilment] {
	return domaintest.Aggregate[fulfilment.Event, fulfilment.Fulfilment]{
		Samples: samples(), Encode: fulfilment.Encode, Decode: fulfilment.Decode, Evolve: fulfilment.Evolve,
		EncodeSnapshot: fulfilment.EncodeSnapshot, DecodeSnapshot: fulfilment.DecodeSnapshot, SnapshotSchema: fulfilment.SnapshotSchema,
		History: history(), MapPersonal: fulfilment.MapPersonal, Update: *update,
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
		"text that is not UTF-8": {fulfilment.TypeShipped, "\x81\xa8order_id\xa1\xff"},
		"a list beyond the end":  {fulfilment.TypePacked, "\x81\xa5lines\xdd\xff\xff\xff\xff"},
		"a nameless envelope":    {fulfilment.TypeHoldReleased, "\x81\xa4note\x81\xa4text\xa2hi"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e, err := fulfilment.Decode(tt.typ, 1, []byte(tt.data)); err == nil {
				t.Errorf("decodes to %+v", e)
			}
		})
	}
}

// snapshotOf returns all that a fulfilment is as bytes: equal ones give equal bytes.
func snapshotOf(t interface{ Fatal(args ...any) }, f *fulfilment.Fulfilment) []byte {
	return suite().Snapshot(t, f)
}

func FuzzDecode(f *testing.F) { suite().FuzzDecode(f) }

func FuzzSnapshot(f *testing.F) {
	suite().FuzzSnapshot(f, func(s *fulfilment.Fulfilment) {
		_ = fulfilment.Allowed(s)
		for _, c := range commands() {
			_, _ = fulfilment.Decide(s, c)
		}
	})
}

// BenchmarkDecodeAndFold is what loading one costs that went through everything.
func BenchmarkDecodeAndFold(b *testing.B) { suite().BenchmarkLoad(b) }

func BenchmarkCodec(b *testing.B) { suite().BenchmarkCodec(b) }
