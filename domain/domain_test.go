package domain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/domain"
)

func TestTime(t *testing.T) {
	t.Parallel()
	local := time.Date(2026, 5, 6, 7, 8, 9, 123456789, time.FixedZone("X", 3600))
	got := domain.TimeOf(local)
	if want := time.Date(2026, 5, 6, 6, 8, 9, 123456000, time.UTC); !got.Time().Equal(want) || got.Time().Location() != time.UTC {
		t.Errorf("got %v, want %v", got.Time(), want)
	}
	if s := got.String(); s != "2026-05-06T06:08:09.123456Z" {
		t.Errorf("printed as %s", s)
	}
	if got.Add(1500*time.Nanosecond) != got+1 {
		t.Error("adding does not cut to microseconds")
	}
	data, err := json.Marshal([]domain.Time{got, 0})
	if err != nil || string(data) != `["2026-05-06T06:08:09.123456Z",null]` {
		t.Errorf("as JSON %s (%v)", data, err)
	}
	if zero := domain.TimeOf(time.Time{}); !zero.IsZero() || !zero.Time().IsZero() || zero.String() != "" {
		t.Errorf("no time is %v", zero)
	}
}

// TestPersonalIsNeverPrinted sends a personal value through everything that prints.
func TestPersonalIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const secret = "ada@example.org"
	p := domain.NewPersonal(secret)
	holder := struct {
		Email domain.Personal `json:"email"`
		Any   any             `json:"any"`
	}{p, &p}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		fmt.Fprintf(&out, verb+verb+verb, p, &p, holder)
	}
	slog.New(slog.NewTextHandler(&out, nil)).InfoContext(t.Context(), "text", slog.Any("p", p), slog.Any("in", holder))
	slog.New(slog.NewJSONHandler(&out, nil)).InfoContext(t.Context(), "json", slog.Any("p", p), slog.Any("in", holder))
	data, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	out.WriteString(fmt.Errorf("about %v", p).Error())
	if s := out.String(); strings.Contains(s, secret) || strings.Contains(s, fmt.Sprintf("%x", secret)) || !strings.Contains(s, "[personal]") {
		t.Errorf("printed as %s", s)
	}
	if text, ok := p.Reveal(); !ok || text != secret {
		t.Errorf("revealed as %q, %t", text, ok)
	}
}

func TestSealedPersonal(t *testing.T) {
	t.Parallel()
	cipher := []byte{0, 0xff, 7}
	p, err := domain.SealedPersonal("aead-v9", "customer-7", cipher)
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := p.Reveal(); ok || text != "" {
		t.Errorf("revealed as %q", text)
	}
	if p.String() != "[sealed]" || fmt.Sprintf("%#v", p) != "domain.Personal([sealed])" {
		t.Errorf("printed as %v", p)
	}
	type holder struct {
		P domain.Personal `msgpack:"p,omitempty"`
	}
	data, err := domain.Marshal(holder{p})
	if err != nil {
		t.Fatal(err)
	}
	if want := "\x81\xa1p\x83\xa3alg\xa7aead-v9\xa3key\xaacustomer-7\xa4data\xc4\x03\x00\xff\x07"; string(data) != want {
		t.Errorf("stored as %q, want %q", data, want)
	}
	var back holder
	if err := domain.Unmarshal(data, &back); err != nil || back.P != p {
		t.Fatalf("read back as %#v (%v)", back.P, err)
	}
	r := domain.NewReader(data)
	for range r.Fields {
		back.P = r.Personal()
	}
	if err := r.Close(); err != nil || back.P != p {
		t.Errorf("read back without reflection as %#v (%v)", back.P, err)
	}
	alg, key, sealed, ok := back.P.Sealed()
	if alg != "aead-v9" || key != "customer-7" || !slices.Equal(sealed, cipher) || !ok {
		t.Errorf("got %q, %q, %x, %t", alg, key, sealed, ok)
	}
	if _, _, _, ok := domain.NewPersonal("x").Sealed(); ok {
		t.Error("clear text passes for sealed")
	}
	for _, alg := range []string{"", "none"} {
		if _, err := domain.SealedPersonal(alg, "k", nil); err == nil {
			t.Errorf("%q is taken for an algorithm", alg)
		}
	}
}

