package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// event is a row of the log.
type event struct {
	Position  int64
	Version   int64
	Stream    string
	EventID   string
	CommandID string // empty but on the first event of a commit
	Size      int    // of the commit, on its first event
	Type      string
	Data      []byte
}

// verdict is the stored outcome of a command that added no event.
type verdict struct {
	CommandID string
	Position  int64
	Refused   bool
}

// storedLog is the log as it stands in the database, read by plain SQL and none of the engine's code.
type storedLog struct {
	events   []event
	commits  map[string][]int // command id to the places of first events
	verdicts map[string]verdict
}

func readLog(ctx context.Context, c *Cluster) (*storedLog, error) {
	conn, err := c.Database.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `
SELECT position, version, stream, event_id::text, coalesce(command_id::text, ''), coalesce(commit_size, 0)::int, type, data FROM waybill.events ORDER BY position`)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	l := &storedLog{commits: map[string][]int{}, verdicts: map[string]verdict{}}
	if l.events, err = pgx.CollectRows(rows, pgx.RowToStructByPos[event]); err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	for i := range l.events {
		if id := l.events[i].CommandID; id != "" {
			l.commits[id] = append(l.commits[id], i)
		}
	}
	rows, err = conn.Query(ctx, `SELECT command_id::text, position, refused FROM waybill.outcomes`)
	if err != nil {
		return nil, fmt.Errorf("read the outcomes: %w", err)
	}
	verdicts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[verdict])
	if err != nil {
		return nil, fmt.Errorf("read the outcomes: %w", err)
	}
	for _, o := range verdicts {
		l.verdicts[o.CommandID] = o
	}
	return l, nil
}

// dense wants positions 1, 2, 3, … and the same of the versions of each stream, and whole commits.
func (l *storedLog) dense(v *violations) {
	versions, ids := map[string]int64{}, map[string]int64{}
	left := 0 // events that the commit still has to have
	for i := range l.events {
		e := &l.events[i]
		if want := int64(i) + 1; e.Position != want {
			v.add("I2", "position %d stands where %d should be", e.Position, want)
			return // all that follow are wrong by that
		}
		versions[e.Stream]++
		if e.Version != versions[e.Stream] {
			v.add("I2", "%s has version %d at position %d, want %d", e.Stream, e.Version, e.Position, versions[e.Stream])
		}
		if other, twice := ids[e.EventID]; twice {
			v.add("I4", "event %s stands at positions %d and %d", e.EventID, other, e.Position)
		}
		ids[e.EventID] = e.Position
		if (e.CommandID != "") != (left == 0) {
			v.add("I1", "position %d: the commit before it has %d events too few or too many", e.Position, left)
			left = 0
		}
		if e.CommandID != "" {
			left = e.Size
		}
		left = max(left-1, 0)
	}
	if left != 0 {
		v.add("I1", "the last commit lacks %d events", left)
	}
	for id, at := range l.commits {
		if len(at) > 1 {
			v.add("I4", "command %s began %d commits", id, len(at))
		}
		if _, both := l.verdicts[id]; both {
			v.add("I8", "command %s has events and a verdict", id)
		}
	}
}

// outcomes wants what was acknowledged to be there as it was answered, what was refused not to be there, and nothing to
// be there that nobody asked for.
func (l *storedLog) outcomes(h *History, v *violations) {
	asked := map[string]*Operation{}
	open := false
	for _, o := range h.Operations() {
		switch o.Outcome {
		case Accepted:
			l.accepted(o, v)
		case Refused:
			l.refused(o, v)
		case Unknown:
			open = true // it may be there, or not
		case Invalid:
		}
		if id := o.commandID(); id != "" {
			if other, twice := asked[id]; twice && other.Key != o.Key {
				v.add("I4", "%s and %s are command %s both", other.Key, o.Key, id)
			}
			asked[id] = o
		}
	}
	if open {
		return
	}
	for id, at := range l.commits {
		if e := &l.events[at[0]]; fromOutside(e.Type) && asked[id] == nil {
			v.add("I1", "%s at position %d is of command %s, which nobody sent", e.Type, e.Position, id)
		}
	}
}

// fromOutside tells whether only commands of clients cause an event.
func fromOutside(typ string) bool {
	switch typ {
	case "order.placed", "order.note_added", "order.lines_cancelled", "stock.received", "stock.adjusted":
		return true
	default:
		return false
	}
}

func (l *storedLog) accepted(o *Operation, v *violations) {
	a, err := o.Answer()
	if err != nil || a.CommandID == "" {
		v.add("I8", "%s %s was accepted with an answer that cannot be read: %s", o.Kind, o.Key, o.Body)
		return
	}
	if len(a.Events) == 0 { // nothing was left to do
		if got, ok := l.verdicts[a.CommandID]; !ok || got.Refused {
			v.add("I1", "%s %s was acknowledged as done already, and that is not stored", o.Kind, o.Key)
		}
		return
	}
	at := l.commits[a.CommandID]
	if len(at) != 1 {
		v.add("I1", "%s %s was acknowledged at position %d, and is in the log %d times", o.Kind, o.Key, a.Position, len(at))
		return
	}
	if size := l.events[at[0]].Size; size != len(a.Events) {
		v.add("I1", "%s %s was acknowledged with %d events, and has %d", o.Kind, o.Key, len(a.Events), size)
		return
	}
	for i, want := range a.Events {
		if at[0]+i >= len(l.events) {
			v.add("I1", "%s %s was acknowledged up to position %d, the log ends before it", o.Kind, o.Key, a.Position)
			return
		}
		got := &l.events[at[0]+i]
		if got.Position != want.Position || got.EventID != want.EventID || got.Stream != want.Stream || got.Version != want.Version || got.Type != want.Type {
			v.add("I1", "%s %s was acknowledged as %+v, the log has %s %s of %s version %d at position %d",
				o.Kind, o.Key, want, got.Type, got.EventID, got.Stream, got.Version, got.Position)
		}
	}
	if last := a.Events[len(a.Events)-1].Position; last != a.Position || o.Position != a.Position {
		v.add("I8", "%s %s: its last event is at %d, the answer says %d, its header %d", o.Kind, o.Key, last, a.Position, o.Position)
	}
}

