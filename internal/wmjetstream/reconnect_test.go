package wmjetstream_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
)

// TestReconnect restarts the broker twice under many publishers and a subscriber, and wants every message that was
// published. It asks what the suite's test of this name asks, which reads its list of messages while it still grows:
// the race detector may fail that one.
func TestReconnect(t *testing.T) {
	t.Parallel()
	const messages, publishers = 4000, 40
	b := startBroker(t)
	pub, sub := b.pubSub(t, "reconnect")
	defer sub.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	received, err := sub.Subscribe(ctx, "wm.reconnect")
	if err != nil {
		t.Fatal(err)
	}

	todo := make(chan int)
	var workers sync.WaitGroup
	for range publishers {
		workers.Go(func() {
			for n := range todo {
				m := message.NewMessage(watermill.NewUUID(), []byte(strconv.Itoa(n)))
				for pub.Publish("wm.reconnect", m) != nil && ctx.Err() == nil {
					m = m.Copy() // again: the broker was away
				}
			}
		})
	}
	workers.Go(func() {
		defer close(todo)
		for n := range messages {
			if n == messages/3 || n == messages/2 {
				s := b.current()
				s.Shutdown()
				s.WaitForShutdown()
				b.start(t)
			}
			todo <- n
		}
	})

	seen := map[string]bool{}
	for m := range received {
		seen[string(m.Payload)] = true // some may come twice
		m.Ack()
		if len(seen) == messages {
			break
		}
	}
	if len(seen) < messages {
		t.Errorf("%d of %d messages came", len(seen), messages)
	}
	workers.Wait()
}
