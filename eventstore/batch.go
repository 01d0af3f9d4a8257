package eventstore

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// batch gathers proposals that become durable in one commit. It decides each against the ones before it and, as far
// as that is known, against the log:
//
//   - On the fast path nothing is known of the log. The first proposal that names a stream is taken at its word, and
//     what it expects becomes a check that the append statement makes.
//   - On the slow path the log was asked, under the lock; see [truth].
//
// A verdict that follows from a neighbour in the batch stands only once the batch is committed.
type batch struct {
	items  []item
	known  *truth
	events int64 // that it takes
	weight int   // of all its proposals, taken or not
	bytes  int   // of all its proposals

	// hasty: a proposal loses to a neighbour while nobody knows whether its command stands in the log already, which
	// would be its answer. So the batch is decided again on the slow path.
	hasty bool

	versions map[string]int64  // as the batch leaves them
	commands map[uuid.UUID]int // items that the batch takes, by command
	claims   map[string]int    // items that the batch takes, by claim
	refused  map[*Proposal]struct{}

	present, absent struct{ stream, version column } // checks: these stream versions exist, these do not

	event struct {
		stream, version, id, command, size, kind, schema, data, meta, fingerprint column
	}
	verdict struct {
		command, fingerprint, offset, refused, code, key, kind, data, meta column
	}
	claim struct{ key, offset column }
}

// item is a proposal in a batch and what becomes of it.
type item struct {
	p       *Proposal
	firstID uuid.UUID // of its first event: tells our commit from another one of the same command
	fate    fate
	offset  int64 // events of the batch that stand before its own
	other   int   // the neighbour it loses to
	key     string
	err     error   // if certain
	receipt Receipt // if fate is wasCommitted
}

type fate int

const (
	taken        fate = iota // becomes part of the log with the batch
	lost                     // err says why
	repeats                  // same command as its neighbour
	claimTaken               // same claim as its neighbour
	wasCommitted             // stands in the log already: the first attempt went through although nobody heard of it
)

// truth is what the log says about everything that a batch names, read under the lock.
type truth struct {
	outcomes map[uuid.UUID]storedOutcome
	claims   map[string]int64
	versions map[string]int64
	// resolving: an earlier attempt may have been committed, so an outcome may be our own.
	resolving bool
}

type storedOutcome struct {
	Outcome
	firstID uuid.UUID
}

func newBatch() *batch {
	b := &batch{versions: map[string]int64{}, commands: map[uuid.UUID]int{}, claims: map[string]int{}, refused: map[*Proposal]struct{}{}}
	b.reset()
	return b
}

// reset empties b and keeps its buffers, unless an unusual commit has blown them up.
func (b *batch) reset() {
	const keep = 16 << 20
	if cap(b.event.data.buf) > keep {
		b.event.data.buf = nil
	}
	clear(b.items)
	b.items, b.known, b.hasty, b.events, b.weight, b.bytes = b.items[:0], nil, false, 0, 0, 0
	clear(b.versions)
	clear(b.commands)
	clear(b.claims)
	clear(b.refused)
	for _, c := range []*column{&b.present.stream, &b.absent.stream, &b.event.stream, &b.event.kind, &b.verdict.code, &b.verdict.key, &b.verdict.kind, &b.claim.key} {
		c.reset(oidText)
	}
	for _, c := range []*column{&b.present.version, &b.absent.version, &b.event.version, &b.verdict.offset, &b.claim.offset} {
		c.reset(oidInt8)
	}
	for _, c := range []*column{&b.event.id, &b.event.command, &b.verdict.command} {
		c.reset(oidUUID)
	}
	for _, c := range []*column{&b.event.size, &b.event.schema} {
		c.reset(oidInt2)
	}
	for _, c := range []*column{&b.event.data, &b.event.meta, &b.event.fingerprint, &b.verdict.fingerprint, &b.verdict.data, &b.verdict.meta} {
		c.reset(oidBytea)
	}
	b.verdict.refused.reset(oidBool)
}