func (l *storedLog) refused(o *Operation, v *violations) {
	id := o.commandID()
	if at := l.commits[id]; len(at) > 0 {
		v.add("I1", "%s %s was refused, and is in the log at position %d", o.Kind, o.Key, l.events[at[0]].Position)
	}
	if got, ok := l.verdicts[id]; !ok || !got.Refused {
		v.add("I8", "%s %s was refused, and that is not stored", o.Kind, o.Key)
	}
}

// realTime wants the position of a command to be behind those of all commands whose outcome was known before it was
// first sent. A command that added nothing is placed at the end of the log that it saw.
func (l *storedLog) realTime(h *History, v *violations) {
	type op struct {
		*Operation
		first int64 // position of its first event; of the end of the log if it has none
		least int64 // that first may have, beyond the largest that came before
	}
	var ops []op
	for _, o := range h.Operations() {
		if o.Outcome != Accepted && o.Outcome != Refused {
			continue
		}
		p := op{Operation: o, first: o.Position}
		if a, err := o.Answer(); err == nil && o.Outcome == Accepted && len(a.Events) > 0 {
			p.first, p.least = a.Events[0].Position, 1
		}
		ops = append(ops, p)
	}
	byEnd := slices.Clone(ops)
	slices.SortFunc(byEnd, func(a, b op) int { return cmp.Compare(a.End(), b.End()) })
	slices.SortFunc(ops, func(a, b op) int { return cmp.Compare(a.Start(), b.Start()) })
	var latest op // the one with the largest position among those that ended
	done := 0
	for _, o := range ops {
		for done < len(byEnd) && byEnd[done].End() < o.Start() {
			if latest.Operation == nil || byEnd[done].Position > latest.Position {
				latest = byEnd[done]
			}
			done++
		}
		if latest.Operation != nil && o.first < latest.Position+o.least {
			v.add("I3", "%s %s began %s after %s %s had ended at position %d, and is at %d",
				o.Kind, o.Key, (o.Start() - latest.End()).Round(time.Microsecond), latest.Kind, latest.Key, latest.Position, o.first)
		}
	}
}

// stream wants every message of the event stream to be the event of its sequence, from the first to the end of the log.
func (l *storedLog) stream(ctx context.Context, c *Cluster, v *violations) error {
	state, err := c.streamState(ctx, eventStream)
	if err != nil {
		v.add("I10", "%v", err)
		return nil
	}
	if state.LastSeq != uint64(len(l.events)) {
		v.add("I10", "the stream ends at %d, the log at %d", state.LastSeq, len(l.events))
	}
	if state.Msgs == 0 {
		return nil
	}
	conn, err := c.Broker.Connect("consumer")
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	consumer, err := js.OrderedConsumer(ctx, eventStream, jetstream.OrderedConsumerConfig{OptStartSeq: state.FirstSeq, DeliverPolicy: jetstream.DeliverByStartSequencePolicy})
	if err != nil {
		return fmt.Errorf("read stream %s: %w", eventStream, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read stream %s: %w", eventStream, err)
	}
	defer messages.Stop()
	for next := state.FirstSeq; next <= state.LastSeq; next++ {
		limit, cancel := context.WithTimeout(ctx, 10*time.Second)
		m, err := messages.Next(jetstream.NextContext(limit))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			v.add("I10", "no message came for position %d within 10 s", next)
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stream %s: %w", eventStream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read stream %s: %w", eventStream, err)
		}
		if got := meta.Sequence.Stream; got != next {
			v.add("I10", "messages %d to %d are missing in the stream", next, got-1)
			next = got
		}
		l.message(next, m.Headers(), m.Data(), v)
	}
	return nil
}

// message wants a message to be the event at its sequence.
func (l *storedLog) message(seq uint64, header nats.Header, body []byte, v *violations) {
	if seq > uint64(len(l.events)) {
		v.add("I10", "message %d is no event of the log", seq)
		return
	}
	e := &l.events[seq-1]
	if header.Get("ce-id") != e.EventID || header.Get("ce-position") != strconv.FormatUint(seq, 10) || header.Get("ce-type") != e.Type ||
		header.Get("ce-version") != strconv.FormatInt(e.Version, 10) || !strings.HasPrefix(string(body), string(e.Data)) {
		v.add("I10", "message %d is %s %s, the log has %s %s there", seq, header.Get("ce-type"), header.Get("ce-id"), e.Type, e.EventID)
	}
}
