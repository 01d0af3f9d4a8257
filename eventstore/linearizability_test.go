package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

// The size of a history. More of it on one stream makes the checker slow without making it sharper.
const (
	lineClients = 8
	lineStreams = 6
	lineOps     = 100 // of each client
)

// TestAppendsAreLinearizable: several clients over two processes on one database, whose connections are cut at the
// worst moments and whose callers lose patience. Whatever they were told, there is an order of the operations in which
// each took place at once, somewhere between its call and its return.
func TestAppendsAreLinearizable(t *testing.T) {
	t.Parallel()
	direct := devtest.Database(t)
	quick, throughQuick := startProxy(t, direct)
	patient, throughPatient := startProxy(t, direct)
	// One gives up at the first cut, and says that the outcome is unknown. The other finds out before it answers.
	stores := []*eventstore.Postgres{
		openLogWith(t, eventstore.PostgresConfig{DSN: throughQuick, MaxBatchEvents: 4, RetryFor: time.Millisecond}),
		openLogWith(t, eventstore.PostgresConfig{DSN: throughPatient, MaxBatchEvents: 4}),
	}
	h := newHistory(t, stores[0], stores[1])
	cutter := newCutter(t, direct, quick, patient)
	h.run(func(ops int) {
		if ops%25 == 0 {
			cutter.next()
		}
	})
	for _, p := range []*proxy{quick, patient} {
		p.arm(pass)
	}
	cutter.settled()
	operations, versions := h.end(openLog(t, direct))
	if err := judge(operations, versions); err != nil {
		t.Error(err)
		draw(t, operations)
	}
	count := map[fate]int{}
	for _, o := range operations {
		count[o.Output.(told).fate]++
	}
	t.Logf("%d operations: %d done, %d refused, %d unknown; %d cuts", len(operations), count[done], count[refused], count[unknown], quick.cuts.Load()+patient.cuts.Load())
	if count[unknown] < 5 || count[refused] < 50 || quick.cuts.Load() < 3 || patient.cuts.Load() < 3 {
		t.Error("too little went wrong: the history shows nothing")
	}
	h.mutilated(operations, versions)
}

// mutilated shows that the history is judged: each of these lies in it is found.
func (h *history) mutilated(operations []porcupine.Operation, versions map[uuid.UUID]int64) {
	h.t.Helper()
	find := func(what string, is func(asked, told) bool) int {
		i := slices.IndexFunc(operations, func(o porcupine.Operation) bool { return is(o.Input.(asked), o.Output.(told)) })
		if i < 0 {
			h.t.Fatalf("history has no %s", what)
		}
		return i
	}
	isAppend := func(in asked, out told) bool { return in.id != uuid.Nil && out.fate == done && out.version < 5 }
	isLateRead := func(in asked, out told) bool { return in.id == uuid.Nil && out.version > 20 }
	isRefusal := func(_ asked, out told) bool { return out.fate == refused }
	for name, lie := range map[string]func([]porcupine.Operation) []porcupine.Operation{
		"an acknowledged append is not in the history": func(ops []porcupine.Operation) []porcupine.Operation {
			i := find("append", isAppend)
			return slices.Delete(ops, i, i+1)
		},
		"an acknowledged append is taken for a refused one": func(ops []porcupine.Operation) []porcupine.Operation {
			o := &ops[find("append", isAppend)]
			o.Output = told{fate: refused, version: o.Output.(told).version}
			return ops
		},
		"a refused append is taken for an acknowledged one": func(ops []porcupine.Operation) []porcupine.Operation {
			o := &ops[find("refusal", isRefusal)]
			o.Output = told{fate: done, version: o.Input.(asked).expected + 1}
			return ops
		},
		"a refusal tells a version that never was": func(ops []porcupine.Operation) []porcupine.Operation {
			ops[find("refusal", isRefusal)].Output = told{fate: refused, version: 100_000}
			return ops
		},
		"a read sees nothing": func(ops []porcupine.Operation) []porcupine.Operation {
			ops[find("read", isLateRead)].Output = told{}
			return ops
		},
		"a read sees another event": func(ops []porcupine.Operation) []porcupine.Operation {
			o := &ops[find("read", isLateRead)]
			out := o.Output.(told)
			out.hash[0] ^= 1
			o.Output = out
			return ops
		},
		"a late append stands at the first position": func(ops []porcupine.Operation) []porcupine.Operation {
			o := &ops[find("late append", func(in asked, out told) bool { return in.id != uuid.Nil && out.version > 20 && out.first > 0 })]
			out := o.Output.(told)
			out.first = 1
			o.Output = out
			return ops
		},
	} {
		lying := lie(slices.Clone(operations))
		// The model alone has to find what is in its reach, without the help of the log.
		if err := errors.Join(linearizable(dropUnknown(lying, versions)), inRealTime(lying)); err == nil {
			h.t.Errorf("%s: not found", name)
		}
	}
}

