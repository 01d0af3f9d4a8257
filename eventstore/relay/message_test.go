package relay_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

var (
	someEpoch = uuid.MustParse("0f5c1f0e-2a55-4b1e-9d0c-9a4f4b1f2a11")
	someTime  = time.Date(2026, 3, 4, 5, 6, 7, 89_000, time.UTC)
)

func someEvent(t testing.TB) eventstore.Event {
	t.Helper()
	meta, err := eventstore.EncodeMeta(eventstore.Meta{
		Key: "0198c0de-0000-7000-8000-000000000001", Command: "order.place", Actor: "key:web-shop", Channel: "web",
		CorrelationID: "basket 17", CausationID: "0198c0de-0000-7000-8000-000000000002",
		Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	})
	if err != nil {
		t.Fatal(err)
	}
	return eventstore.Event{
		Position: 42, Stream: "order-0198c0de-0000-7000-8000-000000000001", Version: 1,
		ID: uuid.MustParse("0198c0de-0000-7000-8000-000000000003"), CommandID: uuid.MustParse("0198c0de-0000-7000-8000-000000000004"),
		Type: "order.placed", Schema: 2, Data: []byte("\x81\xa3sku\xa1A"), Meta: meta, RecordedAt: someTime,
	}
}

// sameEvent compares all fields. Whether empty bytes are nil is not part of an event.
func sameEvent(a, b *eventstore.Event) bool {
	return a.Position == b.Position && a.Stream == b.Stream && a.Version == b.Version && a.ID == b.ID &&
		a.CommandID == b.CommandID && a.Type == b.Type && a.Schema == b.Schema &&
		bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Meta, b.Meta) && a.RecordedAt.Equal(b.RecordedAt) && b.RecordedAt.Location() == time.UTC
}

// The bytes of a message are an interface that programs in other languages read.
func TestGoldenMessage(t *testing.T) {
	t.Parallel()
	e := someEvent(t)
	msg := relay.Encode(&e, someEpoch)
	var got strings.Builder
	fmt.Fprintf(&got, "%s\n", msg.Subject)
	for _, name := range slices.Sorted(maps.Keys(msg.Header)) {
		fmt.Fprintf(&got, "%s: %s\n", name, strings.Join(msg.Header[name], " | "))
	}
	fmt.Fprintf(&got, "\n%x\n", msg.Data)
	want, err := os.ReadFile(filepath.Join("testdata", "message.golden"))
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("message is now\n%s\nwas\n%s", got.String(), want)
	}
}

func TestGoldenHash(t *testing.T) {
	t.Parallel()
	e := someEvent(t)
	// Computed by another program, from the form that AppendCanonical documents.
	const want = "69820bf89747d9dada4e9c14e561073f2aae72b47d7563a6ac479bea319e9bba"
	if got := relay.Hash(&e); hex.EncodeToString(got[:]) != want {
		t.Errorf("hash is now %x, was %s: every signed checkpoint would be void", got, want)
	}
}

func TestDecodeIsTheInverse(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 60_000)
	longMeta, err := eventstore.EncodeMeta(eventstore.Meta{Key: "k", CorrelationID: long})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*eventstore.Event){
		"as it is":               func(*eventstore.Event) {},
		"without a command":      func(e *eventstore.Event) { e.CommandID = uuid.Nil },
		"without data":           func(e *eventstore.Event) { e.Data = nil },
		"without metadata":       func(e *eventstore.Event) { e.Meta = nil },
		"unreadable metadata":    func(e *eventstore.Event) { e.Meta = []byte{0xc1, 0, 0xff} },
		"too much metadata":      func(e *eventstore.Event) { e.Meta = longMeta },
		"too much of it no data": func(e *eventstore.Event) { e.Meta, e.Data = longMeta, nil },
		"odd stream":             func(e *eventstore.Event) { e.Stream = " stock-Tür 100%\r\nce-id: x\t\x7f\"@BER1 " },
		"odd type":               func(e *eventstore.Event) { e.Type = "a b.*.>\r\n" },
		"type without a dot":     func(e *eventstore.Event) { e.Type = "x" },
		"whole second":           func(e *eventstore.Event) { e.RecordedAt = time.Unix(1_700_000_000, 0).UTC() },
		"great numbers":          func(e *eventstore.Event) { e.Position, e.Version, e.Schema = 1<<62, 1<<61, 1<<14 },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := someEvent(t)
			change(&want)
			got, epoch, err := throughTheWire(t, relay.Encode(&want, someEpoch))
			if err != nil {
				t.Fatal(err)
			}
			if epoch != someEpoch || !sameEvent(&want, &got) {
				t.Errorf("got %+v in epoch %s, want %+v", got, epoch, want)
			}
		})
	}
}

