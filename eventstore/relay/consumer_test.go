package relay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

func newConsumer(t testing.TB, cfg relay.ConsumerConfig) *relay.Consumer {
	t.Helper()
	c, err := relay.NewConsumer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// readTo reads events until the one at position last, without an error among them.
func readTo(t testing.TB, c *relay.Consumer, last int64) []eventstore.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var events []eventstore.Event
	for c.Position() <= last {
		batch, err := c.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 0 {
			t.Fatal("no events and no error")
		}
		events = append(events, batch...)
	}
	return events
}

func published(t testing.TB, b *broker, n int) (*eventstore.Memory, *running) {
	t.Helper()
	log := eventstore.NewMemory()
	fill(t, log, n)
	r := startRelay(t, relay.Config{Log: log, Conn: b.connect()})
	r.reaches(int64(n))
	return log, r
}

func TestConsumerFollows(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	log, r := published(t, b, 3_000)
	c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect(), From: 501, MaxBatch: 400})
	got := readTo(t, c, 3_000)
	fill(t, log, 5)
	r.Wake()
	got = append(got, readTo(t, c, 3_005)...)
	want, err := log.ReadLog(t.Context(), 501, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	sameEvents(t, got, want)

	// Nothing there: the caller's deadline ends the wait, and the consumer is as before.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if batch, err := c.Next(ctx); len(batch) != 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %d events, %v", len(batch), err)
	}
	fill(t, log, 1)
	r.Wake()
	readTo(t, c, 3_006)
}

func TestConsumerTakesWhatIsThere(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	published(t, b, 1_000)
	c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect(), MaxBatch: 300})
	largest := 0
	for c.Position() <= 1_000 {
		batch, err := c.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, len(batch))
	}
	if largest < 2 || largest > 300 {
		t.Errorf("largest batch has %d events, want up to 300", largest)
	}
}

func TestSlowConsumerHoldsLittle(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	log, r := published(t, b, 100)
	c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect(), Buffer: 50, MaxBatch: 10, Heartbeat: 500 * time.Millisecond})
	events := readTo(t, c, 10)
	fill(t, log, 5_000)
	r.reaches(5_100)
	// Slower than two heartbeats: the server must not be taken for dead, nor anything be lost.
	idle, cancel := context.WithTimeout(t.Context(), 1_200*time.Millisecond)
	defer cancel()
	<-idle.Done()
	events = append(events, readTo(t, c, 5_100)...)
	want, err := log.ReadLog(t.Context(), 1, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	sameEvents(t, events, want)
}

func TestConsumerOutlivesTheServer(t *testing.T) {
	t.Parallel()
	tests := map[string]func(b *broker){
		"restarted":     func(b *broker) { b.restart(nil) },
		"disk wiped":    func(b *broker) { b.restart(b.wipe) },
		"stream remade": func(b *broker) { _ = jetStream(b.t, b.connect()).DeleteStream(b.t.Context(), relay.StreamName) },
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			log, r := published(t, b, 1_000)
			c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect(), Heartbeat: 500 * time.Millisecond})
			got := readTo(t, c, 1_000)
			damage(b)
			fill(t, log, 1_000)
			r.reaches(2_000)
			got = append(got, readTo(t, c, 2_000)...)
			want, err := log.ReadLog(t.Context(), 1, 10_000)
			if err != nil {
				t.Fatal(err)
			}
			sameEvents(t, got, want)
		})
	}
}

func TestGaps(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		from, to int64
		make     func(t *testing.T, b *broker) *eventstore.Memory
	}{
		{
			name: "the stream begins later", from: 1, to: 600,
			make: func(t *testing.T, b *broker) *eventstore.Memory {
				t.Helper()
				log := eventstore.NewMemory()
				fill(t, log, 1_000)
				startRelay(t, relay.Config{Log: log, Conn: b.connect(), Reseed: 400}).reaches(1_000)
				return log
			},
		},
		{
			name: "a damaged message in the middle", from: 501, to: 501,
			make: func(t *testing.T, b *broker) *eventstore.Memory {
				t.Helper()
				log, r := published(t, b, 1_000)
				b.restart(b.flip)
				r.reaches(1_000)
				return log
			},
		},
		{
			name: "messages deleted by an administrator", from: 301, to: 303,
			make: func(t *testing.T, b *broker) *eventstore.Memory {
				t.Helper()
				// A stream that was made without the denial; the relay sets it from then on.
				js := jetStream(t, b.connect())
				s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: relay.StreamName, Subjects: []string{"waybill.evt.>"}})
				if err != nil {
					t.Fatal(err)
				}
				log := eventstore.NewMemory()
				fill(t, log, 1_000)
				head, err := log.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				events, err := log.ReadLog(t.Context(), 1, 400)
				if err != nil {
					t.Fatal(err)
				}
				for i := range events {
					if _, err := js.PublishMsg(t.Context(), relay.Encode(&events[i], head.Epoch)); err != nil {
						t.Fatal(err)
					}
				}
				for seq := uint64(301); seq <= 303; seq++ {
					if err := s.DeleteMsg(t.Context(), seq); err != nil {
						t.Fatal(err)
					}
				}
				r := startRelay(t, relay.Config{Log: log, Conn: b.connect()})
				r.reaches(1_000)
				if holes := r.Status().Holes; holes != 3 {
					t.Errorf("relay counts %d holes, want 3", holes)
				}
				if err := s.DeleteMsg(t.Context(), 310); err == nil {
					t.Error("the relay left deletion allowed")
				}
				return log
			},
		},
	}
	for _, tt := range tests {
		for _, filters := range [][]string{nil, {relay.Subject("order", "", -1)}} {
			t.Run(fmt.Sprintf("%s, %d filters", tt.name, len(filters)), func(t *testing.T) {
				t.Parallel()
				b := startBroker(t)
				log := tt.make(t, b)
				c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect(), Filters: filters, Heartbeat: 500 * time.Millisecond})
				var got []eventstore.Event
				gaps := 0
				for c.Position() <= 1_000 {
					batch, err := c.Next(t.Context())
					got = append(got, batch...)
					if err == nil {
						continue
					}
					gap, ok := errors.AsType[*relay.GapError](err)
					if !ok || len(batch) != 0 || !errors.Is(err, relay.ErrGap) {
						t.Fatalf("error %v with %d events", err, len(batch))
					}
					if gap.From != tt.from || gap.To != tt.to {
						t.Fatalf("gap %d to %d, want %d to %d", gap.From, gap.To, tt.from, tt.to)
					}
					missing, err := log.ReadLog(t.Context(), gap.From, int(gap.To-gap.From+1))
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, missing...)
					gaps++
				}
				if gaps != 1 {
					t.Errorf("%d gaps, want 1", gaps)
				}
				want, err := log.ReadLog(t.Context(), 1, 10_000)
				if err != nil {
					t.Fatal(err)
				}
				sameEvents(t, got, want)
			})
		}
	}
}

