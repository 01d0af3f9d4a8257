package order

import (
	"os"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
	"waybill/domain/money"
)

// TestPlacedIsReadAsItsTagsSay holds the reader that is written by hand to the struct tags.
func TestPlacedIsReadAsItsTagsSay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Make[placedForm]().Draw(t, "placed").placed(t)
		data, err := domain.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		byHand, err := readPlaced(data)
		if err != nil {
			t.Fatal(err)
		}
		byTags, err := event[Placed](data)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(byHand, byTags) {
			t.Fatalf("by hand\n%+v, by tags\n%+v", byHand, byTags)
		}
	})
}

// placedForm is drawn by its exported fields; what is personal is drawn as text.
type placedForm struct {
	OrderID                                 ID
	Number, Channel, SourceRef, CustomerID  string
	Currency                                money.Currency
	Lines                                   []Line
	Shipping                                []ShippingLine
	Surcharges                              []Surcharge
	Totals                                  Totals
	Rounding                                Rounding
	PaymentTerms                            PaymentTerms
	ReservePolicy                           ReservePolicy
	ShipBy, PlacedAt, At                    domain.Time
	Tags                                    []string
	Attributes                              map[string]string
	Name, Email, City, Postcode, AddressOne string
	Prefix, Country                         string
}

func (f placedForm) placed(t *rapid.T) Placed {
	p := domain.NewPersonal
	sealed, err := domain.SealedPersonal("aead", "key", rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "sealed"))
	if err != nil {
		t.Fatal(err)
	}
	return Placed{OrderID: f.OrderID, At: f.At, Details: Details{
		Number: f.Number, Channel: f.Channel, SourceRef: f.SourceRef, CustomerID: f.CustomerID, Currency: f.Currency,
		Contact: Contact{
			Name: p(f.Name), Email: p(f.Email), Phone: sealed,
			Billing:  Address{Name: p(f.Name), Lines: []domain.Personal{p(f.AddressOne), sealed}, City: p(f.City), Country: f.Country},
			Delivery: Address{Region: p(f.City), Postcode: p(f.Postcode), PostcodePrefix: f.Prefix},
		},
		Lines: f.Lines, Shipping: f.Shipping, Surcharges: f.Surcharges, Totals: f.Totals, Rounding: f.Rounding,
		PaymentTerms: f.PaymentTerms, ReservePolicy: f.ReservePolicy, ShipBy: f.ShipBy, PlacedAt: f.PlacedAt, Tags: f.Tags,
		Attributes: f.Attributes,
	}}
}

// BenchmarkReadPlaced compares the reader that is written by hand with the struct tags.
func BenchmarkReadPlaced(b *testing.B) {
	data, err := os.ReadFile("testdata/golden/order.placed.v2.msgpack")
	if err != nil {
		b.Fatal(err)
	}
	for name, read := range map[string]func([]byte) (Event, error){"by=hand": readPlaced, "by=tags": event[Placed]} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
