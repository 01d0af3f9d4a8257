package payment_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"waybill/domain"
	"waybill/domain/payment"
)

// TestMapPersonalReachesEveryValue seals all events and finds no personal text in their stored bytes, then opens them.
func TestMapPersonalReachesEveryValue(t *testing.T) {
	t.Parallel()
	vault := map[string]string{}
	seal := func(p domain.Personal) (domain.Personal, error) {
		text, ok := p.Reveal()
		if !ok {
			return p, errors.New("sealed already")
		}
		token := strings.Repeat("#", len(vault)+1)
		vault[token] = text
		return domain.SealedPersonal("test", "customer-1", []byte(token))
	}
	open := func(p domain.Personal) (domain.Personal, error) {
		_, _, cipher, ok := p.Sealed()
		if !ok {
			return p, errors.New("not sealed")
		}
		return domain.NewPersonal(vault[string(cipher)]), nil
	}
	for _, want := range samples() {
		before, count := encoded(t, want), countPersonal(reflect.ValueOf(want))
		clear(vault)
		sealed, err := payment.MapPersonal(want, seal)
		if err != nil {
			t.Fatal(err)
		}
		if len(vault) != count {
			t.Errorf("%s: %d values were sealed, it has %d", want.EventType(), len(vault), count)
		}
		for _, text := range vault {
			if strings.Contains(string(encoded(t, sealed)), text) {
				t.Errorf("%s: %q is stored in clear", want.EventType(), text)
			}
		}
		if !slices.Equal(encoded(t, want), before) {
			t.Errorf("%s was changed", want.EventType())
		}
		opened, err := payment.MapPersonal(sealed, open)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(opened, want) {
			t.Errorf("%s is opened as\n%+v, want\n%+v", want.EventType(), opened, want)
		}
		if count > 0 {
			if _, err := payment.MapPersonal(sealed, seal); err == nil {
				t.Errorf("%s: the fault is lost", want.EventType())
			}
		}
	}
}

func encoded(t *testing.T, e payment.Event) []byte {
	t.Helper()
	_, _, data, err := payment.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// countPersonal counts the personal values that are given anywhere in v.
func countPersonal(v reflect.Value) (n int) {
	if p, ok := reflect.TypeAssert[domain.Personal](v); ok {
		if p.IsZero() {
			return 0
		}
		return 1
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			n += countPersonal(field)
		}
	case reflect.Slice:
		for i := range v.Len() {
			n += countPersonal(v.Index(i))
		}
	}
	return n
}
