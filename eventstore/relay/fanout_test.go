package relay_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

// following is a Fanout at work.
type following struct {
	*relay.Fanout
	t    testing.TB
	stop func() // waits until it has ended
}

func startFanout(t testing.TB, cfg relay.FanoutConfig) *following {
	t.Helper()
	cfg.Heartbeat = 500 * time.Millisecond
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	fanout, err := relay.NewFanout(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := &following{Fanout: fanout, t: t}
	f.start()
	return f
}

func (f *following) start() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f.Run(ctx); err != nil {
			f.t.Errorf("run: %v", err)
		}
	})
	f.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	f.t.Cleanup(f.stop)
}

// passed waits until the window ends at position, or later.
func (f *following) passed(position int64, epoch uuid.UUID) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	if _, err := f.Next(ctx, position, epoch); err != nil && !errors.Is(err, relay.ErrBehind) {
		f.t.Fatal(err)
	}
}

// ends asks for what is not there yet, and expects nothing.
func (f *following) ends(from int64, epoch uuid.UUID) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Millisecond)
	defer cancel()
	if events, err := f.Next(ctx, from, epoch); len(events) > 0 || !errors.Is(err, context.DeadlineExceeded) {
		f.t.Fatalf("position %d: got %d events, error %v, want nothing", from, len(events), err)
	}
}

// behind expects to be sent to the log, up to position to.
func (f *following) behind(from, to int64, epoch uuid.UUID) {
	f.t.Helper()
	events, err := f.Next(f.t.Context(), from, epoch)
	if b, ok := errors.AsType[*relay.BehindError](err); !ok || len(events) > 0 || b.From != from || b.To != to {
		f.t.Fatalf("position %d: got %d events, error %v, want to be behind up to %d", from, len(events), err, to)
	}
}

// read reads as a runner does, from the log where it is sent there, and returns how many events came from the window.
func (f *following) read(log eventstore.Reader, from, to int64, epoch uuid.UUID, each func([]eventstore.Event)) (shared int) {
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	for from <= to {
		events, err := f.Next(ctx, from, epoch)
		shared += len(events)
		if b, ok := errors.AsType[*relay.BehindError](err); ok {
			events, err = log.ReadLog(ctx, from, int(b.To-from+1))
		}
		if err != nil || len(events) == 0 {
			f.t.Errorf("read from %d: %d events, error %v", from, len(events), err)
			return shared
		}
		for i := range events {
			if events[i].Position != from+int64(i) {
				f.t.Errorf("position %d came where %d should", events[i].Position, from+int64(i))
				return shared
			}
		}
		each(events)
		from += int64(len(events))
	}
	return shared
}

func epochOf(t testing.TB, log eventstore.Reader) uuid.UUID {
	t.Helper()
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return head.Epoch
}

// Readers begin anywhere and read at their own speed while more comes than is kept: each sees every event once, in
// order, as the log has it, and the server sends it once for all of them.
func TestFanoutReadersOfEverySpeed(t *testing.T) {
	t.Parallel()
	const before, during = 300, 6_000
	b := startBroker(t)
	log, r := published(t, b, before)
	epoch := epochOf(t, log)
	f := startFanout(t, relay.FanoutConfig{Conn: b.connect(), Events: 200})
	f.behind(1, before, epoch) // it begins at the end
	var readers sync.WaitGroup
	for n := range 12 {
		from := int64(1 + n*before/6) // half of them ahead of what there is
		rnd := rand.New(rand.NewPCG(uint64(n), 0))
		readers.Go(func() {
			var got []eventstore.Event
			shared := f.read(log, from, before+during, epoch, func(events []eventstore.Event) {
				got = append(got, events...)
				if n%3 == 0 { // slow
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(10))*time.Millisecond)
					defer cancel()
					<-ctx.Done()
				}
			})
			want, err := log.ReadLog(t.Context(), from, before+during)
			if err != nil || len(got) != len(want) {
				t.Errorf("reader %d: %d events, want %d; error %v", n, len(got), len(want), err)
				return
			}
			for i := range got {
				if relay.Hash(&got[i]) != relay.Hash(&want[i]) {
					t.Errorf("reader %d, position %d: got %+v, want %+v", n, want[i].Position, got[i], want[i])
					return
				}
			}
			if shared == 0 {
				t.Errorf("reader %d had nothing from the stream", n)
			}
		})
	}
	for range during / 100 {
		fill(t, log, 100)
		r.Wake()
	}
	f.passed(before+during, epoch)
	if n := streamInfo(t.Context(), jetStream(t, b.connect())).State.Consumers; n != 1 {
		t.Errorf("server has %d consumers, want 1", n)
	}
	readers.Wait()
}

