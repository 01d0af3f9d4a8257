package keyset_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"waybill/projections/keyset"
)

func scope(tb testing.TB, list string, filter any) keyset.Scope {
	tb.Helper()
	s, err := keyset.NewScope(list, filter)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestCursorsComeBack(t *testing.T) {
	s := scope(t, "orders", map[string]string{"a": "b"})
	for _, keys := range [][]keyset.Key{
		{keyset.Int(0)},
		{keyset.Int(math.MaxInt64), keyset.Int(math.MinInt64)},
		{keyset.Text(""), keyset.Int(-1)},
		{keyset.Text("SKU 1@BER\x00\xff"), keyset.Text(strings.Repeat("x", 256))},
	} {
		want := make([]keyset.Key, len(keys)) // of the same kinds
		for i, k := range keys {
			if want[i] = keyset.Int(0); k.Text() != "" || reflect.DeepEqual(k, keyset.Text("")) {
				want[i] = keyset.Text("")
			}
		}
		got, err := s.Decode(s.Encode(keys...), want...)
		if err != nil || !slices.Equal(got, keys) {
			t.Errorf("keys %v come back as %v, %v", keys, got, err)
		}
	}
}

func TestBadCursors(t *testing.T) {
	s := scope(t, "orders", "a")
	good := s.Encode(keyset.Int(300), keyset.Text("x"))
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	other := slices.Clone(raw)
	other[0] = 2
	for name, c := range map[string]string{
		"empty":             "",
		"not base64":        "*" + good[1:],
		"padded":            good + "==",
		"cut":               good[:len(good)-4],
		"longer":            good + "AAAA",
		"of another format": base64.RawURLEncoding.EncodeToString(other),
		"of another filter": scope(t, "orders", "b").Encode(keyset.Int(300), keyset.Text("x")),
		"of another list":   scope(t, "stock", "a").Encode(keyset.Int(300), keyset.Text("x")),
		"of other keys":     s.Encode(keyset.Text("x"), keyset.Int(300)),
		"of more keys":      s.Encode(keyset.Int(300), keyset.Text("x"), keyset.Int(1)),
		"of fewer keys":     s.Encode(keyset.Int(300)),
		"much too long":     strings.Repeat("A", 100_000),
	} {
		if keys, err := s.Decode(c, keyset.Int(0), keyset.Text("")); !errors.Is(err, keyset.ErrBadCursor) {
			t.Errorf("%s: %v, %v, want ErrBadCursor", name, keys, err)
		}
	}
	for i := range raw { // every single bit counts
		for bit := range 8 {
			b := slices.Clone(raw)
			b[i] ^= 1 << bit
			if keys, err := s.Decode(base64.RawURLEncoding.EncodeToString(b), keyset.Int(0), keyset.Text("")); !errors.Is(err, keyset.ErrBadCursor) {
				t.Errorf("bit %d of byte %d changed: %v, %v, want ErrBadCursor", bit, i, keys, err)
			}
		}
	}
}

func TestLimit(t *testing.T) {
	for limit, want := range map[int]int{0: keyset.DefaultLimit, 1: 1, 200: 200, 201: 0, -1: 0, math.MinInt: 0} {
		got, err := keyset.Limit(limit)
		if got != want || (want == 0) != errors.Is(err, keyset.ErrBadFilter) {
			t.Errorf("limit %d: %d, %v, want %d", limit, got, err, want)
		}
	}
}

func TestCountOf(t *testing.T) {
	for n, want := range map[int64]keyset.Count{
		0: {Total: 0, Relation: "eq"}, 10_000: {Total: 10_000, Relation: "eq"}, 10_001: {Total: 10_000, Relation: "gte"},
	} {
		if got := keyset.CountOf(n); got != want {
			t.Errorf("count of %d: %+v, want %+v", n, got, want)
		}
	}
}

func TestCheckText(t *testing.T) {
	for name, tt := range map[string]struct {
		texts []string
		ok    bool
	}{
		"none":      {nil, true},
		"plain":     {[]string{"a", "ü"}, true},
		"longest":   {[]string{strings.Repeat("x", 256)}, true},
		"too long":  {[]string{strings.Repeat("x", 257)}, false},
		"zero byte": {[]string{"a\x00"}, false},
		"not UTF-8": {[]string{"\xff"}, false},
		"too many":  {make([]string, 51), false},
	} {
		if err := keyset.CheckText("sku", tt.texts...); (err == nil) != tt.ok || err != nil && !errors.Is(err, keyset.ErrBadFilter) {
			t.Errorf("%s: %v, want good %t", name, err, tt.ok)
		}
	}
}

// FuzzCursor wants of any text that it is either refused, or the one and only form of the keys that it holds.
func FuzzCursor(f *testing.F) {
	s := scope(f, "orders", "a")
	f.Add(s.Encode(keyset.Int(1), keyset.Text("x")))
	f.Add(s.Encode(keyset.Int(-1)))
	f.Add("AQ")
	f.Add("")
	f.Add(strings.Repeat("_", 64))
	f.Fuzz(func(t *testing.T, cursor string) {
		for _, want := range [][]keyset.Key{{keyset.Int(0), keyset.Text("")}, {keyset.Int(0)}, {keyset.Text("")}} {
			keys, err := s.Decode(cursor, want...)
			switch {
			case err != nil && !errors.Is(err, keyset.ErrBadCursor):
				t.Fatalf("decode %q: %v, want ErrBadCursor", cursor, err)
			case err == nil && s.Encode(keys...) != cursor:
				t.Fatalf("%q is a second form of %q", cursor, s.Encode(keys...))
			}
		}
		back, err := s.Decode(s.Encode(keyset.Text(cursor)), keyset.Text(""))
		if len(cursor) < 500 && (err != nil || back[0].Text() != cursor) {
			t.Fatalf("text %q comes back as %v, %v", cursor, back, err)
		}
	})
}

func ExampleWhere() {
	var w keyset.Where
	w.Add("channel = ?", "web")
	w.Add("(placed_at, seq) < (?, ?)", "2026-01-01", 7)
	fmt.Println(w.String(), len(w.Args()))
	// Output:  WHERE channel = $1 AND (placed_at, seq) < ($2, $3) 3
}

func ExampleScope() {
	list, err := keyset.NewScope("orders", map[string]string{"channel": "web"})
	if err != nil {
		panic(err)
	}
	cursor := list.Encode(keyset.Text("W-100"), keyset.Int(7))
	keys, err := list.Decode(cursor, keyset.Text(""), keyset.Int(0))
	fmt.Println(keys[0].Text(), keys[1].Int(), err)

	other, err := keyset.NewScope("orders", map[string]string{"channel": "erp"})
	if err != nil {
		panic(err)
	}
	_, err = other.Decode(cursor, keyset.Text(""), keyset.Int(0))
	fmt.Println(errors.Is(err, keyset.ErrBadCursor))
	// Output:
	// W-100 7 <nil>
	// true
}