// dropUnknown resolves what is unknown, and compares nothing.
func dropUnknown(ops []porcupine.Operation, versions map[uuid.UUID]int64) []porcupine.Operation {
	var known []porcupine.Operation
	for _, o := range ops {
		if o.Output.(told).fate == unknown {
			version, stored := versions[o.Input.(asked).id]
			if !stored {
				continue
			}
			o.Output = told{fate: done, version: version}
		}
		known = append(known, o)
	}
	return known
}

// TestBrokenLogsAreFound runs the same clients against logs that break the contract.
func TestBrokenLogsAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		broken func(*eventstore.Memory) eventstore.Log
		sound  bool
	}{
		"nothing is broken":               {func(m *eventstore.Memory) eventstore.Log { return m }, true},
		"every tenth append is forgotten": {func(m *eventstore.Memory) eventstore.Log { return &forgetful{Memory: m} }, false},
		"expected versions do not count":  {func(m *eventstore.Memory) eventstore.Log { return &obliging{Memory: m} }, false},
		"every tenth read is old":         {func(m *eventstore.Memory) eventstore.Log { return &stale{Memory: m} }, false},
		"every tenth refusal is a lie":    {func(m *eventstore.Memory) eventstore.Log { return &liar{Memory: m} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := eventstore.NewMemory()
			log := c.broken(inner)
			h := newHistory(t, log, log)
			h.run(func(int) {})
			operations, versions := h.end(inner)
			if err := judge(operations, versions); (err == nil) != c.sound {
				t.Errorf("judged: %v", err)
			}
		})
	}
}

// forgetful acknowledges what it does not store.
type forgetful struct {
	*eventstore.Memory
	n atomic.Int64
}

func (l *forgetful) Append(ctx context.Context, c eventstore.Commit) (eventstore.Receipt, error) {
	if l.n.Add(1)%10 == 0 {
		h, err := l.Head(ctx)
		return eventstore.Receipt{First: h.Position + 1, Last: h.Position + 1, Epoch: h.Epoch}, err
	}
	return l.Memory.Append(ctx, c)
}

// obliging appends whatever was expected.
type obliging struct {
	*eventstore.Memory
	mu sync.Mutex
}

func (l *obliging) Append(ctx context.Context, c eventstore.Commit) (eventstore.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	streams := slices.Clone(c.Streams)
	for i := range streams {
		streams[i].Expected = 0
		for _, err := range l.ReadStream(ctx, streams[i].ID, 1) {
			if err != nil {
				return eventstore.Receipt{}, err
			}
			streams[i].Expected++
		}
	}
	c.Streams = streams
	return l.Memory.Append(ctx, c)
}

// stale reads what there was some time ago.
type stale struct {
	*eventstore.Memory
	n atomic.Int64
}

