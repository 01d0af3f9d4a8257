package returns_test

import (
	"flag"
	"testing"

	"waybill/domain/domaintest"
	"waybill/domain/returns"
)

var update = flag.Bool("update", false, "write golden files that do not exist yet; existing ones are never changed")

func suite(tb testing.TB) domaintest.Aggregate[returns.Event, returns.Return] {
	tb.Helper()
	return domaintest.Aggregate[returns.Event, returns.Return]{
		Samples: samples(tb), Encode: returns.Encode, Decode: returns.Decode, Evolve: returns.Evolve,
		EncodeSnapshot: returns.EncodeSnapshot, DecodeSnapshot: returns.DecodeSnapshot, SnapshotSchema: returns.SnapshotSchema,
		MapPersonal: returns.MapPersonal, Update: *update,
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	suite(t).Test(t)
}

// TestDecodeRefuses has what the suite cannot know: fields of this aggregate.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		typ  string
		data string
	}{
		"text that is not UTF-8": {returns.TypeLabelIssued, "\x81\xa7carrier\xa1\xff"},
		"a list beyond the end":  {returns.TypeItemsReceived, "\x81\xa5lines\xdd\xff\xff\xff\xff"},
		"a nameless envelope":    {returns.TypeDeclined, "\x81\xa4note\x81\xa4text\xa2hi"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e, err := returns.Decode(tt.typ, 1, []byte(tt.data)); err == nil {
				t.Errorf("decodes to %+v", e)
			}
		})
	}
}

func FuzzDecode(f *testing.F) { suite(f).FuzzDecode(f) }

func FuzzSnapshot(f *testing.F) {
	suite(f).FuzzSnapshot(f, func(s *returns.Return) {
		_, _, _ = returns.Allowed(s), s.RestockDue(), s.RefundDue()
	})
}

// BenchmarkDecodeAndFold is what loading one costs that went through everything.
func BenchmarkDecodeAndFold(b *testing.B) { suite(b).BenchmarkLoad(b) }

func BenchmarkCodec(b *testing.B) { suite(b).BenchmarkCodec(b) }
