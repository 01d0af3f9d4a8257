package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// story is a log and what clients were told of it, in which nothing is wrong: stock comes in, an order is placed,
// reserved and confirmed, another command is refused.
type story struct {
	t       *testing.T
	log     *storedLog
	history *History
}

func newStory(t *testing.T) *story {
	t.Helper()
	s := &story{t: t, log: &storedLog{commits: map[string][]int{}, verdicts: map[string]verdict{}}, history: NewHistory()}
	s.append("c1", row{"stock-MUG@MAIN", "stock.received", map[string]any{"quantity": 5}})
	s.append("c2", row{"order-o1", "order.placed", map[string]any{"details": map[string]any{"lines": []any{map[string]any{"line_id": "1", "sku": "MUG", "quantity": 2}}}}})
	s.append("p1", row{"stock-MUG@MAIN", "stock.reserved", map[string]any{"order_id": "o1", "reservations": []any{map[string]any{"from_stock": 2}}}})
	s.append("p2", row{"order-o1", "order.confirmed", map[string]any{}}, row{"stock-MUG@MAIN", "stock.reservation_confirmed", map[string]any{"order_id": "o1"}})
	s.log.verdicts["c3"] = verdict{CommandID: "c3", Position: 5, Refused: true}
	s.accepted("receive", "c1", 0, 1)
	s.accepted("place", "c2", 2, 2)
	s.history.Add(&Operation{
		Kind: "cancel", Key: "c3", Outcome: Refused, Status: 422, Position: 5, Body: `{"command_id":"c3","code":"order-not-found"}`,
		Attempts: []Attempt{{Start: 4 * time.Second, End: 5 * time.Second, Status: 422}},
	})
	return s
}

type row struct {
	stream, typ string
	data        map[string]any
}

// append adds a commit to the log.
func (s *story) append(command string, rows ...row) {
	s.t.Helper()
	s.log.commits[command] = append(s.log.commits[command], len(s.log.events))
	for i, r := range rows {
		data, err := msgpack.Marshal(r.data)
		if err != nil {
			s.t.Fatal(err)
		}
		version := int64(1)
		for _, e := range s.log.events {
			if e.Stream == r.stream {
				version++
			}
		}
		position := int64(len(s.log.events)) + 1
		e := event{Position: position, Version: version, Stream: r.stream, EventID: fmt.Sprintf("e%d", position), Type: r.typ, Data: data}
		if i == 0 {
			e.CommandID, e.Size = command, len(rows)
		}
		s.log.events = append(s.log.events, e)
	}
}

// accepted adds a command that was acknowledged with one event, sent at a second and answered in the one after it.
func (s *story) accepted(kind, command string, second int, position int64) {
	e := s.log.events[position-1]
	o := &Operation{
		Kind: kind, Key: command, Outcome: Accepted, Status: 200, Position: position,
		Target: map[string]string{"sku": "MUG"}, Request: `{"quantity":5}`,
		Body:     fmt.Sprintf(`{"command_id":%q,"position":%d,"events":[{"position":%[2]d,"stream":%q,"version":%d,"event_id":%q,"type":%q}]}`, command, position, e.Stream, e.Version, e.EventID, e.Type),
		Attempts: []Attempt{{Start: time.Duration(second) * time.Second, End: time.Duration(second+1) * time.Second, Status: 200}},
	}
	s.history.Add(o)
}

// judge returns the invariants that are violated.
func (s *story) judge() []string {
	var v violations
	s.history.resolved(&v)
	s.log.dense(&v)
	s.log.outcomes(s.history, &v)
	s.log.realTime(s.history, &v)
	s.log.stock(s.history, &v)
	s.log.orders(&v)
	found := make([]string, len(v.found))
	for i, f := range v.found {
		found[i] = f.String()
	}
	return found
}