func (l *stale) ReadStream(ctx context.Context, stream string, from int64) iter.Seq2[eventstore.Event, error] {
	return func(yield func(eventstore.Event, error) bool) {
		all := slices.Collect(func(yield func(eventstore.Event) bool) {
			for e, err := range l.Memory.ReadStream(ctx, stream, from) {
				if err != nil || !yield(e) {
					return
				}
			}
		})
		if l.n.Add(1)%10 == 0 {
			all = all[:len(all)/2]
		}
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// liar appends and says that it did not.
type liar struct {
	*eventstore.Memory
	n atomic.Int64
}

func (l *liar) Append(ctx context.Context, c eventstore.Commit) (eventstore.Receipt, error) {
	r, err := l.Memory.Append(ctx, c)
	if err == nil && l.n.Add(1)%10 == 0 {
		return eventstore.Receipt{}, &eventstore.ConflictError{Stream: c.Streams[0].ID, Expected: c.Streams[0].Expected, Actual: c.Streams[0].Expected + 1}
	}
	return r, err
}

// cutter breaks the connections of two processes, in turn.
type cutter struct {
	t       *testing.T
	admin   *pgx.Conn
	proxies []*proxy
	mu      sync.Mutex
	n       int
}

func newCutter(t *testing.T, direct string, proxies ...*proxy) *cutter {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.WithoutCancel(t.Context())) })
	return &cutter{t: t, admin: admin, proxies: proxies}
}

const appenders = " FROM pg_stat_activity WHERE application_name = 'waybill waybill_append' AND datname = current_database()"

func (c *cutter) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.proxies[c.n%len(c.proxies)]
	switch c.n++; c.n / len(c.proxies) % 3 {
	case 0:
		p.arm(cutRequest)
	case 1:
		p.arm(cutAnswer)
	case 2:
		if _, err := c.admin.Exec(c.t.Context(), "SELECT pg_terminate_backend(pid)"+appenders); err != nil {
			c.t.Errorf("terminate the appenders: %v", err)
		}
	}
}

// settled waits until nobody is at work in the database: what was cut off has been carried out by then, or never is.
func (c *cutter) settled() {
	c.t.Helper()
	eventually(c.t, "appends that were cut off to end", func() bool {
		var busy int
		if err := c.admin.QueryRow(c.t.Context(), "SELECT count(*)"+appenders+" AND state <> 'idle'").Scan(&busy); err != nil {
			c.t.Fatal(err)
		}
		return busy == 0
	})
}

// history is what clients asked and what they were told.
type history struct {
	t     *testing.T
	logs  []eventstore.Log
	start time.Time
	n     atomic.Int64

	mu         sync.Mutex
	operations []porcupine.Operation
}

func newHistory(t *testing.T, logs ...eventstore.Log) *history {
	t.Helper()
	return &history{t: t, logs: logs, start: time.Now()}
}

// run lets the clients do all that they do. between is called after every operation.
func (h *history) run(between func(ops int)) {
	seed := rand.Uint64()
	h.t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for id := range lineClients {
		c := &client{history: h, id: id, log: h.logs[id%len(h.logs)], rnd: rand.New(rand.NewPCG(seed, uint64(id))), known: map[string]int64{}}
		wg.Go(func() {
			for range lineOps {
				c.act()
				between(int(h.n.Add(1)))
			}
		})
	}
	wg.Wait()
}

// end waits until everything that was queued is decided, reads every stream once more as the last word, and returns
// the history and the version of each event in the log.
func (h *history) end(direct eventstore.Log) ([]porcupine.Operation, map[uuid.UUID]int64) {
	h.t.Helper()
	for i, log := range h.logs {
		// A proposal that is answered tells that those before it are.
		for n := int64(0); ; n++ {
			_, err := log.Append(h.t.Context(), single(fmt.Sprintf("end-%d-%s", i, uuid.New()), 0))
			if err == nil {
				break
			}
			if n == 100 {
				h.t.Fatalf("log %d takes no commits any more: %v", i, err)
			}
		}
	}
	versions := map[uuid.UUID]int64{}
	last := &client{history: h, id: lineClients, log: direct, known: map[string]int64{}}
	for stream := range lineStreams {
		name := fmt.Sprintf("line-%d", stream)
		last.read(name)
		for e, err := range direct.ReadStream(h.t.Context(), name, 1) {
			if err != nil {
				h.t.Fatal(err)
			}
			versions[e.ID] = e.Version
		}
	}
	return h.operations, versions
}

