package domaintest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"waybill/domain"
)

// testPersonal seals all events, finds no personal text in their stored bytes nor where they are printed, and opens them.
// An aggregate without MapPersonal must have none.
func (a Aggregate[E, S]) testPersonal(t *testing.T) {
	t.Parallel()
	for _, want := range a.Samples {
		texts := personal(reflect.ValueOf(want))
		for _, text := range texts {
			if s := fmt.Sprintf("%v %+v %#v", want, want, want); strings.Contains(s, text) {
				t.Errorf("%s: printing it shows %q", want.EventType(), text)
			}
		}
		if a.MapPersonal != nil {
			a.testSealing(t, want, len(texts))
		} else if len(texts) > 0 {
			t.Errorf("%s has personal data, and nothing maps it", want.EventType())
		}
	}
}

func (a Aggregate[E, S]) testSealing(t *testing.T, want E, count int) {
	t.Helper()
	v, before := vault{}, a.encode(t, want)
	sealed, err := a.MapPersonal(want, v.seal)
	if err != nil {
		t.Fatal(err)
	}
	if len(v) != count {
		t.Errorf("%s: %d values were sealed, it has %d", want.EventType(), len(v), count)
	}
	stored := a.encode(t, sealed)
	for _, text := range v {
		if strings.Contains(string(stored.data), text) {
			t.Errorf("%s: %q is stored in clear", want.EventType(), text)
		}
	}
	if !slices.Equal(a.encode(t, want).data, before.data) {
		t.Errorf("%s was changed", want.EventType())
	}
	opened, err := a.MapPersonal(a.decode(t, stored), v.open)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(opened, want) {
		t.Errorf("%s is opened as\n%+v, want\n%+v", want.EventType(), opened, want)
	}
	if count > 0 {
		if _, err := a.MapPersonal(sealed, v.seal); err == nil {
			t.Errorf("%s: the fault is lost", want.EventType())
		}
	}
}

// vault keeps texts under the tokens that stand for them.
type vault map[string]string

func (v vault) seal(p domain.Personal) (domain.Personal, error) {
	text, ok := p.Reveal()
	if !ok {
		return p, errors.New("sealed already")
	}
	token := strings.Repeat("#", len(v)+1)
	v[token] = text
	return domain.SealedPersonal("test", "customer-1", []byte(token))
}

func (v vault) open(p domain.Personal) (domain.Personal, error) {
	_, _, cipher, ok := p.Sealed()
	if !ok {
		return p, errors.New("not sealed")
	}
	return domain.NewPersonal(v[string(cipher)]), nil
}

// personal returns the personal texts anywhere in v.
func personal(v reflect.Value) (texts []string) {
	if p, ok := reflect.TypeAssert[domain.Personal](v); ok {
		if text, ok := p.Reveal(); ok && !p.IsZero() {
			texts = append(texts, text)
		}
		return texts
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			texts = append(texts, personal(field)...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			texts = append(texts, personal(v.Index(i))...)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			texts = personal(v.Elem())
		}
	}
	return texts
}