func TestClearPersonalIsAnEnvelopeToo(t *testing.T) {
	t.Parallel()
	type holder struct {
		P domain.Personal `msgpack:"p"`
		Q domain.Personal `msgpack:"q,omitempty"`
	}
	data, err := domain.Marshal(holder{P: domain.NewPersonal("Ada")})
	if err != nil {
		t.Fatal(err)
	}
	if want := "\x81\xa1p\x82\xa3alg\xa4none\xa4text\xa3Ada"; string(data) != want {
		t.Errorf("stored as %q, want %q", data, want)
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	invalid := func(reason string) error { return domain.InvalidField{Field: "f", Reason: reason} }
	long := func(limit, n int64) error {
		return domain.LimitExceeded{Field: "f", Limit: limit, Actual: n, Unit: "bytes"}
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	at := invalid(`holds "@", which divides SKU from location`)
	tests := []struct {
		got, want error
	}{
		{domain.CheckSKU("f", "BANK CHARGES"), nil},
		{domain.CheckSKU("f", "85123A"), nil},
		{domain.CheckSKU("f", "Größe-7/ø"), nil},
		{domain.CheckSKU("f", x(64)), nil},
		{domain.CheckSKU("f", x(65)), long(64, 65)},
		{domain.CheckSKU("f", ""), invalid("is missing")},
		{domain.CheckSKU("f", "A@B"), at},
		{domain.CheckSKU("f", " A"), invalid("begins or ends with a space")},
		{domain.CheckSKU("f", "A\n"), invalid("holds a control character")},
		{domain.CheckSKU("f", "\xff"), invalid("is not valid UTF-8")},
		{domain.CheckLocation("f", "BER1"), nil},
		{domain.CheckLocation("f", "BER@1"), at},
		{domain.CheckID("f", "o-1:2"), nil},
		{domain.CheckID("f", "o 1"), invalid("holds a space")},
		{domain.CheckID("f", x(129)), long(128, 129)},
		{domain.CheckText("f", "", 3), nil},
		{domain.CheckText("f", "a\n\tb", 9), nil},
		{domain.CheckText("f", "a\x1bb", 9), invalid("holds a control character at byte 1")},
		{domain.CheckText("f", "abcd", 3), long(3, 4)},
		{domain.CheckPersonal("f", domain.NewPersonal("abcd"), 3), long(3, 4)},
	}
	for n, tt := range tests {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%d: got %v, want %v", n, tt.got, tt.want)
		}
	}
	sealed, err := domain.SealedPersonal("aead", "k", make([]byte, 260))
	if err != nil {
		t.Fatal(err)
	}
	if err := domain.CheckPersonal("f", sealed, 4); err != nil {
		t.Errorf("a ciphertext within its overhead: %v", err)
	}
	if err := domain.CheckPersonal("f", sealed, 3); err == nil {
		t.Error("a ciphertext of any length passes")
	}
}

// TestReaderIsAsStrictAsUnmarshal reads broken input both ways.
func TestReaderIsAsStrictAsUnmarshal(t *testing.T) {
	t.Parallel()
	type form struct {
		N    int64    `msgpack:"n"`
		B    bool     `msgpack:"b"`
		T    string   `msgpack:"t"`
		List []string `msgpack:"list"`
	}
	read := func(data []byte) (f form, err error) {
		r := domain.NewReader(data)
		for key := range r.Fields {
			switch key {
			case "n":
				f.N = r.Int()
			case "b":
				f.B = r.Bool()
			case "t":
				f.T = r.Text()
			case "list":
				f.List = r.Texts()
			default:
				r.Skip()
			}
		}
		return f, r.Close()
	}
	good, err := domain.Marshal(form{N: -300, B: true, T: "héllo", List: []string{"a", ""}})
	if err != nil {
		t.Fatal(err)
	}
	if f, err := read(good); err != nil || f.N != -300 || !f.B || f.T != "héllo" || !slices.Equal(f.List, []string{"a", ""}) {
		t.Errorf("read as %+v (%v)", f, err)
	}
	bad := []string{
		"", "\xc0", "\x01", "\x91\x01", "\x81", "\x81\xa1", "\x81\xa1n", "\x81\x01\x01", "\x81\xa1n\xa1x", "\x81\xa1b\x01", "\x81\xa1t\x01",
		"\x81\xa1t\xa1\xff", "\x81\xa1t\xdb\xff\xff\xff\xff", "\x81\xa4list\xdd\xff\xff\xff\xff", "\x81\xa4list\x91\x01", "\xdf\xff\xff\xff\xff",
		"\x81\xa1n\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "\x81\xa1n\xcb\x00\x00\x00\x00\x00\x00\x00\x00", "\x81\xa1n\xc0", "\x81\xa1x\xc1", "\x81\xa1x\xd4\x01\x01",
		"\x81\xa1x" + strings.Repeat("\x91", 100) + "\x01", string(good) + "\x00",
	}
	for n := range good {
		bad = append(bad, string(good[:n]))
	}
	for _, data := range bad {
		if f, err := read([]byte(data)); err == nil {
			t.Errorf("%q is read as %+v", data, f)
		}
		var f form
		if err := domain.Unmarshal([]byte(data), &f); err == nil {
			t.Errorf("%q is unmarshalled as %+v", data, f)
		}
	}
	for n, data := range map[int64]string{
		0: "\x00", 127: "\x7f", -1: "\xff", -32: "\xe0", 200: "\xcc\xc8", -128: "\xd0\x80", 65535: "\xcd\xff\xff", -32768: "\xd1\x80\x00",
		1 << 31: "\xce\x80\x00\x00\x00", -1 << 31: "\xd2\x80\x00\x00\x00", 1<<63 - 1: "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff",
		-1 << 63: "\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
	} {
		if f, err := read([]byte("\x81\xa1n" + data)); err != nil || f.N != n {
			t.Errorf("%q is read as %d (%v), want %d", data, f.N, err, n)
		}
	}
}

// FuzzReader holds the reader to what msgpack says: what it passes, Unmarshal passes too.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x81\xa1n\x01"))
	f.Add([]byte("\x82\xa1x\x93\x01\xc3\xa1a\xa1y\xc4\x01\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := domain.NewReader(data)
		for range r.Fields {
			r.Skip()
		}
		readErr := r.Close()
		var none struct{}
		if err := domain.Unmarshal(data, &none); (err == nil) != (readErr == nil) {
			t.Fatalf("%x: reader says %v, unmarshal says %v", data, readErr, err)
		}
	})
}