func TestFanoutKeepsTheNewest(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]relay.FanoutConfig{
		"by number": {Events: 50},
		"by size":   {Bytes: 80_000}, // 300 bytes of data, about as many of metadata, and what an event takes by itself
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			log, r := published(t, b, 10)
			epoch := epochOf(t, log)
			cfg.Conn = b.connect()
			f := startFanout(t, cfg)
			f.behind(10, 10, epoch)
			f.ends(11, epoch)
			fill(t, log, 990)
			r.reaches(1_000)
			f.passed(1_000, epoch)
			_, err := f.Next(t.Context(), 11, epoch)
			behind, ok := errors.AsType[*relay.BehindError](err)
			if !ok {
				t.Fatalf("error %v, want to be behind", err)
			}
			if kept := 1_000 - behind.To; kept < 40 || kept > 60 || cfg.Events > 0 && kept != 50 {
				t.Errorf("%d events are kept", kept)
			}
			first, err := f.Next(t.Context(), behind.To+1, epoch)
			if err != nil {
				t.Fatal(err)
			}
			second, err := f.Next(t.Context(), behind.To+1, epoch)
			if err != nil {
				t.Fatal(err)
			}
			if &first[0] != &second[0] || cap(first) != len(first) {
				t.Error("readers are given copies, or room to write")
			}
			want, err := log.ReadLog(t.Context(), behind.To+1, 100)
			if err != nil {
				t.Fatal(err)
			}
			sameEvents(t, first, want)
			fill(t, log, 500) // what was handed out stays as it is
			r.reaches(1_500)
			f.passed(1_500, epoch)
			sameEvents(t, first, want)
		})
	}
}

func TestFanoutOutlivesTheServer(t *testing.T) {
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
			log, r := published(t, b, 100)
			epoch := epochOf(t, log)
			f := startFanout(t, relay.FanoutConfig{Conn: b.connect()})
			f.behind(100, 100, epoch)
			fill(t, log, 100)
			r.Wake()
			f.passed(200, epoch)
			damage(b)
			f.ends(201, epoch)
			fill(t, log, 100)
			r.reaches(300)
			if shared := f.read(log, 101, 300, epoch, func([]eventstore.Event) {}); shared != 200 {
				t.Errorf("%d events came from the stream, want all 200", shared)
			}
		})
	}
}

// It may be made before there is a server, and a stream.
func TestFanoutWaitsForTheStream(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.stop()
	f := startFanout(t, relay.FanoutConfig{Conn: b.connect(nats.RetryOnFailedConnect(true))})
	log := eventstore.NewMemory()
	epoch := epochOf(t, log)
	if _, err := f.Published(t.Context()); err == nil {
		t.Error("a server that is away has a stream")
	}
	f.ends(1, epoch)
	b.start()
	r := startRelay(t, relay.Config{Log: log, Conn: b.connect()})
	r.reaches(0)
	eventually(t, func() error {
		fill(t, log, 1)
		r.Wake()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := f.Next(ctx, 1, epoch)
		if errors.Is(err, relay.ErrBehind) {
			return nil
		}
		return err
	})
	if last, err := f.Published(t.Context()); err != nil || last < 1 {
		t.Errorf("published up to %d, error %v", last, err)
	}
}

func TestFanoutStopsAndStarts(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	log, r := published(t, b, 10)
	epoch := epochOf(t, log)
	f := startFanout(t, relay.FanoutConfig{Conn: b.connect()})
	f.behind(10, 10, epoch)
	fill(t, log, 10)
	r.Wake()
	f.passed(20, epoch)
	f.stop()
	if n := streamInfo(t.Context(), jetStream(t, b.connect())).State.Consumers; n != 0 {
		t.Errorf("server still has %d consumers", n)
	}
	f.read(log, 11, 20, epoch, func([]eventstore.Event) {}) // still there
	f.ends(21, epoch)

	// Nothing was missed: the window goes on.
	f.start()
	eventually(t, func() error {
		if n := streamInfo(t.Context(), jetStream(t, b.connect())).State.Consumers; n != 1 {
			return fmt.Errorf("server has %d consumers", n)
		}
		return nil
	})
	fill(t, log, 10)
	r.Wake()
	if shared := f.read(log, 11, 30, epoch, func([]eventstore.Event) {}); shared != 20 {
		t.Errorf("%d events came from the stream, want 20", shared)
	}
	f.stop()

	// Something was: a window without holes begins behind it.
	fill(t, log, 10)
	r.reaches(40)
	f.start()
	f.passed(40, epoch)
	f.behind(11, 40, epoch)
	fill(t, log, 10)
	r.Wake()
	if shared := f.read(log, 11, 50, epoch, func([]eventstore.Event) {}); shared != 10 {
		t.Errorf("%d events came from the stream, want 10", shared)
	}
}

