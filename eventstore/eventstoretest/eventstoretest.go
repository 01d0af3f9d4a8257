// Package eventstoretest holds every implementation of the log to its contract.
//
// [Run] is the suite. What only a log on a real database can show (kills, grants, durability, several processes) is
// not in it; package eventstore tests that itself.
package eventstoretest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"waybill/eventstore"
)

// Run runs the contract suite. open returns a log that is empty and takes commits; it registers its own clean-up.
func Run(t *testing.T, open func(t *testing.T) eventstore.Log) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, eventstore.Log)
	}{
		{"an empty log", empty},
		{"positions and versions are dense", dense},
		{"a commit over several streams is all or nothing", allOrNothing},
		{"expected versions", expectations},
		{"guards", guards},
		{"verdicts are stored and returned", verdicts},
		{"a repeated command gets the stored outcome", duplicates},
		{"a repeated command among concurrent ones", concurrentDuplicates},
		{"a repeated command among queued ones", queuedDuplicates},
		{"a repeated command behind one that moved its stream", overtakenDuplicate},
		{"claims", claims},
		{"claims among queued commits", queuedClaims},
		{"queued commits follow one another", chains},
		{"queued commits behind a loser", brokenChains},
		{"commits that hang on others", hangingOn},
		{"concurrent writers and a reader", concurrentWriters},
		{"concurrent commits over the same streams", crossingWriters},
		{"a caller who stops waiting", cancellation},
		{"pages", pages},
		{"what an event holds", contents},
		{"hostile names", hostileNames},
		{"commits without form", invalid},
		{"any sequence of commits", anySequence},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

// commit is a commit under a fresh command id.
func commit(streams ...eventstore.StreamEvents) eventstore.Commit {
	return eventstore.Commit{CommandID: uuid.New(), Fingerprint: []byte("print"), Streams: streams}
}

// to is n events for a stream.
func to(stream string, expected int64, n int) eventstore.StreamEvents {
	s := eventstore.StreamEvents{ID: stream, Expected: expected}
	for i := range n {
		s.Events = append(s.Events, eventstore.NewEvent{Type: "test.happened", Schema: 1, Data: fmt.Appendf(nil, "%s/%d", stream, expected+int64(i)+1), Meta: []byte{0x80}})
	}
	return s
}

func verdict(code string, guards ...eventstore.StreamEvents) eventstore.Commit {
	c := commit(guards...)
	c.Verdict = &eventstore.Verdict{Refused: true, Code: code, Key: "order-1", Type: "order.cancel", Data: []byte("why"), Meta: []byte{0x80}}
	return c
}

func mustAppend(t *testing.T, log eventstore.Log, c eventstore.Commit) eventstore.Receipt {
	t.Helper()
	r, err := log.Append(t.Context(), c)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return r
}

func mustPropose(t *testing.T, log eventstore.Log, c eventstore.Commit, after ...*eventstore.Proposal) *eventstore.Proposal {
	t.Helper()
	p, err := log.Propose(t.Context(), c, after...)
	if err != nil {
		t.Fatalf("propose: %v", err)
	}
	return p
}

// readAll reads the whole log in pages and asserts that it is dense.
func readAll(t *testing.T, log eventstore.Log) []eventstore.Event {
	t.Helper()
	var all []eventstore.Event
	for {
		page, err := log.ReadLog(t.Context(), int64(len(all))+1, 100)
		if err != nil {
			t.Fatalf("read log: %v", err)
		}
		if len(page) == 0 {
			return all
		}
		for _, e := range page {
			if want := int64(len(all)) + 1; e.Position != want {
				t.Fatalf("read log: position %d follows %d", e.Position, want-1)
			}
			all = append(all, e)
		}
	}
}

func readStream(t *testing.T, log eventstore.Log, stream string, from int64) []eventstore.Event {
	t.Helper()
	var all []eventstore.Event
	for e, err := range log.ReadStream(t.Context(), stream, from) {
		if err != nil {
			t.Fatalf("read stream %s: %v", stream, err)
		}
		if want := max(from, 1) + int64(len(all)); e.Version != want || e.Stream != stream {
			t.Fatalf("read stream %s: got %s version %d, want version %d", stream, e.Stream, e.Version, want)
		}
		all = append(all, e)
	}
	return all
}

func wantConflict(t *testing.T, err error, stream string, expected, actual int64) {
	t.Helper()
	got, ok := errors.AsType[*eventstore.ConflictError](err)
	if !ok || !errors.Is(err, eventstore.ErrConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	if want := (eventstore.ConflictError{Stream: stream, Expected: expected, Actual: actual}); *got != want {
		t.Fatalf("got %+v, want %+v", *got, want)
	}
}

func wantDuplicate(t *testing.T, err error, want eventstore.Receipt) eventstore.Outcome {
	t.Helper()
	got, ok := errors.AsType[*eventstore.DuplicateCommandError](err)
	if !ok || !errors.Is(err, eventstore.ErrDuplicateCommand) {
		t.Fatalf("got %v, want a duplicate command", err)
	}
	if got.Outcome.Receipt != want {
		t.Fatalf("duplicate: got receipt %+v, want %+v", got.Outcome.Receipt, want)
	}
	return got.Outcome
}

func wantHead(t *testing.T, log eventstore.Log, position int64) {
	t.Helper()
	h, err := log.Head(t.Context())
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	if h.Position != position {
		t.Fatalf("head is at %d, want %d", h.Position, position)
	}
}

func empty(t *testing.T, log eventstore.Log) {
	h, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.Position != 0 || h.Epoch == uuid.Nil {
		t.Errorf("head: %+v, want position 0 and an epoch", h)
	}
	if all := readAll(t, log); len(all) != 0 {
		t.Errorf("%d events in an empty log", len(all))
	}
	if s := readStream(t, log, "order-1", 1); len(s) != 0 {
		t.Errorf("%d events in a stream that does not exist", len(s))
	}
	if _, ok, err := log.Outcome(t.Context(), uuid.New()); ok || err != nil {
		t.Errorf("outcome of nothing: %v, %v", ok, err)
	}
}

func dense(t *testing.T, log eventstore.Log) {
	a := mustAppend(t, log, commit(to("order-1", 0, 2)))
	b := mustAppend(t, log, commit(to("order-2", 0, 1), to("order-1", 2, 2)))
	c := mustAppend(t, log, commit(to("order-1", 4, 1)))
	for _, r := range []struct {
		got         eventstore.Receipt
		first, last int64
	}{{a, 1, 2}, {b, 3, 5}, {c, 6, 6}} {
		if want := (eventstore.Receipt{First: r.first, Last: r.last, Epoch: a.Epoch}); r.got != want {
			t.Errorf("receipt %+v, want %+v", r.got, want)
		}
	}
	var got []string
	last := time.Time{}
	for _, e := range readAll(t, log) {
		got = append(got, fmt.Sprintf("%s@%d %s", e.Stream, e.Version, e.Data))
		if e.RecordedAt.Before(last) {
			t.Errorf("event %d was recorded %s before the one ahead of it", e.Position, last.Sub(e.RecordedAt))
		}
		last = e.RecordedAt
	}
	want := []string{"order-1@1 order-1/1", "order-1@2 order-1/2", "order-2@1 order-2/1", "order-1@3 order-1/3", "order-1@4 order-1/4", "order-1@5 order-1/5"}
	if !slices.Equal(got, want) {
		t.Errorf("log: %q, want %q", got, want)
	}
	if s := readStream(t, log, "order-1", 4); len(s) != 2 {
		t.Errorf("order-1 from version 4: %d events, want 2", len(s))
	}
	wantHead(t, log, 6)
}

func allOrNothing(t *testing.T, log eventstore.Log) {
	mustAppend(t, log, commit(to("stock-A@B", 0, 1)))
	c := commit(to("order-1", 0, 1), to("stock-A@B", 0, 1), to("order-2", 0, 1))
	c.Claims = []string{"source:web/1"}
	_, err := log.Append(t.Context(), c)
	wantConflict(t, err, "stock-A@B", 0, 1)
	wantHead(t, log, 1)
	if s := readStream(t, log, "order-1", 1); len(s) != 0 {
		t.Errorf("order-1 got %d events of a commit that lost", len(s))
	}
	if _, ok, err := log.Outcome(t.Context(), c.CommandID); ok || err != nil {
		t.Errorf("a commit that lost has an outcome: %v, %v", ok, err)
	}
	c.Streams[1].Expected = 1 // neither its command id nor its claim is used up
	if r := mustAppend(t, log, c); r.First != 2 || r.Last != 4 {
		t.Errorf("receipt %+v, want 2 to 4", r)
	}
}

func expectations(t *testing.T, log eventstore.Log) {
	mustAppend(t, log, commit(to("order-1", 0, 3)))
	for _, c := range []struct {
		stream           string
		expected, actual int64
	}{
		{"order-1", 0, 3},  // new, but exists
		{"order-1", 2, 3},  // too low
		{"order-1", 4, 3},  // too high by one
		{"order-1", 99, 3}, // much too high
		{"order-9", 1, 0},  // expected, but does not exist
		{"order-9", 50, 0},
	} {
		_, err := log.Append(t.Context(), commit(to(c.stream, c.expected, 1)))
		wantConflict(t, err, c.stream, c.expected, c.actual)
		_, err = log.Append(t.Context(), commit(to(c.stream, c.expected, 2), to("order-2", 0, 1)))
		wantConflict(t, err, c.stream, c.expected, c.actual)
	}
	wantHead(t, log, 3)
	mustAppend(t, log, commit(to("order-1", 3, 1)))
}

func guards(t *testing.T, log eventstore.Log) {
	mustAppend(t, log, commit(to("stock-A@B", 0, 2)))
	for _, c := range []struct {
		stream           string
		expected, actual int64
	}{{"stock-A@B", 1, 2}, {"stock-A@B", 3, 2}, {"stock-A@B", 0, 2}, {"stock-Z@B", 1, 0}} {
		_, err := log.Append(t.Context(), commit(to("order-1", 0, 1), to(c.stream, c.expected, 0)))
		wantConflict(t, err, c.stream, c.expected, c.actual)
		_, err = log.Append(t.Context(), verdict("sold-out", to(c.stream, c.expected, 0)))
		wantConflict(t, err, c.stream, c.expected, c.actual)
	}
	mustAppend(t, log, commit(to("order-1", 0, 1), to("stock-A@B", 2, 0), to("stock-Z@B", 0, 0)))
	wantHead(t, log, 3)
	if s := readStream(t, log, "stock-A@B", 1); len(s) != 2 {
		t.Errorf("a guard added to its stream: %d events, want 2", len(s))
	}
}

func contents(t *testing.T, log eventstore.Log) {
	huge := bytes.Repeat([]byte{0x00, 0xff, '\'', '\\'}, eventstore.MaxEventBytes/4)
	id := uuid.New()
	meta, err := eventstore.EncodeMeta(eventstore.Meta{Key: "order-1", Actor: "key:web"})
	if err != nil {
		t.Fatal(err)
	}
	c := commit(eventstore.StreamEvents{ID: "order-1", Events: []eventstore.NewEvent{
		{ID: id, Type: "order.placed", Schema: 7, Data: []byte{1, 2, 3}, Meta: meta},
		{Type: "order.empty", Schema: 32767},
		{Type: "order.huge", Schema: 1, Data: huge},
	}})
	mustAppend(t, log, c)
	got := readStream(t, log, "order-1", 1)
	if len(got) != 3 {
		t.Fatalf("%d events, want 3", len(got))
	}
	e := got[0]
	if e.ID != id || e.CommandID != c.CommandID || e.Type != "order.placed" || e.Schema != 7 || !bytes.Equal(e.Data, []byte{1, 2, 3}) {
		t.Errorf("first event: %+v", e)
	}
	if m, err := e.Metadata(); err != nil || m.Key != "order-1" || m.Actor != "key:web" {
		t.Errorf("metadata: %+v, %v", m, err)
	}
	if d := time.Since(e.RecordedAt); d < -time.Minute || d > time.Hour || e.RecordedAt.Location() != time.UTC || e.RecordedAt.Nanosecond()%1000 != 0 {
		t.Errorf("recorded at %s, want now, UTC, in microseconds", e.RecordedAt)
	}
	if e = got[1]; e.CommandID != uuid.Nil || e.ID == uuid.Nil || e.ID == got[2].ID || e.Schema != 32767 || len(e.Data)+len(e.Meta) != 0 {
		t.Errorf("second event: %+v, want an id of its own, no command, and nothing in it", e)
	}
	if !bytes.Equal(got[2].Data, huge) {
		t.Error("the huge event came back changed")
	}
	if all := readAll(t, log); !slices.EqualFunc(all, got, sameEvent) {
		t.Error("the log and the stream tell different events")
	}
}

func sameEvent(a, b eventstore.Event) bool {
	return a.Position == b.Position && a.Stream == b.Stream && a.Version == b.Version && a.ID == b.ID && a.CommandID == b.CommandID &&
		a.Type == b.Type && a.Schema == b.Schema && bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Meta, b.Meta) && a.RecordedAt.Equal(b.RecordedAt)
}

func pages(t *testing.T, log eventstore.Log) {
	const n = 2500 // more than a page that an implementation may read at once
	mustAppend(t, log, commit(to("order-1", 0, n)))
	for _, c := range []struct {
		from  int64
		limit int
		want  int
	}{{1, 1, 1}, {1, n, n}, {1, eventstore.MaxPage, n}, {n, 10, 1}, {n + 1, 10, 0}, {n + 1000, 10, 0}, {100, 50, 50}} {
		page, err := log.ReadLog(t.Context(), c.from, c.limit)
		if err != nil || len(page) != c.want {
			t.Errorf("from %d, limit %d: %d events (%v), want %d", c.from, c.limit, len(page), err, c.want)
			continue
		}
		if c.want > 0 && page[0].Position != c.from {
			t.Errorf("from %d: begins at %d", c.from, page[0].Position)
		}
	}
	for _, c := range []struct {
		from  int64
		limit int
	}{{0, 1}, {-1, 1}, {1, 0}, {1, -1}, {1, eventstore.MaxPage + 1}} {
		if _, err := log.ReadLog(t.Context(), c.from, c.limit); err == nil {
			t.Errorf("from %d, limit %d: no error", c.from, c.limit)
		}
	}
	for _, from := range []int64{-5, 0, 1} {
		if s := readStream(t, log, "order-1", from); len(s) != n {
			t.Errorf("stream from %d: %d events, want %d", from, len(s), n)
		}
	}
	if s := readStream(t, log, "order-1", n+1); len(s) != 0 {
		t.Errorf("stream behind its end: %d events", len(s))
	}
	seen := 0
	for _, err := range log.ReadStream(t.Context(), "order-1", 1) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 3 {
			break // must not hang or panic
		}
	}
}

