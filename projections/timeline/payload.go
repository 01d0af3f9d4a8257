package timeline

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"waybill/domain"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
)

// Payload returns what an event says as a JSON object: the stored field names, times in RFC 3339, numbers exact, older
// schemas in their current form. Personal data is a mark, unless personal is set; what is sealed stays sealed.
//
// An event of an unknown type is shown as it is stored: times are microseconds since 1970 then, fields in the order of
// their names. What is not even msgpack is shown as {"data": <base64>}.
func Payload(e *eventstore.Event, personal bool) json.RawMessage {
	if ev := decode(e); ev != nil {
		if b, err := appendJSON(nil, reflect.ValueOf(ev), personal); err == nil {
			return b
		}
	}
	var v map[string]any
	if err := domain.Unmarshal(e.Data, &v); err == nil { // it bounds depth and sizes, and makes sure that keys are text
		if b, err := json.Marshal(plain(v, personal)); err == nil {
			return b
		}
	}
	b, err := json.Marshal(map[string][]byte{"data": e.Data})
	if err != nil {
		return json.RawMessage("{}") // bytes always encode
	}
	return b
}

// decode returns the event that e holds, nil if its type is not known here or its data is damaged.
func decode(e *eventstore.Event) any {
	switch aggregate, _, _ := strings.Cut(e.Type, "."); aggregate {
	case "order":
		if ev, err := order.Decode(e.Type, e.Schema, e.Data); err == nil {
			return ev
		}
	case "stock":
		if ev, err := stock.Decode(e.Type, e.Schema, e.Data); err == nil {
			return ev
		}
	}
	return nil
}

// appendJSON writes v under the names that its fields have in storage.
func appendJSON(b []byte, v reflect.Value, personal bool) ([]byte, error) {
	switch x := v.Interface().(type) {
	case domain.Personal:
		return appendPersonal(b, x, personal)
	case json.Marshaler:
		return appendValue(b, x)
	}
	kind := v.Kind()
	switch {
	case kind == reflect.Struct:
		return appendStruct(b, v, personal)
	case kind == reflect.Slice:
		return appendList(b, v, personal)
	case kind == reflect.Pointer && !v.IsNil():
		return appendJSON(b, v.Elem(), personal)
	case kind == reflect.Map && v.IsNil():
		return append(b, "{}"...), nil
	}
	return appendValue(b, v.Interface())
}

func appendList(b []byte, v reflect.Value, personal bool) ([]byte, error) {
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendJSON(b, v.Index(i), personal); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendStruct(b []byte, v reflect.Value, personal bool) ([]byte, error) {
	b = append(b, '{')
	first := true
	for field, value := range v.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("msgpack"), ",")
		if name == "" || name == "-" || !field.IsExported() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		var err error
		if b, err = appendValue(b, name); err != nil {
			return nil, err
		}
		if b, err = appendJSON(append(b, ':'), value, personal); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendPersonal(b []byte, p domain.Personal, personal bool) ([]byte, error) {
	if text, ok := p.Reveal(); ok && personal {
		return appendValue(b, text)
	}
	return appendValue(b, p.String())
}

func appendValue(b []byte, v any) ([]byte, error) {
	j, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return append(b, j...), nil
}

// plain makes of decoded msgpack what JSON can hold, and masks the envelopes of personal data.
func plain(v any, personal bool) any {
	switch v := v.(type) {
	case map[string]any:
		if text, ok := envelope(v, personal); ok {
			return text
		}
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = plain(e, personal)
		}
		return m
	case []any:
		list := slices.Clone(v)
		for i := range list {
			list[i] = plain(list[i], personal)
		}
		return list
	}
	return v
}

// envelope recognises a personal value as it is stored, see [domain.Personal].
func envelope(m map[string]any, personal bool) (string, bool) {
	if _, ok := m["alg"].(string); !ok {
		return "", false
	}
	var stored struct {
		Value domain.Personal `msgpack:"value"`
	}
	b, err := domain.Marshal(map[string]any{"value": m})
	if err == nil {
		err = domain.Unmarshal(b, &stored)
	}
	if err != nil {
		return "[personal]", true // whatever it is, it is not shown
	}
	p := stored.Value
	if text, ok := p.Reveal(); ok && personal {
		return text, true
	}
	return p.String(), true
}