// plainStream makes a stream that does not say of which epoch it is, with the first event of a log in it, and a Fanout
// that has seen it.
func plainStream(t *testing.T, first *eventstore.Event, epoch uuid.UUID) (jetstream.JetStream, *following) {
	t.Helper()
	b := startBroker(t)
	js := jetStream(t, b.connect())
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: relay.StreamName, Subjects: []string{"waybill.evt.>"}}); err != nil {
		t.Fatal(err)
	}
	f := startFanout(t, relay.FanoutConfig{Conn: b.connect()})
	if _, err := js.PublishMsg(t.Context(), relay.Encode(first, epoch)); err != nil {
		t.Fatal(err)
	}
	f.passed(1, epoch) // it may have begun before that event or behind it
	return js, f
}

func TestFanoutMeetsAGap(t *testing.T) {
	t.Parallel()
	log := eventstore.NewMemory()
	epoch := epochOf(t, log)
	fill(t, log, 30)
	events, err := log.ReadLog(t.Context(), 1, 30)
	if err != nil {
		t.Fatal(err)
	}
	js, f := plainStream(t, &events[0], epoch)
	for i := 1; i < 30; i++ {
		msg := relay.Encode(&events[i], epoch)
		if i == 19 {
			msg = nats.NewMsg(msg.Subject) // no event
		}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	f.passed(30, epoch)
	f.behind(20, 20, epoch)
	f.behind(15, 20, epoch)
	if shared := f.read(log, 20, 30, epoch, func([]eventstore.Event) {}); shared != 10 {
		t.Errorf("%d events came from the stream, want the 10 behind the gap", shared)
	}
}

// The stream does not say that it is of another epoch, but a message does.
func TestFanoutMeetsAnotherEpoch(t *testing.T) {
	t.Parallel()
	log := eventstore.NewMemory()
	old, other := epochOf(t, log), uuid.New()
	fill(t, log, 3)
	events, err := log.ReadLog(t.Context(), 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	js, f := plainStream(t, &events[0], old)
	for i, epoch := range []uuid.UUID{old, other} {
		if _, err := js.PublishMsg(t.Context(), relay.Encode(&events[1+i], epoch)); err != nil {
			t.Fatal(err)
		}
	}
	for from := int64(2); ; from++ {
		if events, err := f.Next(t.Context(), from, old); err != nil {
			if !errors.Is(err, relay.ErrEpoch) {
				t.Errorf("position %d: got %d events, error %v, want %v", from, len(events), err, relay.ErrEpoch)
			}
			break
		}
	}
	if _, err := f.Next(t.Context(), 1, old); !errors.Is(err, relay.ErrEpoch) {
		t.Errorf("error %v, want %v", err, relay.ErrEpoch)
	}
}

func TestFanoutSeesAnotherEpoch(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	log := eventstore.NewMemory()
	fill(t, log, 100)
	src := newSource(log)
	r := startRelay(t, relay.Config{Log: src, Conn: b.connect()})
	r.reaches(100)
	old, other := epochOf(t, log), uuid.New()
	f := startFanout(t, relay.FanoutConfig{Conn: b.connect()})
	f.behind(100, 100, old)
	waits := make(chan error, 1)
	go func() {
		_, err := f.Next(context.WithoutCancel(t.Context()), 101, old)
		waits <- err
	}()
	src.set(shortened{Source: log, last: 90, epoch: other})
	r.becomes(relay.Forked)
	if err := r.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.reaches(90)
	err := <-waits
	if changed, ok := errors.AsType[*relay.EpochError](err); !ok || changed.Want != old || changed.Got != other {
		t.Errorf("error %v, want that the epoch is %s", err, other)
	}
	for _, from := range []int64{1, 90, 91, 101} { // it stays so, wherever the caller stands
		if events, err := f.Next(t.Context(), from, old); len(events) > 0 || !errors.Is(err, relay.ErrEpoch) {
			t.Errorf("position %d: got %d events, error %v, want %v", from, len(events), err, relay.ErrEpoch)
		}
	}
	src.set(shortened{Source: log, last: 100, epoch: other})
	r.Wake()
	r.reaches(100)
	f.passed(100, other)
	f.ends(101, other)
}

func TestFanoutConfigIsChecked(t *testing.T) {
	t.Parallel()
	nc := &nats.Conn{}
	for name, cfg := range map[string]relay.FanoutConfig{
		"no connection":   {},
		"negative number": {Conn: nc, Events: -1},
		"negative size":   {Conn: nc, Bytes: -1},
		"heartbeat":       {Conn: nc, Heartbeat: time.Millisecond},
	} {
		if _, err := relay.NewFanout(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
