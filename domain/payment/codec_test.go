package payment_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"waybill/domain/payment"
)

var update = flag.Bool("update", false, "write golden files that do not exist yet; existing ones are never changed")

func TestEveryEventRoundTrips(t *testing.T) {
	t.Parallel()
	var got []string
	for _, want := range samples() {
		typ, schema, data, err := payment.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		e, err := payment.Decode(typ, schema, data)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(e, want) {
			t.Errorf("%s came back as\n%+v, want\n%+v", typ, e, want)
		}
		if _, _, again, err := payment.Encode(e); err != nil || !slices.Equal(again, data) {
			t.Errorf("%s: other bytes when encoded again (%v)", typ, err)
		}
		got = append(got, reflect.TypeOf(want).Name())
	}
	slices.Sort(got)
	if want := declaredEvents(t); !slices.Equal(got, want) {
		t.Errorf("samples cover %v, the package declares %v", got, want)
	}
}

// declaredEvents returns the types in this package that have an apply method.
func declaredEvents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		src, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range src.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Name.Name == "apply" {
				names = append(names, fn.Recv.List[0].Type.(*ast.Ident).Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// TestGolden holds the stored bytes of the current form of every event to what was stored before.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, e := range samples() {
		typ, schema, data, err := payment.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		want := golden(t, typ, schema, data)
		if !slices.Equal(data, want) {
			t.Errorf("%s schema %d is encoded as\n%x, was stored as\n%x\na changed form needs a new schema number", typ, schema, data, want)
		}
		back, err := payment.Decode(typ, schema, want)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, e) {
			t.Errorf("%s schema %d was stored as %+v, want %+v", typ, schema, back, e)
		}
	}
}

// TestGoldenFilesAllDecode decodes every form that was ever stored, through its upcasts.
func TestGoldenFilesAllDecode(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*.msgpack")
	if err != nil || len(files) < len(samples()) {
		t.Fatalf("found %d golden files (%v)", len(files), err)
	}
	for _, f := range files {
		typ, schema := parseGolden(t, f)
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		e, err := payment.Decode(typ, schema, data)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		if e.EventType() != typ {
			t.Errorf("%s became %s", f, e.EventType())
		}
	}
}

func goldenFile(typ string, schema int16) string {
	return filepath.Join("testdata", "golden", fmt.Sprintf("%s.v%d.msgpack", typ, schema))
}

func parseGolden(t *testing.T, file string) (typ string, schema int16) {
	t.Helper()
	name := strings.TrimSuffix(filepath.Base(file), ".msgpack")
	at := strings.LastIndex(name, ".v")
	if _, err := fmt.Sscan(name[at+2:], &schema); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return name[:at], schema
}

// golden returns the stored bytes of an event form. With -update a missing file is written; an existing one never changes.
func golden(t *testing.T, typ string, schema int16, data []byte) []byte {
	t.Helper()
	file := goldenFile(typ, schema)
	want, err := os.ReadFile(file)
	if os.IsNotExist(err) && *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return data
	}
	if err != nil {
		t.Fatalf("%v (a new form is written by: go test ./domain/payment -update)", err)
	}
	return want
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	typ, schema, data, err := payment.Encode(samples()[0])
	if err != nil {
		t.Fatal(err)
	}
	for n := range data { // every truncation
		if e, err := payment.Decode(typ, schema, data[:n]); err == nil {
			t.Fatalf("%d of %d bytes decode to %+v", n, len(data), e)
		}
	}
	tests := map[string]struct {
		typ    string
		schema int16
		data   []byte
	}{
		"garbage after the event": {typ, schema, append(slices.Clone(data), 0)},
		"an unknown type":         {"payment.teleported", 1, data},
		"an unknown schema":       {typ, 99, data},
		"no schema":               {payment.TypeAuthorisationRequested, 0, []byte{0x80}},
		"a wrong type":            {payment.TypeAuthorisationRequested, 1, []byte("\x81\xa2at\xa3now")},
		"a float":                 {payment.TypeAuthorisationRequested, 1, []byte("\x81\xa2at\xca\x00\x00\x00\x00")},
		"an array for a map":      {payment.TypeAuthorisationRequested, 1, []byte{0x91, 1}},
		"nil":                     {payment.TypeAuthorisationRequested, 1, []byte{0xc0}},
		"no value at all":         {payment.TypeAuthorisationRequested, 1, nil},
		"text that is not UTF-8":  {payment.TypeAuthorisationRequested, 1, []byte("\x81\xa8order_id\xa1\xff")},
		"a length beyond the end": {payment.TypeReconciled, 1, []byte("\x81\xa5diffs\xdd\xff\xff\xff\xff")},
		"a number beyond int64":   {payment.TypeAuthorisationRequested, 1, []byte("\x81\xa2at\xcf\xff\xff\xff\xff\xff\xff\xff\xff")},
		"a number for a key":      {payment.TypeAuthorisationRequested, 1, []byte{0x81, 1, 1}},
		"nested too deep":         {payment.TypeAuthorisationRequested, 1, append([]byte("\x81\xa1x"), slices.Repeat([]byte{0x91}, 5000)...)},
		"a nameless envelope":     {payment.TypeCaptured, 1, []byte("\x81\xa4note\x81\xa4text\xa2hi")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e, err := payment.Decode(tt.typ, tt.schema, tt.data); err == nil {
				t.Errorf("decodes to %+v", e)
			}
		})
	}
}

