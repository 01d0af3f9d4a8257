package relay_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

// Whatever happens to JetStream and to relays, in whatever order, ends with the log in the stream, and a consumer that
// was there all the time has had every event once. A seed that fails is added to the list.
func TestAnyFaults(t *testing.T) {
	t.Parallel()
	seeds := []uint64{1, 2, uint64(time.Now().UnixNano())}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			anyFaults(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func anyFaults(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	b, log := startBroker(t), eventstore.NewMemory()
	var head int64
	grow := func() {
		n := 1 + rnd.IntN(400)
		fill(t, log, n)
		head += int64(n)
	}
	start := func() *running {
		return startRelay(t, relay.Config{Log: log, Conn: b.connect(), Window: 1 + rnd.IntN(300), Page: 2 + rnd.IntN(100)})
	}
	relays := []*running{start(), start()}
	c := newConsumer(t, relay.ConsumerConfig{Conn: b.connect(), Heartbeat: 500 * time.Millisecond, MaxBatch: 1 + rnd.IntN(100)})
	var got []eventstore.Event
	grow()
	js := jetStream(t, b.connect())
	// A server that is shut down while it makes a stream leaves goroutines behind, so it is given the time for that.
	made := func() {
		t.Helper()
		eventually(t, func() error {
			if streamInfo(t.Context(), js) == nil {
				return errors.New("no stream")
			}
			return nil
		})
		for _, r := range relays {
			r.becomes(relay.Publishing)
		}
	}
	var restore func()
	made()
	b.restart(func() { restore = b.save() })
	for range 8 {
		grow()
		switch what := rnd.IntN(7); what {
		case 0, 1, 2, 3:
			made()
			b.restart([]func(){nil, b.wipe, restore, func() { restore = b.save() }}[what])
		case 4: // stop one, in order
			i := rnd.IntN(len(relays))
			relays[i].stop()
			relays[i] = start()
		case 5:
			_ = js.DeleteStream(t.Context(), relay.StreamName) // there may be none at the moment
		case 6: // read on meanwhile
			relays[0].reaches(head)
			got = append(got, readTo(t, c, head)...)
		}
		grow()
	}
	for _, r := range relays {
		r.reaches(head)
	}
	sameAsLog(t, b.connect(), log, 1)
	got = append(got, readTo(t, c, head)...)
	for i := range got {
		if got[i].Position != int64(i)+1 {
			t.Fatalf("event %d is at position %d", i, got[i].Position)
		}
	}
}