func hostileNames(t *testing.T, log eventstore.Log) {
	names := []string{
		`'; DROP TABLE events; --`, `{a,"b"}`, `NULL`, `\N`, ` `, "a\nb", "ü", "u\u0308", "\u00fc", "🚚", `a%_b`, `$1`, "A", "a",
		strings.Repeat("x", eventstore.MaxStreamName),
	}
	for _, n := range slices.Compact(names) {
		c := commit(to(n, int64(len(readStream(t, log, n, 1))), 1))
		c.Claims = []string{n}
		if n == "\u00fc" {
			c.Claims = nil // the same text as "ü" above
		}
		mustAppend(t, log, c)
		if got := readStream(t, log, n, 1); len(got) == 0 || got[0].Stream != n {
			t.Errorf("stream %q came back as %+v", n, got)
		}
	}
}

func invalid(t *testing.T, log eventstore.Log) {
	long := strings.Repeat("x", eventstore.MaxStreamName+1)
	for name, c := range map[string]eventstore.Commit{
		"no command id":      {Streams: []eventstore.StreamEvents{to("order-1", 0, 1)}},
		"nothing":            commit(),
		"guard without more": commit(to("order-1", 0, 0)),
		"stream twice":       commit(to("order-1", 0, 1), to("order-1", 1, 1)),
		"no stream name":     commit(to("", 0, 1)),
		"long stream name":   commit(to(long, 0, 1)),
		"NUL in a name":      commit(to("a\x00b", 0, 1)),
		"broken UTF-8":       commit(to("a\xff", 0, 1)),
		"negative version":   commit(to("order-1", -1, 1)),
		"too many events":    commit(to("order-1", 0, eventstore.MaxCommitEvents+1)),
		"too large an event": commit(eventstore.StreamEvents{ID: "order-1", Events: []eventstore.NewEvent{{Type: "t", Schema: 1, Data: make([]byte, eventstore.MaxEventBytes+1)}}}),
		"no type":            commit(eventstore.StreamEvents{ID: "order-1", Events: []eventstore.NewEvent{{Schema: 1}}}),
		"NUL in a type":      commit(eventstore.StreamEvents{ID: "order-1", Events: []eventstore.NewEvent{{Type: "a\x00b", Schema: 1}}}),
		"no schema":          commit(eventstore.StreamEvents{ID: "order-1", Events: []eventstore.NewEvent{{Type: "t"}}}),
		"empty claim":        {CommandID: uuid.New(), Streams: []eventstore.StreamEvents{to("order-1", 0, 1)}, Claims: []string{""}},
		"claim twice":        {CommandID: uuid.New(), Streams: []eventstore.StreamEvents{to("order-1", 0, 1)}, Claims: []string{"a", "a"}},
		"claim of a verdict": {CommandID: uuid.New(), Verdict: &eventstore.Verdict{}, Claims: []string{"a"}},
		"verdict and events": {CommandID: uuid.New(), Verdict: &eventstore.Verdict{}, Streams: []eventstore.StreamEvents{to("order-1", 0, 1)}},
		"NUL in a verdict":   {CommandID: uuid.New(), Verdict: &eventstore.Verdict{Code: "a\x00b"}},
		"large verdict":      {CommandID: uuid.New(), Verdict: &eventstore.Verdict{Data: make([]byte, eventstore.MaxEventBytes+1)}},
		"too large a commit": commit(manyLarge()),
	} {
		if _, err := log.Append(t.Context(), c); !errors.Is(err, eventstore.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	wantHead(t, log, 0)
}

func manyLarge() eventstore.StreamEvents {
	s := eventstore.StreamEvents{ID: "order-1"}
	data := make([]byte, eventstore.MaxEventBytes)
	for range eventstore.MaxCommitBytes/eventstore.MaxEventBytes + 1 {
		s.Events = append(s.Events, eventstore.NewEvent{Type: "t", Schema: 1, Data: data})
	}
	return s
}
