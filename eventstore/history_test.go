package eventstore_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
)

// fate is what a caller knows of an operation.
type fate int

const (
	done    fate = iota // the append took place; the read was answered
	refused             // the stream had another version
	unknown             // nobody could tell
)

// asked is what a caller asks of one stream: to append an event, or to read the stream from its beginning.
type asked struct {
	stream   string
	id       uuid.UUID // of the event to append; zero for a read
	expected int64
}

// told is what the caller was told. version is that after the append, the actual one of a refusal, or that read.
type told struct {
	fate    fate
	version int64
	hash    [sha256.Size]byte // of all events that were read
	first   int64             // position that the receipt names
}

// streamState is a stream as the model sees it.
type streamState struct {
	version int64
	hash    [sha256.Size]byte // of the ids of its events, chained
}

func (s streamState) with(id uuid.UUID) streamState {
	return streamState{version: s.version + 1, hash: sha256.Sum256(append(s.hash[:], id[:]...))}
}

// streamModel is what a stream may do, one operation after the other. An append whose outcome is unknown may have
// taken place, or not: both are followed.
func streamModel() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byStream := map[string][]porcupine.Operation{}
			for _, o := range history {
				stream := o.Input.(asked).stream
				byStream[stream] = append(byStream[stream], o)
			}
			var parts [][]porcupine.Operation
			for _, part := range byStream {
				parts = append(parts, part)
			}
			return parts
		},
		Init:              func() []any { return []any{streamState{}} },
		Step:              func(state, in, out any) []any { return step(state.(streamState), in.(asked), out.(told)) },
		DescribeOperation: func(in, out any) string { return describe(in.(asked), out.(told)) },
		DescribeState: func(state any) string {
			s := state.(streamState)
			return fmt.Sprintf("version %d, %x", s.version, s.hash[:3])
		},
	}
	return m.ToModel()
}

// step returns the states that may follow s when in was answered by out; none if that answer cannot be.
func step(s streamState, in asked, out told) []any {
	fits := s.version == in.expected
	switch {
	case in.id == uuid.Nil:
		if s.version == out.version && s.hash == out.hash {
			return []any{s}
		}
	case out.fate == done:
		if fits && out.version == s.version+1 {
			return []any{s.with(in.id)}
		}
	case out.fate == refused:
		if !fits && out.version == s.version {
			return []any{s}
		}
	case fits: // unknown, and it may have taken place
		return []any{s, s.with(in.id)}
	default:
		return []any{s}
	}
	return nil
}

func describe(in asked, out told) string {
	verdict := [...]string{done: "version", refused: "no: version", unknown: "?"}[out.fate]
	if in.id == uuid.Nil {
		return fmt.Sprintf("read → version %d, %x", out.version, out.hash[:3])
	}
	return fmt.Sprintf("append %s at %d → %s %d", in.id.String()[:8], in.expected, verdict, out.version)
}

// checkTime is what the checker may take. A history that it cannot judge in time has not passed.
const checkTime = 30 * time.Second

// linearizable says why the history is none that streams can have; nil if it is one.
func linearizable(history []porcupine.Operation) error {
	if result := porcupine.CheckOperationsTimeout(streamModel(), history, checkTime); result != porcupine.Ok {
		return fmt.Errorf("history of %d operations is %s", len(history), result)
	}
	return nil
}

// draw draws a history that is none, for people.
func draw(t testing.TB, history []porcupine.Operation) {
	t.Helper()
	_, info := porcupine.CheckOperationsVerbose(streamModel(), history, checkTime)
	page := filepath.Join(t.ArtifactDir(), "history.html")
	if err := porcupine.VisualizePath(streamModel(), info, page); err != nil {
		t.Errorf("draw the history: %v", err)
	}
	t.Logf("see %s (go test -artifacts keeps it)", page)
}

