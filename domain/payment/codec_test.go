package payment_test

import (
	"flag"
	"testing"

	"waybill/domain/domaintest"
	"waybill/domain/payment"
)

var update = flag.Bool("update", false, "write golden files that do not exist yet; existing ones are never changed")

func suite() domaintest.Aggregate[payment.Event, payment.Payment] {
	return domaintest.Aggregate[payment.Event, payment.Payment]{
		Samples: samples(), Encode: payment.Encode, Decode: payment.Decode, Evolve: payment.Evolve,
		EncodeSnapshot: payment.EncodeSnapshot, DecodeSnapshot: payment.DecodeSnapshot, SnapshotSchema: payment.SnapshotSchema,
		MapPersonal: payment.MapPersonal, Update: *update,
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
		"text that is not UTF-8": {payment.TypeAuthorisationRequested, "\x81\xa8order_id\xa1\xff"},
		"a list beyond the end":  {payment.TypeReconciled, "\x81\xa5diffs\xdd\xff\xff\xff\xff"},
		"a nameless envelope":    {payment.TypeCaptured, "\x81\xa4note\x81\xa4text\xa2hi"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e, err := payment.Decode(tt.typ, 1, []byte(tt.data)); err == nil {
				t.Errorf("decodes to %+v", e)
			}
		})
	}
}

// snapshotOf returns all that a payment is as bytes: equal ones give equal bytes.
func snapshotOf(t interface{ Fatal(args ...any) }, p *payment.Payment) []byte {
	return suite().Snapshot(t, p)
}

func FuzzDecode(f *testing.F) { suite().FuzzDecode(f) }

func FuzzSnapshot(f *testing.F) {
	suite().FuzzSnapshot(f, func(s *payment.Payment) {
		_, _, _, _ = payment.Allowed(s), s.Status(), s.Ledger(), s.Open()
		for _, c := range commands() {
			_, _ = payment.Decide(s, c)
		}
	})
}

// BenchmarkDecodeAndFold is what loading one costs that went through everything.
func BenchmarkDecodeAndFold(b *testing.B) { suite().BenchmarkLoad(b) }

func BenchmarkCodec(b *testing.B) { suite().BenchmarkCodec(b) }