func TestConsumerSeesAnotherEpoch(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	log := eventstore.NewMemory()
	fill(t, log, 100)
	src := newSource(log)
	cfg := relay.Config{Log: src, Conn: b.connect()}
	r := startRelay(t, cfg)
	r.reaches(100)
	c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect(), Heartbeat: 500 * time.Millisecond})
	readTo(t, c, 100)
	other := uuid.New()
	src.set(shortened{Source: log, last: 90, epoch: other})
	r.becomes(relay.Forked)
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.reaches(90)
	for range 2 { // it stays where it is
		batch, err := c.Next(t.Context())
		changed, ok := errors.AsType[*relay.EpochError](err)
		if !ok || len(batch) != 0 || changed.Got != other || !strings.Contains(err.Error(), "waybill doctor") {
			t.Fatalf("got %d events, %v", len(batch), err)
		}
	}
	// Whoever starts with a checkpoint of the old epoch is told at once, whoever starts anew takes the new one.
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := newConsumer(t, relay.ConsumerConfig{Conn: b.connect(), From: 50, Epoch: head.Epoch})
	if _, err := old.Next(t.Context()); !errors.Is(err, relay.ErrEpoch) {
		t.Errorf("error %v, want %v", err, relay.ErrEpoch)
	}
	readTo(t, newConsumer(t, relay.ConsumerConfig{Conn: b.connect(), Epoch: other}), 90)
}

// A message that is not an event is a gap to a consumer: what belongs there is in the log.
func TestConsumerMeetsAForeignMessage(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	_, r := published(t, b, 10)
	if _, err := jetStream(t, b.connect()).Publish(t.Context(), "waybill.evt.order.placed.1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	r.becomes(relay.Forked)
	c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect()})
	readTo(t, c, 10)
	_, err := c.Next(t.Context())
	gap, ok := errors.AsType[*relay.GapError](err)
	if !ok || gap.From != 11 || gap.To != 11 || gap.Underlying == nil {
		t.Fatalf("error %v, want a gap at 11 with a reason", err)
	}
	// The log has no such event either: the caller goes back to where the log ends.
	c.Resume(11)
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.reaches(10)
	if c.Position() != 11 {
		t.Errorf("position %d, want 11", c.Position())
	}
}

func TestConsumerFilters(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	log, _ := published(t, b, 2_000)
	filters := make([]string, 0, 16)
	for p := range 32 {
		filters = append(filters, relay.Subject("order", "", p*2))
	}
	all, err := log.ReadLog(t.Context(), 1, 2_000)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(all, func(e eventstore.Event) bool {
		meta, err := e.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		return relay.Partition(meta.Key)%2 != 0
	})
	if len(want) == 0 { // one chance in a million
		t.Fatal("no key of this run falls into the partitions")
	}
	c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect(), Filters: filters})
	sameEvents(t, readTo(t, c, want[len(want)-1].Position), want)
}

func TestConsumerEvents(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	log, _ := published(t, b, 500)
	c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect()})
	var got []eventstore.Event
	for len(got) < 500 {
		for e, err := range c.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
			if len(got)%7 == 0 {
				break // and go on behind it
			}
			if len(got) == 500 {
				break
			}
		}
	}
	want, err := log.ReadLog(t.Context(), 1, 500)
	if err != nil {
		t.Fatal(err)
	}
	sameEvents(t, got, want)
}

func TestConsumerCloses(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	published(t, b, 10)
	c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect()})
	readTo(t, c, 10)
	done := make(chan error)
	go func() {
		_, err := c.Next(context.WithoutCancel(t.Context()))
		done <- err
	}()
	c.Close()
	c.Close()
	if err := <-done; !errors.Is(err, relay.ErrClosed) {
		t.Errorf("error %v, want %v", err, relay.ErrClosed)
	}
	info := streamInfo(t.Context(), jetStream(t, b.connect()))
	if info.State.Consumers != 0 {
		t.Errorf("server still has %d consumers", info.State.Consumers)
	}
}

func TestConsumerConfigIsChecked(t *testing.T) {
	t.Parallel()
	nc := &nats.Conn{}
	for says, cfg := range map[string]relay.ConsumerConfig{
		"Conn":      {},
		"From":      {Conn: nc, From: -1},
		"MaxBatch":  {Conn: nc, MaxBatch: -1},
		"Buffer":    {Conn: nc, Buffer: -1},
		"Heartbeat": {Conn: nc, Heartbeat: time.Millisecond},
	} {
		if _, err := relay.NewConsumer(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one about %s", err, says)
		}
	}
}