// add decides p and, if it is taken, encodes it. firstID is the id of its first event if it was given one before.
func (b *batch) add(p *Proposal, firstID uuid.UUID) {
	it := item{p: p, firstID: firstID, offset: b.events}
	b.weight += weight(&p.Commit)
	b.bytes += p.Commit.bytes()
	if b.decide(&it); it.fate == taken {
		b.take(&it, len(b.items))
	} else if it.fate != wasCommitted {
		b.refused[p] = struct{}{}
		b.hasty = b.hasty || (b.known == nil && it.fate != repeats)
	}
	b.items = append(b.items, it)
}

// decide finds the fate of it: repeated command first, then claims, then streams, as every implementation does.
func (b *batch) decide(it *item) {
	c := &it.p.Commit
	if i, ok := b.commands[c.CommandID]; ok {
		it.fate, it.other = repeats, i
		return
	}
	if b.known != nil {
		if o, ok := b.known.outcomes[c.CommandID]; ok {
			if b.known.resolving && o.isOf(it) {
				it.fate, it.receipt = wasCommitted, o.Receipt
				b.commands[c.CommandID] = len(b.items)
				return
			}
			it.fate, it.err = lost, &DuplicateCommandError{Outcome: o.Outcome}
			return
		}
	}
	for _, before := range it.p.after {
		if _, refused := b.refused[before]; refused || before.failed() {
			it.fate, it.err = lost, it.p.dropped()
			return
		}
	}
	for _, k := range c.Claims {
		if i, ok := b.claims[k]; ok {
			it.fate, it.other, it.key = claimTaken, i, k
			return
		}
		if b.known != nil {
			if pos, ok := b.known.claims[k]; ok {
				it.fate, it.err = lost, &ClaimedError{Key: k, Position: pos}
				return
			}
		}
	}
	for i := range c.Streams {
		s := &c.Streams[i]
		if actual, ok := b.version(s.ID); ok && actual != s.Expected {
			it.fate, it.err = lost, &ConflictError{Stream: s.ID, Expected: s.Expected, Actual: actual}
			return
		}
	}
}

// isOf tells whether o is what became of an earlier attempt of it. Event ids are ours alone; a verdict has none, but
// one with the same content answers the same.
func (o *storedOutcome) isOf(it *item) bool {
	v := it.p.Commit.Verdict
	if (v == nil) != (o.Verdict == nil) {
		return false
	}
	if v == nil {
		return o.firstID == it.firstID
	}
	return string(o.Fingerprint) == string(it.p.Commit.Fingerprint) && o.Verdict.Code == v.Code &&
		o.Verdict.Refused == v.Refused && string(o.Verdict.Data) == string(v.Data)
}

// version of a stream as the batch so far leaves it; ok is false if that is not known.
func (b *batch) version(stream string) (v int64, ok bool) {
	if v, ok = b.versions[stream]; ok {
		return v, true
	}
	if b.known != nil {
		return b.known.versions[stream], true
	}
	return 0, false
}

// take encodes a proposal that the batch takes as its item number n.
func (b *batch) take(it *item, n int) {
	c := &it.p.Commit
	b.commands[c.CommandID] = n
	if c.Verdict != nil {
		b.takeVerdict(c)
	}
	for _, k := range c.Claims {
		b.claims[k] = n
		b.claim.key.text(k)
		b.claim.offset.int64(b.events + 1)
	}
	size, first := c.events(), true
	for i := range c.Streams {
		s := &c.Streams[i]
		b.check(s)
		for j := range s.Events {
			e := &s.Events[j]
			id := e.ID
			if first {
				it.firstID = eventID(firstOf(it.firstID, id))
				id = it.firstID
				b.event.command.uuid(c.CommandID)
				b.event.size.int16(int16(size))
				b.event.fingerprint.nullable(c.Fingerprint)
				first = false
			} else {
				b.event.command.null()
				b.event.size.null()
				b.event.fingerprint.null()
			}
			b.event.id.uuid(eventID(id))
			b.event.stream.text(s.ID)
			b.event.version.int64(s.Expected + int64(j) + 1)
			b.event.kind.text(e.Type)
			b.event.schema.int16(e.Schema)
			b.event.data.bytes(e.Data)
			b.event.meta.bytes(e.Meta)
			b.events++
		}
		b.versions[s.ID] = s.Expected + int64(len(s.Events))
	}
}

func firstOf(a, b uuid.UUID) uuid.UUID {
	if a != uuid.Nil {
		return a
	}
	return b
}

