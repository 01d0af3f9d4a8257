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
	t.Run("reserved", readsLikeTags[Reserved](readReserved))
	t.Run("confirmed", readsLikeTags[ReservationConfirmed](readConfirmed))
	t.Run("released", readsLikeTags[ReservationReleased](readReleased))
	t.Run("expired", readsLikeTags[ReservationExpired](readExpired))
}

func readsLikeTags[E Event](read func([]byte) (Event, error)) func(*testing.T) {
	return func(t *testing.T) {
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
	}
}