func TestDecodePassesOverUnknownFields(t *testing.T) {
	t.Parallel()
	e, err := payment.Decode(payment.TypeAuthorisationRequested, 1, []byte("\x83\xa6future\x92\x81\xa1a\xc3\xc4\x02hi\xa2at\x07\xa5other\xff"))
	if err != nil {
		t.Fatal(err)
	}
	if want := (payment.AuthorisationRequested{Head: payment.Head{At: 7}}); e != want {
		t.Errorf("got %+v, want %+v", e, want)
	}
}

func TestSnapshotStandsForItsEvents(t *testing.T) {
	t.Parallel()
	events := history()
	for n := range len(events) + 1 {
		want := evolve(events[:n]...)
		got, err := payment.DecodeSnapshot(payment.SnapshotSchema, snapshotOf(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("after %d events the snapshot gives\n%+v, want\n%+v", n, got, want)
		}
		for _, e := range events[n:] { // what the snapshot gives back can be folded on
			payment.Evolve(got, e)
			payment.Evolve(want, e)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("folding on after a snapshot at %d gives\n%+v, want\n%+v", n, got, want)
		}
	}
	if _, err := payment.DecodeSnapshot(payment.SnapshotSchema+1, nil); err == nil {
		t.Error("a snapshot of another schema is read")
	}
	if _, err := payment.DecodeSnapshot(payment.SnapshotSchema, []byte("rubbish")); err == nil {
		t.Error("a broken snapshot is read")
	}
}

// snapshotOf returns all that a payment is as bytes: equal ones give equal bytes.
func snapshotOf(t interface{ Fatal(args ...any) }, p *payment.Payment) []byte {
	data, err := payment.EncodeSnapshot(p)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		typ, schema, data, err := payment.Encode(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(typ, schema, data)
		f.Add(typ, schema, data[:len(data)/2])
	}
	f.Add(payment.TypeReconciled, int16(1), []byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, typ string, schema int16, data []byte) {
		e, err := payment.Decode(typ, schema, data)
		if err != nil {
			return
		}
		payment.Evolve(new(payment.Payment), e)
		typ, schema, data, err = payment.Encode(e)
		if err != nil {
			t.Fatalf("%+v cannot be encoded: %v", e, err)
		}
		again, err := payment.Decode(typ, schema, data)
		if err != nil {
			t.Fatalf("%+v cannot be read back: %v", e, err)
		}
		if _, _, twice, err := payment.Encode(again); err != nil || !slices.Equal(twice, data) {
			t.Fatalf("%+v has two forms: %x and %x (%v)", e, data, twice, err)
		}
	})
}

// BenchmarkDecodeAndFold is what loading a payment costs that went through everything.
func BenchmarkDecodeAndFold(b *testing.B) {
	type stored struct {
		typ    string
		schema int16
		data   []byte
	}
	var log []stored
	for _, e := range history() {
		typ, schema, data, err := payment.Encode(e)
		if err != nil {
			b.Fatal(err)
		}
		log = append(log, stored{typ, schema, data})
	}
	b.ReportAllocs()
	for b.Loop() {
		p := new(payment.Payment)
		for _, s := range log {
			e, err := payment.Decode(s.typ, s.schema, s.data)
			if err != nil {
				b.Fatal(err)
			}
			payment.Evolve(p, e)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(log)), "ns/event")
}

// BenchmarkCodec is what writing and reading each event costs.
func BenchmarkCodec(b *testing.B) {
	for _, e := range samples() {
		typ, schema, data, err := payment.Encode(e)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("encode/"+typ, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, err := payment.Encode(e); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("decode/"+typ, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := payment.Decode(typ, schema, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