func (h *history) clock() int64 { return int64(time.Since(h.start)) }

func (h *history) add(o porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, o)
}

// client does one thing after the other on one process.
type client struct {
	*history
	id    int
	log   eventstore.Log
	rnd   *rand.Rand
	known map[string]int64 // versions, as last heard of
}

func (c *client) act() {
	stream := fmt.Sprintf("line-%d", c.rnd.IntN(lineStreams))
	switch what := c.rnd.IntN(20); {
	case what < 6:
		c.read(stream)
	case what < 8:
		c.append(stream, max(c.known[stream]-1, 0)) // too late
	case what < 10:
		c.append(stream, c.known[stream]+1+c.rnd.Int64N(2)) // too early, unless others have gone on
	default:
		c.append(stream, c.known[stream])
	}
}

func (c *client) read(stream string) {
	call := c.clock()
	var s streamState
	for e, err := range c.log.ReadStream(c.t.Context(), stream, 1) {
		if err != nil {
			return // it was cut off, and tells nothing
		}
		s = s.with(e.ID)
	}
	c.add(porcupine.Operation{ClientId: c.id, Input: asked{stream: stream}, Call: call, Output: told{version: s.version, hash: s.hash}, Return: c.clock()})
	c.known[stream] = s.version
}

// append appends one event, now and then with little patience. Having been told that the outcome is unknown, it sends
// the same command again, or leaves it at that.
func (c *client) append(stream string, expected int64) {
	id := uuid.New()
	commit := single(stream, expected)
	commit.Streams[0].Events[0].ID = id
	in, call := asked{stream: stream, id: id, expected: expected}, c.clock()
	for doubtful := false; ; {
		out, err := c.try(commit)
		switch {
		case err == nil:
			if out.fate == done {
				c.known[stream] = out.version
			} else {
				c.known[stream] = out.version - c.rnd.Int64N(2) // do not all run for the same version
			}
			c.add(porcupine.Operation{ClientId: c.id, Input: in, Call: call, Output: out, Return: c.clock()})
			return
		case errors.Is(err, eventstore.ErrOutcomeUnknown):
			doubtful = true
		case !doubtful:
			return // nothing was committed: the log is asked at the end whether that is so
		}
		if c.rnd.IntN(2) == 0 {
			c.add(porcupine.Operation{ClientId: c.id, Input: in, Call: call, Output: told{fate: unknown}, Return: math.MaxInt64})
			return
		}
	}
}

func (c *client) try(commit eventstore.Commit) (told, error) {
	ctx := c.t.Context()
	if c.rnd.IntN(8) == 0 {
		impatient, cancel := context.WithTimeout(ctx, time.Duration(c.rnd.Int64N(int64(time.Millisecond))))
		defer cancel()
		ctx = impatient
	}
	r, err := c.log.Append(ctx, commit)
	expected := commit.Streams[0].Expected
	if err == nil {
		return told{version: expected + 1, first: r.First}, nil
	}
	if d, ok := errors.AsType[*eventstore.DuplicateCommandError](err); ok {
		return told{version: expected + 1, first: d.Outcome.Receipt.First}, nil
	}
	if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok && conflict.Expected == expected && conflict.Stream == commit.Streams[0].ID {
		return told{fate: refused, version: conflict.Actual}, nil
	}
	return told{}, err
}