func (b *batch) takeVerdict(c *Commit) {
	v := c.Verdict
	b.verdict.command.uuid(c.CommandID)
	b.verdict.fingerprint.nullable(c.Fingerprint)
	b.verdict.offset.int64(b.events)
	b.verdict.refused.bool(v.Refused)
	b.verdict.code.text(v.Code)
	b.verdict.key.text(v.Key)
	b.verdict.kind.text(v.Type)
	b.verdict.data.bytes(v.Data)
	b.verdict.meta.bytes(v.Meta)
}

// check makes the append statement look at what s expects, if nothing else tells. That a stream has got *further* than
// expected shows in the unique index when events are added; a guard adds none, so it has to ask.
func (b *batch) check(s *StreamEvents) {
	if _, ok := b.version(s.ID); ok {
		return
	}
	if s.Expected > 0 {
		b.present.stream.text(s.ID)
		b.present.version.int64(s.Expected)
	}
	if len(s.Events) == 0 {
		b.absent.stream.text(s.ID)
		b.absent.version.int64(s.Expected + 1)
	}
}

// plain tells that the batch adds nothing but events.
func (b *batch) plain() bool { return b.verdict.command.n == 0 && b.claim.key.n == 0 }

// params are the parameters of [appendPlain] or [appendFull].
func (b *batch) params(epoch uuid.UUID) [][]byte {
	e, v := &b.event, &b.verdict
	p := [][]byte{
		epoch[:], binary.BigEndian.AppendUint64(nil, uint64(b.events)),
		b.present.stream.param(), b.present.version.param(), b.absent.stream.param(), b.absent.version.param(),
		e.stream.param(), e.version.param(), e.id.param(), e.command.param(), e.size.param(), e.kind.param(), e.schema.param(),
		e.data.param(), e.meta.param(), e.fingerprint.param(),
	}
	if b.plain() {
		return p
	}
	return append(p,
		v.command.param(), v.fingerprint.param(), v.offset.param(), v.refused.param(), v.code.param(), v.key.param(),
		v.kind.param(), v.data.param(), v.meta.param(), b.claim.key.param(), b.claim.offset.param())
}

// settle answers every proposal of a batch that was committed after position base.
func (b *batch) settle(base int64, recordedAt time.Time, epoch uuid.UUID) {
	for i := range b.items {
		it := &b.items[i]
		switch it.fate {
		case taken:
			it.p.settle(it.receiptAfter(base, epoch), nil)
		case wasCommitted:
			it.p.settle(it.receipt, nil)
		case lost:
			it.p.settle(Receipt{}, it.err)
		case claimTaken:
			it.p.settle(Receipt{}, &ClaimedError{Key: it.key, Position: base + b.items[it.other].offset + 1})
		case repeats:
			it.p.settle(Receipt{}, &DuplicateCommandError{Outcome: b.outcome(it.other, base, recordedAt, epoch)})
		}
	}
}

// fail answers every proposal with err.
func (b *batch) fail(err error) {
	for i := range b.items {
		b.items[i].p.settle(Receipt{}, err)
	}
}

func (it *item) receiptAfter(base int64, epoch uuid.UUID) Receipt {
	r := Receipt{First: base + it.offset, Last: base + it.offset, Epoch: epoch}
	if n := int64(it.p.Commit.events()); n > 0 {
		r.First, r.Last = r.First+1, r.Last+n
	}
	return r
}

// outcome is what a neighbour finds that repeats the command of item i.
func (b *batch) outcome(i int, base int64, recordedAt time.Time, epoch uuid.UUID) Outcome {
	it := &b.items[i]
	c := &it.p.Commit
	if it.fate == wasCommitted {
		return b.known.outcomes[c.CommandID].Outcome
	}
	return Outcome{CommandID: c.CommandID, Fingerprint: c.Fingerprint, Receipt: it.receiptAfter(base, epoch), Verdict: c.Verdict, RecordedAt: recordedAt}
}

// losses counts the proposals that are not taken.
func (b *batch) losses() int {
	n := 0
	for i := range b.items {
		if f := b.items[i].fate; f != taken && f != wasCommitted {
			n++
		}
	}
	return n
}
