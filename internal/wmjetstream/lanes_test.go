package wmjetstream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/internal/wmjetstream"
)

// laneOf reads the lane of a message of these tests: what it says is "<lane> <number>".
func laneOf(m *message.Message) string {
	lane, _ := parse(m)
	return lane
}

func parse(m *message.Message) (lane string, n int) {
	if _, err := fmt.Sscan(string(m.Payload), &lane, &n); err != nil {
		panic(err)
	}
	return lane, n
}

func subscriber(t *testing.T, js jetstream.JetStream, change func(*wmjetstream.SubscriberConfig)) *wmjetstream.Subscriber {
	t.Helper()
	cfg := wmjetstream.SubscriberConfig{
		JetStream: js, Stream: "WM", Group: "lanes", Lanes: 4, Lane: laneOf, AckWait: time.Minute,
		NakDelay: time.Millisecond, MaxNakDelay: 8 * time.Millisecond, Grace: 20 * time.Second,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&cfg)
	}
	sub, err := wmjetstream.NewSubscriber(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Close() })
	return sub
}

func subscribe(t *testing.T, sub *wmjetstream.Subscriber, topic string) <-chan *message.Message {
	t.Helper()
	messages, err := sub.Subscribe(context.WithoutCancel(t.Context()), topic)
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func publish(t *testing.T, js jetstream.JetStream, subject string, each int, lanes ...string) {
	t.Helper()
	for n := range each {
		for _, lane := range lanes {
			if _, err := js.Publish(t.Context(), subject+"."+lane, fmt.Appendf(nil, "%s %d", lane, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// eventually asks until the answer is nil, for half a minute at most.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	end, tick := time.After(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatal(err)
		}
	}
}

// record is what handlers did.
type record struct {
	mu     sync.Mutex
	busy   map[string]bool
	most   int
	done   map[string][]int
	wrong  []string
	handed int
}

// handle nacks every message twice and acks it then, and holds what comes to the word of the package.
func (r *record) handle(m *message.Message) {
	lane, n := parse(m)
	r.mu.Lock()
	r.handed++
	if r.busy[lane] {
		r.wrong = append(r.wrong, fmt.Sprintf("%s %d came while another of its lane was out", lane, n))
	}
	r.busy[lane] = true
	r.most = max(r.most, len(r.busy))
	if want := len(r.done[lane]); n != want {
		r.wrong = append(r.wrong, fmt.Sprintf("%s %d came in place of %d", lane, n, want))
	}
	r.mu.Unlock()
	d, ok := wmjetstream.DeliveryOf(m)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, lane)
	if !ok || d.Attempt < 3 {
		m.Nack()
		return
	}
	r.done[lane] = append(r.done[lane], n)
	m.Ack()
}

func (r *record) count() (done int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.done {
		done += len(l)
	}
	return done
}

// TestLanesKeepOrder: every message is nacked twice, and the subscriber is closed and another one made again and again;
// messages of one lane still come one at a time and in order, each until it is acked, and none twice.
func TestLanesKeepOrder(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	lanes := []string{"a", "b", "c", "d", "e", "f"}
	const each = 40
	publish(t, b.connect(t), "wm.order", each, lanes...)
	r := &record{busy: map[string]bool{}, done: map[string][]int{}}
	for round := 1; r.count() < each*len(lanes); round++ {
		sub := subscriber(t, b.connect(t), nil)
		messages := subscribe(t, sub, "wm.order.>")
		var handlers sync.WaitGroup
		handlers.Go(func() {
			for m := range messages {
				handlers.Go(func() { r.handle(m) })
			}
		})
		eventually(t, func() error {
			if n, want := r.count(), min(round*50, each*len(lanes)); n < want {
				return fmt.Errorf("%d messages are done, want %d", n, want)
			}
			return nil
		})
		if err := sub.Close(); err != nil {
			t.Fatal(err)
		}
		handlers.Wait()
	}
	if len(r.wrong) > 0 {
		t.Errorf("%d things are wrong, such as: %s", len(r.wrong), r.wrong[0])
	}
	if want := 3 * each * len(lanes); r.handed < want || r.handed > want+2*8*5 {
		t.Errorf("messages were handed out %d times, want about %d", r.handed, want)
	}
}

// TestLanesSideBySide: four lanes have a message out at once, and none a second.
func TestLanesSideBySide(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	publish(t, b.connect(t), "wm.side", 2, "a", "b", "c", "d") // no two of these share a lane of four
	messages := subscribe(t, subscriber(t, b.connect(t), nil), "wm.side.>")
	var out []*message.Message
	for range 4 {
		select {
		case m := <-messages:
			out = append(out, m)
		case <-time.After(10 * time.Second):
			t.Fatalf("%d messages are out, want 4", len(out))
		}
	}
	select {
	case m := <-messages:
		t.Fatalf("%s came though every lane is busy", m.Payload)
	case <-time.After(100 * time.Millisecond):
	}
	for _, m := range out {
		if _, n := parse(m); n != 0 {
			t.Errorf("got %s first", m.Payload)
		}
		m.Ack()
	}
	for range 4 {
		m := <-messages
		if _, n := parse(m); n != 1 {
			t.Errorf("got %s second", m.Payload)
		}
		m.Ack()
	}
}

// TestKeepsWhatItHas: a handler takes longer than AckWait, and neither its message nor those behind it are handed out
// again by the server.
func TestKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	js := b.connect(t)
	publish(t, js, "wm.keep", 3, "a")
	const wait = time.Second
	messages := subscribe(t, subscriber(t, b.connect(t), func(c *wmjetstream.SubscriberConfig) { c.AckWait, c.Durable = wait, "keep" }), "wm.keep.>")
	m := <-messages
	consumer, err := js.Consumer(t.Context(), "WM", "keep")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, func() error {
		info, err := consumer.Info(t.Context())
		if err != nil {
			return err
		}
		if info.NumRedelivered > 0 || info.NumAckPending != 3 {
			t.Fatalf("%d messages were handed out again, %d are out", info.NumRedelivered, info.NumAckPending)
		}
		if time.Since(began) < 5*wait/2 {
			return errors.New("not yet")
		}
		return nil
	})
	m.Ack()
	for want := 1; want < 3; want++ {
		m := <-messages
		if _, n := parse(m); n != want {
			t.Errorf("got %s, want number %d", m.Payload, want)
		}
		m.Ack()
	}
}

func TestSubscriberConfig(t *testing.T) {
	t.Parallel()
	js := startBroker(t).connect(t)
	for name, change := range map[string]func(*wmjetstream.SubscriberConfig){
		"no connection":       func(c *wmjetstream.SubscriberConfig) { c.JetStream = nil },
		"no stream":           func(c *wmjetstream.SubscriberConfig) { c.Stream = "" },
		"no group":            func(c *wmjetstream.SubscriberConfig) { c.Group = "" },
		"lanes without names": func(c *wmjetstream.SubscriberConfig) { c.Lane = nil },
		"negative lanes":      func(c *wmjetstream.SubscriberConfig) { c.Lanes = -1 },
		"negative grace":      func(c *wmjetstream.SubscriberConfig) { c.Grace = -1 },
		"delays crossed":      func(c *wmjetstream.SubscriberConfig) { c.NakDelay, c.MaxNakDelay = 2, 1 },
	} {
		cfg := wmjetstream.SubscriberConfig{JetStream: js, Stream: "WM", Group: "g", Lanes: 2, Lane: laneOf}
		change(&cfg)
		if _, err := wmjetstream.NewSubscriber(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
