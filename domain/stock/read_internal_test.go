package stock

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"waybill/domain"
)

// TestHotEventsAreReadAsTheirTagsSay holds the readers that are written by hand to the struct tags.
func TestHotEventsAreReadAsTheirTagsSay(t *testing.T) {
	t.Parallel()
	readsLikeTags[Reserved](t, "reserved", readReserved)
	readsLikeTags[ReservationConfirmed](t, "confirmed", readConfirmed)
	readsLikeTags[ReservationReleased](t, "released", readReleased)
	readsLikeTags[ReservationExpired](t, "expired", readExpired)
}

func readsLikeTags[E Event](t *testing.T, name string, read func([]byte) (Event, error)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			data, err := domain.Marshal(rapid.Make[E]().Draw(t, "event"))
			if err != nil {
				t.Fatal(err)
			}
			byHand, err := read(data)
			if err != nil {
				t.Fatal(err)
			}
			byTags, err := decode[E](data)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(byHand, byTags) {
				t.Fatalf("by hand\n%+v, by tags\n%+v", byHand, byTags)
			}
		})
	})
}
