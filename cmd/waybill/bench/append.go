package bench

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"

	"waybill/eventstore"
)

const (
	happened        = "bench.happened"
	dataBytes       = 300
	streamsOfClient = 16 // that a client of append-existing goes round
)

// payload is what every event of these workloads carries: data of 300 bytes, and metadata that say nothing.
func payload() (data, meta []byte) {
	return bytes.Repeat([]byte("waybill."), dataBytes/8+1)[:dataBytes], []byte{0x80}
}

func newStream() string { return "order-" + newID().String() }

// commit is events of the payload on one stream.
func commit(stream string, expected int64, events int) eventstore.Commit {
	data, meta := payload()
	c := eventstore.Commit{CommandID: newID(), Streams: []eventstore.StreamEvents{{
		ID: stream, Expected: expected, Events: make([]eventstore.NewEvent, events),
	}}}
	for i := range c.Streams[0].Events {
		c.Streams[0].Events[i] = eventstore.NewEvent{Type: happened, Schema: 1, Data: data, Meta: meta}
	}
	return c
}

const insertYardstick = "one-row INSERT, a transaction each, into a bare table with the same columns and unique keys, a connection a client"

func appendNew() Workload {
	return Workload{
		Name: "append", Measures: "appends one event of 300 bytes to a new stream each, in a commit of its own",
		Yardstick: insertYardstick,
		Clients:   []int{1, 16, 64, 256}, Quick: []int{1, 64},
		Contests: func(ctx context.Context, e *Env) ([]Contest, error) { return appendContests(ctx, e, 0) },
	}
}

func appendExisting() Workload {
	return Workload{
		Name: "append-existing", Measures: "appends one event of 300 bytes to an existing stream at an expected version, in a commit of its own",
		Yardstick: insertYardstick,
		Clients:   []int{1, 16, 64, 256}, Quick: []int{1, 64},
		Contests: func(ctx context.Context, e *Env) ([]Contest, error) { return appendContests(ctx, e, streamsOfClient) },
	}
}

// route tells each client where its next event goes: to a new stream, or round streams of its own, so that no two
// clients expect the same version.
type route struct {
	streams int // of each client; 0: a new one each time
	places  []place
}

// place is where one client is.
type place struct {
	streams  []string
	versions []int64
	turn     int
}

func newRoute(clients, streams int) *route {
	r := &route{streams: streams, places: make([]place, clients)}
	for i := range r.places {
		for range streams {
			r.places[i].streams = append(r.places[i].streams, newStream())
		}
		r.places[i].versions = make([]int64, streams)
	}
	return r
}

// next is where the next event of a client goes, and the version that it will have.
func (r *route) next(client int) (stream string, version int64) {
	if r.streams == 0 {
		return newStream(), 1
	}
	p := &r.places[client]
	n := p.turn % r.streams
	p.turn++
	p.versions[n]++
	return p.streams[n], p.versions[n]
}

// begin makes the streams that are to exist, by their first events.
func (r *route) begin(ctx context.Context, log *eventstore.Postgres) error {
	var proposals []*eventstore.Proposal
	for client := range r.places {
		for range r.streams {
			stream, version := r.next(client)
			p, err := log.Propose(ctx, commit(stream, version-1, 1))
			if err != nil {
				return fmt.Errorf("make the streams: %w", err)
			}
			proposals = append(proposals, p)
		}
	}
	for _, p := range proposals {
		if _, err := p.Wait(ctx); err != nil {
			return fmt.Errorf("make the streams: %w", err)
		}
	}
	return nil
}

func appendContests(ctx context.Context, e *Env, streams int) ([]Contest, error) {
	log, err := e.Log(ctx)
	if err != nil {
		return nil, err
	}
	if err := makeBare(ctx, e); err != nil {
		return nil, err
	}
	var contests []Contest
	for _, clients := range e.Clients {
		contests = append(contests, Contest{Clients: clients, Unit: "events/s", Open: func(ctx context.Context, e *Env) ([]Side, error) {
			writers, err := bareWriters(ctx, e, clients)
			if err != nil {
				return nil, err
			}
			r := newRoute(clients, streams)
			if err := r.begin(ctx, log); err != nil {
				return nil, err
			}
			return []Side{appendSide(log, clients, r.next), insertSide(writers, newRoute(clients, streams).next)}, nil
		}})
	}
	return contests, nil
}

// appendSide lets clients append one event after the other, where next says.
func appendSide(log *eventstore.Postgres, clients int, next func(client int) (stream string, version int64)) Side {
	return Side{Name: "append", Run: func(ctx context.Context, r Round) (Measurement, error) {
		c, err := newCensus(ctx, log)
		if err != nil {
			return Measurement{}, err
		}
		m, err := EachClient(ctx, clients, r.For, func(ctx context.Context, client int) error {
			stream, version := next(client)
			receipt, err := log.Append(ctx, commit(stream, version-1, 1))
			c.add(receipt)
			return err
		})
		if err != nil {
			return Measurement{}, err
		}
		return m, c.check(ctx, m.Count, 1)
	}}
}

// census holds the log to what was acknowledged: as many events as that, at positions that follow one another, each
// given to one commit.
type census struct {
	log    eventstore.Reader
	before int64
	sum    atomic.Int64 // of the last positions of all receipts
}

func newCensus(ctx context.Context, log eventstore.Reader) (*census, error) {
	head, err := log.Head(ctx)
	return &census{log: log, before: head.Position}, err
}

func (c *census) add(r eventstore.Receipt) { c.sum.Add(r.Last - c.before) }

// check wants commits of so many events each, and reads the log to see them.
func (c *census) check(ctx context.Context, commits, events int64) error {
	head, err := c.log.Head(ctx)
	if err != nil {
		return err
	}
	if got := head.Position - c.before; got != commits*events {
		return fmt.Errorf("the log has %d new events, and %d were acknowledged", got, commits*events)
	}
	// The last positions of commits of one size are size, 2×size, 3×size, … in some order.
	if got, want := c.sum.Load(), events*commits*(commits+1)/2; got != want {
		return fmt.Errorf("the positions of the receipts add up to %d, not to %d: one was given twice, or one was left out", got, want)
	}
	return c.dense(ctx, head.Position)
}

// dense reads what was appended.
func (c *census) dense(ctx context.Context, head int64) error {
	for next := c.before + 1; next <= head; {
		page, err := c.log.ReadLog(ctx, next, eventstore.MaxPage)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return fmt.Errorf("the log ends before position %d, and its head is %d", next, head)
		}
		for i := range page {
			if page[i].Position != next {
				return fmt.Errorf("position %d comes where %d is due", page[i].Position, next)
			}
			next++
		}
	}
	return nil
}