// patched is the history with what the log itself tells of unknown outcomes: the append took place at that version,
// or never. It complains of everything in the log that nobody asked for, and of answers that the log denies.
func patched(history []porcupine.Operation, versions map[uuid.UUID]int64) ([]porcupine.Operation, error) {
	var known []porcupine.Operation
	var wrong []string
	asks := map[uuid.UUID]bool{}
	for _, o := range history {
		in, out := o.Input.(asked), o.Output.(told)
		version, stored := versions[in.id]
		asks[in.id] = true
		switch {
		case in.id == uuid.Nil:
		case out.fate == unknown && stored:
			o.Output = told{fate: done, version: version}
		case out.fate == unknown:
			continue
		case stored != (out.fate == done):
			wrong = append(wrong, fmt.Sprintf("%s: in the log: %t", describe(in, out), stored))
		case stored && version != out.version:
			wrong = append(wrong, fmt.Sprintf("%s: in the log at version %d", describe(in, out), version))
		}
		known = append(known, o)
	}
	for id, version := range versions {
		if !asks[id] {
			wrong = append(wrong, fmt.Sprintf("event %s at version %d was never asked for", id, version))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return known, fmt.Errorf("log and answers differ:\n%s", strings.Join(wrong, "\n"))
	}
	return known, nil
}

// inRealTime holds positions to the clock, over all streams at once: an append that began after another one had been
// acknowledged stands behind it. So the log is strictly serializable.
func inRealTime(history []porcupine.Operation) error {
	acknowledged := slices.DeleteFunc(slices.Clone(history), func(o porcupine.Operation) bool { return o.Output.(told).first == 0 })
	byCall := slices.SortedFunc(slices.Values(acknowledged), func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	slices.SortFunc(acknowledged, func(a, b porcupine.Operation) int { return int(a.Return - b.Return) })
	var highest int64
	for _, o := range byCall {
		for len(acknowledged) > 0 && acknowledged[0].Return < o.Call {
			highest = max(highest, acknowledged[0].Output.(told).first)
			acknowledged = acknowledged[1:]
		}
		if at := o.Output.(told).first; at <= highest {
			return fmt.Errorf("%s stands at position %d, and began after position %d was acknowledged", describe(o.Input.(asked), o.Output.(told)), at, highest)
		}
	}
	return nil
}

// judge applies all of the above, with and without what the log knows better.
func judge(history []porcupine.Operation, versions map[uuid.UUID]int64) error {
	known, err := patched(history, versions)
	return errors.Join(err, inRealTime(history), linearizable(history), linearizable(known))
}

// TestStreamModel holds the model to what it is meant to say.
func TestStreamModel(t *testing.T) {
	t.Parallel()
	a, b := uuid.New(), uuid.New()
	at0, atA := streamState{}, streamState{}.with(a)
	atAB := atA.with(b)
	op := func(call, end int64, in asked, out told) porcupine.Operation {
		return porcupine.Operation{Input: in, Call: call, Output: out, Return: end}
	}
	write := func(call, end int64, id uuid.UUID, expected int64, out told) porcupine.Operation {
		return op(call, end, asked{stream: "s", id: id, expected: expected}, out)
	}
	read := func(call, end int64, s streamState) porcupine.Operation {
		return op(call, end, asked{stream: "s"}, told{version: s.version, hash: s.hash})
	}
	const never = math.MaxInt64
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"one after the other":        {[]porcupine.Operation{write(1, 2, a, 0, told{version: 1}), write(3, 4, b, 1, told{version: 2}), read(5, 6, atAB)}, true},
		"seen while under way":       {[]porcupine.Operation{write(1, 9, a, 0, told{version: 1}), read(2, 3, at0), read(4, 5, atA)}, true},
		"seen, then not":             {[]porcupine.Operation{write(1, 9, a, 0, told{version: 1}), read(2, 3, atA), read(4, 5, at0)}, false},
		"stale read":                 {[]porcupine.Operation{write(1, 2, a, 0, told{version: 1}), read(3, 4, at0)}, false},
		"other events":               {[]porcupine.Operation{write(1, 2, a, 0, told{version: 1}), read(3, 4, streamState{}.with(b))}, false},
		"two winners":                {[]porcupine.Operation{write(1, 9, a, 0, told{version: 1}), write(1, 9, b, 0, told{version: 1})}, false},
		"refused rightly":            {[]porcupine.Operation{write(1, 9, a, 0, told{version: 1}), write(1, 9, b, 0, told{fate: refused, version: 1})}, true},
		"refused for nothing":        {[]porcupine.Operation{write(1, 2, a, 0, told{fate: refused, version: 1})}, false},
		"refused with what it wants": {[]porcupine.Operation{write(1, 2, a, 0, told{version: 1}), write(3, 4, b, 1, told{fate: refused, version: 1})}, false},
		"unknown took place":         {[]porcupine.Operation{write(1, never, a, 0, told{fate: unknown}), read(2, 3, at0), read(4, 5, atA)}, true},
		"unknown did not":            {[]porcupine.Operation{write(1, never, a, 0, told{fate: unknown}), write(2, 3, b, 0, told{version: 1})}, true},
		"unknown, and undone":        {[]porcupine.Operation{write(1, never, a, 0, told{fate: unknown}), read(2, 3, atA), read(4, 5, at0)}, false},
	} {
		if err := linearizable(c.history); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