// throughTheWire decodes what a message becomes as bytes: names and values of headers lose their surrounding spaces.
func throughTheWire(t testing.TB, msg *nats.Msg) (eventstore.Event, uuid.UUID, error) {
	t.Helper()
	h := nats.Header{}
	size := 0
	for name, values := range msg.Header {
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n") || strings.TrimSpace(v) != v {
				t.Errorf("header %s cannot hold %q", name, v)
			}
			size += len(name) + len(v) + 4
			h.Add(name, v)
		}
	}
	if size > 64<<10-100 {
		t.Errorf("headers have %d bytes, more than a server takes", size)
	}
	if tokens := strings.Split(msg.Subject, "."); len(tokens) != 5 || strings.ContainsAny(msg.Subject, " *>\r\n\t") || slices.Contains(tokens, "") {
		t.Errorf("subject %q cannot be published", msg.Subject)
	}
	return relay.Decode(h, msg.Data)
}

func TestDecodeIsTheInverseOfAny(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := eventstore.Event{
			Position: rapid.Int64Min(1).Draw(t, "position"), Stream: rapid.StringN(1, 60, 200).Draw(t, "stream"),
			Version: rapid.Int64Min(1).Draw(t, "version"), ID: uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
			Type: rapid.StringN(1, 60, 200).Draw(t, "type"), Schema: rapid.Int16Min(1).Draw(t, "schema"),
			Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"), Meta: rapid.SliceOf(rapid.Byte()).Draw(t, "meta"),
			RecordedAt: time.UnixMicro(rapid.Int64Range(0, 4_000_000_000_000_000).Draw(t, "at")).UTC(),
		}
		msg := relay.Encode(&want, someEpoch)
		got, epoch, err := relay.Decode(msg.Header, msg.Data)
		if err != nil {
			t.Fatal(err)
		}
		if epoch != someEpoch || !sameEvent(&want, &got) || relay.Hash(&want) != relay.Hash(&got) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func FuzzDecode(f *testing.F) {
	e := someEvent(f)
	msg := relay.Encode(&e, someEpoch)
	names := slices.Sorted(maps.Keys(msg.Header))
	var lines []string
	for _, name := range names {
		lines = append(lines, msg.Header.Get(name))
	}
	f.Add(strings.Join(lines, "\n"), []byte("body"))
	f.Add("", []byte{})
	f.Add(strings.Repeat("%", 40), []byte("x"))
	f.Fuzz(func(t *testing.T, values string, body []byte) {
		h := nats.Header{}
		for i, v := range strings.Split(values, "\n") {
			if i < len(names) {
				h[names[i]] = []string{v}
			} else {
				h["Waybill-Meta-Trailer"] = []string{v}
			}
		}
		got, epoch, err := relay.Decode(h, body)
		if err != nil {
			return
		}
		// What it takes for an event has one form: that which Encode gives it.
		again := relay.Encode(&got, epoch)
		same, _, err := relay.Decode(again.Header, again.Data)
		if err != nil || !sameEvent(&got, &same) {
			t.Errorf("decoded %+v, then %+v (%v)", got, same, err)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*nats.Msg){
		"no headers":        func(m *nats.Msg) { m.Header = nil },
		"no position":       func(m *nats.Msg) { m.Header.Del("ce-position") },
		"position zero":     func(m *nats.Msg) { m.Header.Set("ce-position", "0") },
		"negative version":  func(m *nats.Msg) { m.Header.Set("ce-version", "-1") },
		"position twice":    func(m *nats.Msg) { m.Header.Add("ce-position", "43") },
		"great schema":      func(m *nats.Msg) { m.Header.Set("ce-schema", "70000") },
		"short id":          func(m *nats.Msg) { m.Header.Set("ce-id", "0198c0de00007000800000000000000") },
		"id in braces":      func(m *nats.Msg) { m.Header.Set("ce-id", "{0198c0de-0000-7000-8000-000000000003}") },
		"bad time":          func(m *nats.Msg) { m.Header.Set("ce-time", "yesterday") },
		"bad metadata":      func(m *nats.Msg) { m.Header.Set("Waybill-Meta", "*") },
		"bad escape":        func(m *nats.Msg) { m.Header.Set("ce-subject", "a%2") },
		"trailer too long":  func(m *nats.Msg) { m.Header.Set("Waybill-Meta-Trailer", "1000") },
		"no epoch":          func(m *nats.Msg) { m.Header.Del("ce-epoch") },
		"malformed command": func(m *nats.Msg) { m.Header.Set("Waybill-Command", "x") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := someEvent(t)
			msg := relay.Encode(&e, someEpoch)
			change(msg)
			if got, _, err := relay.Decode(msg.Header, msg.Data); err == nil {
				t.Errorf("decoded %+v", got)
			}
		})
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{
		"order.placed":           "waybill.evt.order.placed.",
		"stock.count.closed":     "waybill.evt.stock.count_closed.",
		"x":                      "waybill.evt.x._.",
		".":                      "waybill.evt._._.",
		"or der.*":               "waybill.evt.or_der._.",
		strings.Repeat("a", 100): "waybill.evt." + strings.Repeat("a", 64) + "._.",
	} {
		e := someEvent(t)
		e.Type = typ
		if got := relay.Encode(&e, someEpoch).Subject; got != want+strconv.Itoa(relay.Partition("0198c0de-0000-7000-8000-000000000001")) {
			t.Errorf("subject of %q is %s, want %s…", typ, got, want)
		}
	}
	if got := relay.Subject("order", "", 7); got != "waybill.evt.order.*.7" {
		t.Errorf("filter is %s", got)
	}
	if got := relay.Subject("", "", -1); got != "waybill.evt.*.*.*" {
		t.Errorf("filter is %s", got)
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	// Changing these moves keys between consumers that run different versions.
	for key, want := range map[string]int{"": 37, "order-1": 45, "stock-TSHIRT@BER1": 36} {
		if got := relay.Partition(key); got != want {
			t.Errorf("partition of %q is %d, was %d", key, got, want)
		}
	}
	var hits [relay.Partitions]int
	const keys = 64_000
	for range keys {
		hits[relay.Partition(uuid.NewString())]++
	}
	if low, high := slices.Min(hits[:]), slices.Max(hits[:]); low < 800 || high > 1_200 {
		t.Errorf("of %d keys a partition has %d to %d", keys, low, high)
	}
}

func TestHashTellsEveryFieldApart(t *testing.T) {
	t.Parallel()
	base := someEvent(t)
	seen := map[[32]byte]string{relay.Hash(&base): "the event itself"}
	for name, change := range map[string]func(*eventstore.Event){
		"position": func(e *eventstore.Event) { e.Position++ },
		"stream":   func(e *eventstore.Event) { e.Stream += "x" },
		"version":  func(e *eventstore.Event) { e.Version++ },
		"id":       func(e *eventstore.Event) { e.ID[3]++ },
		"command":  func(e *eventstore.Event) { e.CommandID = uuid.Nil },
		"type":     func(e *eventstore.Event) { e.Type = "order.closed" },
		"schema":   func(e *eventstore.Event) { e.Schema++ },
		"data":     func(e *eventstore.Event) { e.Data = nil },
		"meta":     func(e *eventstore.Event) { e.Meta = nil },
		"time":     func(e *eventstore.Event) { e.RecordedAt = e.RecordedAt.Add(time.Microsecond) },
		"boundary": func(e *eventstore.Event) { e.Data, e.Meta = append(slices.Clip(e.Data), e.Meta[0]), e.Meta[1:] },
	} {
		e := someEvent(t)
		change(&e)
		h := relay.Hash(&e)
		if other, ok := seen[h]; ok {
			t.Errorf("another %s has the hash of %s", name, other)
		}
		seen[h] = name
	}
}
