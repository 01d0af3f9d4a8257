package order_test

import (
	"flag"
	"fmt"
	"testing"

	"waybill/domain"
	"waybill/domain/domaintest"
	"waybill/domain/order"
)

var update = flag.Bool("update", false, "write golden files that do not exist yet; existing ones are never changed")

func suite(tb testing.TB) domaintest.Aggregate[order.Event, order.Order] {
	tb.Helper()
	return domaintest.Aggregate[order.Event, order.Order]{
		Samples: samples(tb), Encode: order.Encode, Decode: order.Decode, Evolve: order.Evolve,
		EncodeSnapshot: order.EncodeSnapshot, DecodeSnapshot: order.DecodeSnapshot, SnapshotSchema: order.SnapshotSchema,
		MapPersonal: order.MapPersonal, Update: *update,
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
		"text that is not UTF-8": {order.TypeNoteAdded, "\x81\xa7note_id\xa1\xff"},
		"a list beyond the end":  {order.TypeTagged, "\x81\xa4tags\xdd\xff\xff\xff\xff"},
		"a nameless envelope":    {order.TypeNoteAdded, "\x81\xa4text\x81\xa4text\xa2hi"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e, err := order.Decode(tt.typ, 1, []byte(tt.data)); err == nil {
				t.Errorf("decodes to %+v", e)
			}
		})
	}
}

func FuzzDecode(f *testing.F) { suite(f).FuzzDecode(f) }

func FuzzSnapshot(f *testing.F) {
	suite(f).FuzzSnapshot(f, func(s *order.Order) {
		_, _, _ = order.Allowed(s), s.PaymentStatus(), s.Balance()
	})
}

// BenchmarkDecodeAndFold is what loading an order of 100 events costs: it was placed with three lines and then lived on.
func BenchmarkDecodeAndFold(b *testing.B) {
	a := suite(b)
	a.History = []order.Event{placed(b, details()), order.Confirmed{At: t0}}
	for n := 2; n < 100; n++ {
		switch n % 4 {
		case 0:
			a.History = append(a.History, order.Tagged{Tags: []string{"vip"}, At: t0})
		case 1:
			a.History = append(a.History, order.Untagged{Tags: []string{"vip"}, At: t0})
		case 2:
			a.History = append(a.History, order.NoteAdded{NoteID: fmt.Sprint("n", n), Text: domain.NewPersonal("the customer called again"), At: t0})
		case 3:
			a.History = append(a.History, order.LinesCancelled{CancellationID: fmt.Sprint("c", n), Reason: order.CancelStaff, Credit: eur(0), At: t0})
		}
	}
	a.BenchmarkLoad(b)
}

func BenchmarkCodec(b *testing.B) { suite(b).BenchmarkCodec(b) }