// TestJudge shows that the judge sees each kind of wrong, and nothing wrong where there is none.
func TestJudge(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wrong func(s *story)
		want  string // how a violation begins; empty: none
	}{
		"nothing is wrong": {func(*story) {}, ""},
		"an acknowledged command is lost": {func(s *story) {
			delete(s.log.commits, "c2")
			s.log.events[1].CommandID, s.log.events[1].Size = "other", 1
		}, "I1: place c2 was acknowledged at position 2, and is in the log 0 times"},
		"it is there twice": {func(s *story) {
			s.append("c1", row{"stock-MUG@MAIN", "stock.received", map[string]any{"quantity": 5}})
		}, "I4: command c1 began 2 commits"},
		"its effect is there twice": {func(s *story) {
			s.append("p3", row{"stock-MUG@MAIN", "stock.reserved", map[string]any{"order_id": "o1", "reservations": []any{map[string]any{"from_stock": 2}}}})
		}, "I4: order o1 (confirmed) has 2 units of MUG open and holds 4"},
		"it was confirmed twice": {func(s *story) {
			s.append("p4", row{"order-o1", "order.confirmed", map[string]any{}})
		}, "I4: order o1 was confirmed or rejected 2 times"},
		"it is another than was answered": {func(s *story) { s.log.events[1].EventID = "other" }, "I1: place c2 was acknowledged as"},
		"a refused command took effect": {func(s *story) {
			s.append("c3", row{"order-o2", "order.note_added", map[string]any{}})
		}, "I1: cancel c3 was refused, and is in the log"},
		"a refusal was forgotten": {func(s *story) { delete(s.log.verdicts, "c3") }, "I8: cancel c3 was refused, and that is not stored"},
		"what nobody asked for":   {func(s *story) { s.append("c9", row{"order-o9", "order.note_added", nil}) }, "I1: order.note_added at position 6 is of command c9"},
		"a hole":                  {func(s *story) { s.log.events = slices.Delete(s.log.events, 1, 2) }, "I2: position 3 stands where 2 should be"},
		"a version is left out":   {func(s *story) { s.log.events[2].Version = 3 }, "I2: stock-MUG@MAIN has version 3 at position 3, want 2"},
		"half a commit":           {func(s *story) { s.log.events = s.log.events[:4] }, "I1: the last commit lacks 1 events"},
		"one event twice":         {func(s *story) { s.log.events[2].EventID = "e1" }, "I4: event e1 stands at positions 1 and 3"},
		"more is promised than is": {func(s *story) {
			s.append("p5", row{"stock-MUG@MAIN", "stock.reserved", map[string]any{"order_id": "o2", "reservations": []any{map[string]any{"from_stock": 4}}}})
		}, "I7: MUG at position 6: 6 units are promised of 5"},
		"a receipt is lost":       {func(s *story) { s.log.events[0].Data, _ = msgpack.Marshal(map[string]any{"quantity": 4}) }, "I7: MUG: the clients were told of 5 units"},
		"an order waits for ever": {func(s *story) { s.log.events = s.log.events[:3]; delete(s.log.commits, "p2") }, "I11: order o1 is still pending"},
		"no outcome": {func(s *story) {
			s.history.Add(&Operation{Kind: "place", Key: "c8", Outcome: Unknown, Attempts: []Attempt{{Status: 503}}})
		}, "I11: place c8 has no outcome after 1 attempts"},
		"turned away": {func(s *story) {
			s.history.Add(&Operation{Kind: "place", Key: "c8", Outcome: Invalid, Status: 401, Attempts: []Attempt{{Status: 401}}})
		}, "I8: place c8 was turned away"},
		"it began after one that stands behind it": {func(s *story) {
			o := s.history.ops[0] // at position 1
			o.Attempts[0].Start, o.Attempts[0].End = 10*time.Second, 11*time.Second
		}, "I3: receive c1 began 5s after cancel c3 had ended at position 5, and is at 1"},
		"a refusal was decided on an old state": {func(s *story) { s.history.ops[2].Position = 1 }, "I3: cancel c3 began 1s after place c2 had ended at position 2, and is at 1"},
		"nothing was stored, it was told, and then it was": {func(s *story) {
			o := s.history.ops[1]
			o.Attempts = append([]Attempt{{Status: 503, Code: "unavailable", Nothing: true, Start: 2 * time.Second, End: 2 * time.Second}}, o.Attempts...)
			o.Attempts[1].Replayed = true
		}, "I8: place c2 was answered [unavailable], which promise that nothing was stored, and then found stored"},
		"a look at an older state": {func(s *story) { s.history.looked("it was older") }, "I13: it was older"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			tt.wrong(s)
			got := s.judge()
			if tt.want == "" {
				if len(got) > 0 {
					t.Errorf("found %q in a sound story", got)
				}
				return
			}
			if !slices.ContainsFunc(got, func(says string) bool { return strings.HasPrefix(says, tt.want) }) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// TestPlan shows that a seed says everything that a nemesis does, that no two faults of a round concern one thing, and
// that no fault is left out for long.
func TestPlan(t *testing.T) {
	t.Parallel()
	one, same, other := NewPlan(7, 2), NewPlan(7, 2), NewPlan(8, 2)
	counts, equal := map[string]int{}, 0
	const rounds = 200
	for range rounds {
		a, b, c := fmt.Sprint(one.Next()), same.Next(), fmt.Sprint(other.Next())
		if a != fmt.Sprint(b) {
			t.Fatalf("one seed means %s and %s", a, b)
		}
		if a == c {
			equal++
		}
		taken := map[string]bool{}
		for _, action := range b.Actions {
			f := find(same.faults, action.Fault)
			if taken[f.on] {
				t.Errorf("two faults on %s in one round: %s", f.on, a)
			}
			taken[f.on] = true
			counts[f.name]++
			if action.Hold < f.least || action.Hold > f.most {
				t.Errorf("%s is out of its bounds", action)
			}
		}
	}
	if equal > 0 {
		t.Errorf("two seeds have %d rounds in common", equal)
	}
	for _, f := range same.faults {
		if counts[f.name] < 5*f.often {
			t.Errorf("%s came %d times in %d rounds", f.name, counts[f.name], rounds)
		}
	}
}
