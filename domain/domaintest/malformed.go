package domaintest

import (
	"slices"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// testRefuses feeds the decoder what is no event, for every event there is.
func (a Aggregate[E, S]) testRefuses(t *testing.T) {
	t.Parallel()
	refused := func(what string, f form) {
		t.Helper()
		if e, err := a.Decode(f.typ, f.schema, f.data); err == nil {
			t.Errorf("%s: %s decodes to %+v", f.typ, what, e)
		}
	}
	for _, e := range a.Samples {
		f := a.encode(t, e)
		for n := range f.data {
			refused("a truncated event", form{f.typ, f.schema, f.data[:n]})
		}
		refused("an unknown type", form{f.typ + "_by_magic", f.schema, f.data})
		refused("an unknown schema", form{f.typ, 99, f.data})
		refused("no schema", form{f.typ, 0, f.data})
		for what, data := range map[string][]byte{
			"garbage after the event": append(slices.Clone(f.data), 0),
			"an array for a map":      {0x91, 1},
			"nil":                     {0xc0},
			"no value at all":         {},
			"a number for a key":      {0x81, 1, 1},
			"a length beyond the end": {0xdf, 0xff, 0xff, 0xff, 0xff},
			"nested too deep":         append([]byte("\x81\xa1x"), slices.Repeat([]byte{0x91}, 5000)...),
			"time that is text":       []byte("\x81\xa2at\xa3now"),
			"time that is a float":    []byte("\x81\xa2at\xca\x00\x00\x00\x00"),
			"time beyond int64":       []byte("\x81\xa2at\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
		} {
			refused(what, form{f.typ, f.schema, data})
		}
	}
}

// testUnknownFields adds a field to the stored form of every event, as a later version might.
func (a Aggregate[E, S]) testUnknownFields(t *testing.T) {
	t.Parallel()
	for _, e := range a.Samples {
		f := a.encode(t, e)
		var fields map[string]msgpack.RawMessage
		if err := msgpack.Unmarshal(f.data, &fields); err != nil {
			t.Fatal(err)
		}
		fields["from_the_future"] = []byte("\x92\x81\xa1a\xc3\xc4\x02hi")
		data, err := msgpack.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if again := a.encode(t, a.decode(t, form{f.typ, f.schema, data})); !slices.Equal(again.data, f.data) {
			t.Errorf("%s: an unknown field changes what is read", f.typ)
		}
	}
}

// FuzzDecode: no stored bytes make the decoder panic, what it reads can be folded, and is stored in one form again.
func (a Aggregate[E, S]) FuzzDecode(f *testing.F) {
	for _, e := range a.Samples {
		s := a.encode(f, e)
		f.Add(s.typ, s.schema, s.data)
		f.Add(s.typ, s.schema, s.data[:len(s.data)/2])
		f.Add(s.typ, s.schema, []byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	}
	f.Fuzz(func(t *testing.T, typ string, schema int16, data []byte) {
		e, err := a.Decode(typ, schema, data)
		if err != nil {
			return
		}
		a.Evolve(new(S), e)
		once := a.encode(t, e)
		if twice := a.encode(t, a.decode(t, once)); !slices.Equal(twice.data, once.data) {
			t.Fatalf("%+v has two forms: %x and %x", e, once.data, twice.data)
		}
	})
}

// FuzzSnapshot: no stored snapshot makes the decoder panic, what it reads goes on, is stored in one form again, and can be
// folded on. Asked is what else is asked of it.
func (a Aggregate[E, S]) FuzzSnapshot(f *testing.F, asked func(*S)) {
	s := new(S)
	for _, e := range a.history() {
		a.Evolve(s, e)
		data := a.Snapshot(f, s)
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, stored []byte) {
		s, err := a.DecodeSnapshot(a.SnapshotSchema, stored)
		if err != nil {
			return
		}
		data := a.Snapshot(t, s)
		again, err := a.DecodeSnapshot(a.SnapshotSchema, data)
		if err != nil {
			t.Fatalf("%+v cannot be read back: %v", s, err)
		}
		if twice := a.Snapshot(t, again); !slices.Equal(data, twice) {
			t.Fatalf("%+v has two forms: %x and %x", s, data, twice)
		}
		asked(s)
		for _, e := range a.history() {
			a.Evolve(s, e)
		}
		asked(s)
	})
}
