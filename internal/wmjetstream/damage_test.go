package wmjetstream_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"waybill/internal/wmjetstream"
)

// record layout of a block file: length (4 bytes), sequence, time, length of the subject, subject, body, checksum.
const recordHead = 4 + 8 + 8 + 2

// damage stops the broker, flips a bit of message a 5 (sequence 6) in its file, and starts it again.
func (b *broker) damage(t *testing.T, at func(record, body int) int) {
	t.Helper()
	s := b.current()
	s.Shutdown()
	s.WaitForShutdown()
	b.flip(t, at)
	b.start(t)
}

func (b *broker) flip(t *testing.T, at func(record, body int) int) {
	t.Helper()
	name := filepath.Join(b.options.StoreDir, "jetstream", "$G", "streams", "QUEUE", "msgs", "1.blk")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Index(data, []byte("a 5"))
	if body < 0 {
		t.Fatalf("message 6 is not in %s", name)
	}
	data[at(body-len("queue.a")-recordHead, body)] ^= 0x10
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func inBody(_, body int) int     { return body }
func inLength(record, _ int) int { return record }

// queue makes a work queue with 50 messages and a consumer that has given out taken of them.
func (b *broker) queue(t *testing.T, taken int) {
	t.Helper()
	js := b.connect(t)
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "QUEUE", Subjects: []string{"queue.>"}, Retention: jetstream.WorkQueuePolicy})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, js, "queue", 50, "a")
	c, err := js.CreateConsumer(t.Context(), "QUEUE", jetstream.ConsumerConfig{
		Durable: "d", FilterSubject: "queue.>", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second, MaxAckPending: 16, MaxDeliver: -1, // as the subscriber has it
	})
	if err != nil {
		t.Fatal(err)
	}
	if taken == 0 {
		return
	}
	batch, err := c.Fetch(taken)
	if err != nil {
		t.Fatal(err)
	}
	for range batch.Messages() { // and never answered
		taken--
	}
	if taken != 0 {
		t.Fatalf("%d messages were not given out: %v", taken, batch.Error())
	}
}

// TestDamage flips a bit on the server's disk. Whatever the server makes of it, what it still has is handed out, what is
// published later as well, and what is lost is told.
func TestDamage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		taken int // of 50, by a process that died
		at    func(record, body int) int
		left  int    // messages that the server still has
		lost  uint64 // at least
	}{
		{name: "a message that nobody had", at: inBody, left: 49, lost: 1},
		{name: "a message that somebody had", taken: 16, at: inBody, left: 49, lost: 1},
		// To the consumer 6 to 16 were given out, and now these sequences are given to what is published.
		{name: "the end of the stream, behind the consumer's back", taken: 16, at: inLength, left: 5, lost: 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			b.queue(t, tt.taken)
			b.damage(t, tt.at)
			js := b.connect(t)
			var lost atomic.Uint64
			messages := subscribe(t, subscriber(t, js, func(c *wmjetstream.SubscriberConfig) {
				c.Stream, c.Durable, c.AckWait, c.Watch = "QUEUE", "d", time.Second, 50*time.Millisecond
				c.OnLoss = func(n uint64) { lost.Add(n) }
			}), "queue.>")
			seen := map[int]bool{}
			receive := func(want int) {
				t.Helper()
				for len(seen) < want {
					select {
					case m := <-messages:
						_, n := parse(m)
						seen[n] = true
						m.Ack()
					case <-time.After(20 * time.Second):
						t.Fatalf("got %d messages, want %d", len(seen), want)
					}
				}
			}
			receive(tt.left)
			for n := range 3 {
				if _, err := js.Publish(t.Context(), "queue.a", fmt.Appendf(nil, "a %d", 100+n)); err != nil {
					t.Fatal(err)
				}
			}
			receive(tt.left + 3)
			eventually(t, func() error {
				select {
				case m := <-messages:
					m.Ack() // a second time
				default:
				}
				if got := lost.Load(); got < tt.lost {
					return fmt.Errorf("told of %d lost messages, want %d", got, tt.lost)
				}
				return nil
			})
		})
	}
}

// TestDamageUnderWay damages the file of a server that runs: to read it again the server cuts it short, and its consumer
// may go on waiting behind the old end, to which nothing comes (seen in about half of the runs without the watch). Then only
// a new consumer is sent what is published.
func TestDamageUnderWay(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.queue(t, 0)
	const forgets = 12 * time.Second // the server keeps in memory what it has read or written, for 10 s
	began := time.Now()
	eventually(t, func() error {
		if time.Since(began) < forgets {
			return errors.New("the server has not forgotten yet")
		}
		return nil
	})
	b.flip(t, inLength)
	js := b.connect(t)
	messages := subscribe(t, subscriber(t, js, func(c *wmjetstream.SubscriberConfig) {
		c.Stream, c.Durable, c.AckWait, c.Watch = "QUEUE", "d", time.Second, 50*time.Millisecond
	}), "queue.>")
	for want := range 6 {
		if want == 5 {
			eventually(t, func() error { return idle(t, js) })
			if _, err := js.Publish(t.Context(), "queue.a", []byte("a 5")); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case m := <-messages:
			if _, n := parse(m); n != want {
				t.Errorf("got %s, want number %d", m.Payload, want)
			}
			m.Ack()
		case <-time.After(10 * time.Second):
			t.Fatalf("message %d did not come", want)
		}
	}
}

// idle is nil when the server has cut the queue short and sees nothing more to send.
func idle(t *testing.T, js jetstream.JetStream) error {
	t.Helper()
	stream, err := js.Stream(t.Context(), "QUEUE")
	if err != nil {
		return err
	}
	consumer, err := js.Consumer(t.Context(), "QUEUE", "d")
	if err != nil {
		return err
	}
	if last, pending := stream.CachedInfo().State.LastSeq, consumer.CachedInfo().NumPending; last != 5 || pending != 0 {
		return fmt.Errorf("the queue ends at %d, %d pending", last, pending)
	}
	return nil
}
