// Package domaintest is what every aggregate of the domain has to keep, whatever it is about: the codec of its events and
// snapshots, the golden bytes of what was ever stored, and the seams for personal data. An aggregate's tests describe it
// as an [Aggregate], and run the suite on it.
//
// It knows no rule of any aggregate: those are tested beside it.
package domaintest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"waybill/domain"
)

// Event is what every aggregate's event has.
type Event interface {
	EventType() string
	SchemaVersion() int16
}

// Aggregate describes an aggregate whose events are E and whose state is S.
type Aggregate[E Event, S any] struct {
	// Samples are one of every event, with every field set that it may have.
	Samples []E
	// History is a list of events that one S may have behind it; default: the samples.
	History []E
	Encode  func(E) (typ string, schema int16, data []byte, err error)
	Decode  func(typ string, schema int16, data []byte) (E, error)
	Evolve  func(*S, E)

	EncodeSnapshot func(*S) ([]byte, error)
	DecodeSnapshot func(schema int16, data []byte) (*S, error)
	SnapshotSchema int16
	// Same compares what two states hold beside their snapshots; default: reflect.DeepEqual.
	Same func(a, b *S) bool

	// MapPersonal is nil for an aggregate without personal data.
	MapPersonal func(E, func(domain.Personal) (domain.Personal, error)) (E, error)

	// Update says that golden files which do not exist are to be written. Those that exist never change.
	Update bool
}

func (a Aggregate[E, S]) history() []E {
	if len(a.History) > 0 {
		return a.History
	}
	return a.Samples
}

func (a Aggregate[E, S]) same(t *testing.T, x, y *S) bool {
	t.Helper()
	if !slices.Equal(a.Snapshot(t, x), a.Snapshot(t, y)) {
		return false
	}
	if a.Same != nil {
		return a.Same(x, y)
	}
	return reflect.DeepEqual(x, y)
}

// Evolved folds events into a new state.
func (a Aggregate[E, S]) Evolved(events ...E) *S {
	s := new(S)
	for _, e := range events {
		a.Evolve(s, e)
	}
	return s
}

// form is an event as it is stored.
type form struct {
	typ    string
	schema int16
	data   []byte
}

func (a Aggregate[E, S]) encode(tb testing.TB, e E) form {
	tb.Helper()
	typ, schema, data, err := a.Encode(e)
	if err != nil {
		tb.Fatalf("%+v cannot be encoded: %v", e, err)
	}
	return form{typ, schema, data}
}

func (a Aggregate[E, S]) decode(tb testing.TB, f form) E {
	tb.Helper()
	e, err := a.Decode(f.typ, f.schema, f.data)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// Snapshot returns all that a state is as bytes: equal ones give equal bytes.
func (a Aggregate[E, S]) Snapshot(t interface{ Fatal(args ...any) }, s *S) []byte {
	data, err := a.EncodeSnapshot(s)
	if err != nil {
		t.Fatal(fmt.Errorf("%+v cannot be stored: %w", s, err))
	}
	return data
}

// Test runs the whole suite.
func (a Aggregate[E, S]) Test(t *testing.T) {
	t.Run("every event round-trips", a.testRoundTrips)
	t.Run("golden bytes", a.testGolden)
	t.Run("every golden file decodes", a.testGoldenFiles)
	t.Run("malformed events are refused", a.testRefuses)
	t.Run("unknown fields are passed over", a.testUnknownFields)
	t.Run("a snapshot stands for its events", a.testSnapshots)
	t.Run("personal data", a.testPersonal)
}

func (a Aggregate[E, S]) testRoundTrips(t *testing.T) {
	t.Parallel()
	var got []string
	for _, want := range a.Samples {
		f := a.encode(t, want)
		e := a.decode(t, f)
		if !reflect.DeepEqual(e, want) {
			t.Errorf("%s came back as\n%+v, want\n%+v", f.typ, e, want)
		}
		if again := a.encode(t, e); !slices.Equal(again.data, f.data) {
			t.Errorf("%s: other bytes when encoded again", f.typ)
		}
		got = append(got, reflect.TypeOf(want).Name())
	}
	slices.Sort(got)
	if want := declaredEvents(t); !slices.Equal(got, want) {
		t.Errorf("samples cover %v, the package declares %v", got, want)
	}
}

func (a Aggregate[E, S]) testSnapshots(t *testing.T) {
	t.Parallel()
	events := a.history()
	for n := range len(events) + 1 {
		want := a.Evolved(events[:n]...)
		got, err := a.DecodeSnapshot(a.SnapshotSchema, a.Snapshot(t, want))
		if err != nil {
			t.Fatal(err)
		}
		if !a.same(t, got, want) {
			t.Errorf("after %d events the snapshot gives\n%+v, want\n%+v", n, got, want)
		}
		for _, e := range events[n:] { // what the snapshot gives back can be folded on
			a.Evolve(got, e)
			a.Evolve(want, e)
		}
		if !a.same(t, got, want) {
			t.Errorf("folding on after a snapshot at %d gives\n%+v, want\n%+v", n, got, want)
		}
	}
	if _, err := a.DecodeSnapshot(a.SnapshotSchema+1, a.Snapshot(t, new(S))); err == nil {
		t.Error("a snapshot of another schema is read")
	}
	if _, err := a.DecodeSnapshot(a.SnapshotSchema, []byte("rubbish")); err == nil {
		t.Error("a broken snapshot is read")
	}
}
