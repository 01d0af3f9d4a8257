package orderdetail_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/projections/historytest"
	"waybill/projections/keyset"
	"waybill/projections/orderdetail"
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGetIsTheFold(t *testing.T) {
	log := historytest.Random(31, 400)
	pool := historytest.Install(t, orderdetail.Projection{})
	historytest.Apply(t, pool, orderdetail.Projection{}, log.Events, 50)
	for _, id := range log.OrderIDs {
		got, err := orderdetail.Get(t.Context(), pool, id)
		if err != nil {
			t.Fatal(err)
		}
		events := historytest.Wanted(orderdetail.Projection{}, log.Of(id))
		tomorrow := events[len(events)-1]
		tomorrow.Type, tomorrow.Position, tomorrow.Data = "order.type_of_tomorrow", tomorrow.Position+1, []byte{0xc1}
		want, err := orderdetail.Fold(append(slices.Clone(events), tomorrow))
		if err != nil {
			t.Fatal(err)
		}
		if g, w := asJSON(t, got), asJSON(t, want); g != w {
			t.Fatalf("get %s\nfold %s", g, w)
		}
		if last := events[len(events)-1]; got.Position != last.Position || !got.UpdatedAt.Equal(last.RecordedAt) {
			t.Errorf("order %s is at position %d, %s; its last event is %d, %s", id, got.Position, got.UpdatedAt, last.Position, last.RecordedAt)
		}
		if o := log.Orders[id]; got.Due != o.Due() || got.Lifecycle != o.Lifecycle.String() || !slices.Equal(got.AllowedCommands, order.Allowed(o)) {
			t.Errorf("order %s: due %v, %s, %v; the domain says %v, %s, %v", id, got.Due, got.Lifecycle, got.AllowedCommands, o.Due(), o.Lifecycle, order.Allowed(o))
		}
	}
	for _, unknown := range []string{"nobody", ""} {
		if _, err := orderdetail.Get(t.Context(), pool, unknown); !errors.Is(err, keyset.ErrNotFound) {
			t.Errorf("get %q: %v, want ErrNotFound", unknown, err)
		}
	}
	if _, err := orderdetail.Fold(nil); !errors.Is(err, keyset.ErrNotFound) {
		t.Errorf("fold of nothing: %v, want ErrNotFound", err)
	}
}

// Stock that was reserved for an id under which nobody placed an order makes no order of it.
func TestReservedForNobody(t *testing.T) {
	log := historytest.New(32)
	key := stock.Key{SKU: "A", Location: "BER1"}
	now := domain.TimeOf(log.Now)
	for _, c := range []stock.Command{
		stock.Receive{Key: key, MovementID: "m1", Quantity: 5, Now: now},
		stock.Reserve{Key: key, OrderID: "basket-7", Reservations: []stock.Ask{{ReservationID: "r1", Quantity: 2}}, ExpiresAt: now + 1e9, Now: now},
	} {
		if err := log.Stock(c); err != nil {
			t.Fatal(err)
		}
	}
	pool := historytest.Install(t, orderdetail.Projection{})
	historytest.Apply(t, pool, orderdetail.Projection{}, log.Events, 10)
	if _, err := orderdetail.Get(t.Context(), pool, "basket-7"); !errors.Is(err, keyset.ErrNotFound) {
		t.Errorf("get: %v, want ErrNotFound", err)
	}
}

func TestPersonalDataIsAMarkUntilRevealed(t *testing.T) {
	log := historytest.New(33)
	id := log.Place()
	sealed, err := domain.SealedPersonal("aes", "key-1", []byte{0, 1, 2})
	if err != nil {
		t.Fatal(err)
	}
	now := domain.TimeOf(log.Now)
	for _, c := range []order.Command{
		order.AddNote{ID: order.ID(id), NoteID: "n1", Text: domain.NewPersonal("rang at <noon>"), Now: now},
		order.AddNote{ID: order.ID(id), NoteID: "n2", Text: sealed, Now: now},
		order.PlaceHold{ID: order.ID(id), HoldID: "h1", Kind: order.HoldFraud, Note: domain.NewPersonal("knows the card"), Now: now},
	} {
		if err := log.Order(c); err != nil {
			t.Fatal(err)
		}
	}
	pool := historytest.Install(t, orderdetail.Projection{})
	historytest.Apply(t, pool, orderdetail.Projection{}, log.Events, 1)
	d, err := orderdetail.Get(t.Context(), pool, id)
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{"Ada Lovelace", "ada@example.org", "St James's Square", "London", "rang at", "knows the card"}
	masked := asJSON(t, d)
	for _, s := range secrets {
		if strings.Contains(masked, s) {
			t.Errorf("the document shows %q unasked", s)
		}
	}
	d.RevealPersonal()
	var shown struct {
		Contact struct {
			Name     string `json:"name"`
			Email    string `json:"email"`
			Delivery struct {
				Lines []string `json:"lines"`
				City  string   `json:"city"`
			} `json:"delivery"`
		} `json:"contact"`
		Notes []struct {
			Text   string `json:"text"`
			Author string `json:"author"`
		} `json:"notes"`
		Holds []struct {
			Note     string `json:"note"`
			PlacedBy string `json:"placed_by"`
		} `json:"holds"`
	}
	if err := json.Unmarshal([]byte(asJSON(t, d)), &shown); err != nil {
		t.Fatal(err)
	}
	if c := shown.Contact; c.Name != "Ada Lovelace" || c.Email != "ada@example.org" || c.Delivery.City != "London" || c.Delivery.Lines[0] != "12 St James's Square" {
		t.Errorf("revealed contact is %+v", c)
	}
	if n := shown.Notes; len(n) != 2 || n[0].Text != "rang at <noon>" || n[1].Text != "[sealed]" || n[0].Author == "" {
		t.Errorf("revealed notes are %+v", n)
	}
	if h := shown.Holds; len(h) != 1 || h[0].Note != "knows the card" || h[0].PlacedBy == "" {
		t.Errorf("revealed holds are %+v", h)
	}
}

// Lists are lists even when they are empty: a client never meets null where it expects [].
func TestEmptyListsAreNotNull(t *testing.T) {
	log := historytest.New(34)
	log.Place()
	d, err := orderdetail.Fold(log.Events)
	if err != nil {
		t.Fatal(err)
	}
	if doc := asJSON(t, d); strings.Contains(doc, "null") {
		t.Errorf("the document has a null: %s", doc)
	}
}

func ExampleFold() {
	log := historytest.New(1)
	id := order.ID(log.Place())
	if err := log.Order(order.Confirm{ID: id, Now: domain.TimeOf(log.Now)}); err != nil {
		panic(err)
	}
	before, _ := orderdetail.Fold(log.Events[:1])
	after, _ := orderdetail.Fold(log.Events)
	fmt.Println(before.Lifecycle, before.Version, after.Lifecycle, after.Version)
	// Output: pending 1 confirmed 2
}
