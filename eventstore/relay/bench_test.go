package relay_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

// backlog is how many events one round publishes.
const backlog = 50_000

// BenchmarkPublish compares the relay with its yardstick: the same messages, made beforehand, by PublishMsgAsync.
func BenchmarkPublish(b *testing.B) {
	log := eventstore.NewMemory()
	fill(b, log, backlog)
	b.Run("raw", func(b *testing.B) {
		head, err := log.Head(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for range b.N {
			b.StopTimer()
			msgs := make([]*nats.Msg, 0, backlog)
			for from := int64(1); from <= backlog; from += eventstore.MaxPage {
				page, err := log.ReadLog(b.Context(), from, eventstore.MaxPage)
				if err != nil {
					b.Fatal(err)
				}
				for i := range page {
					msgs = append(msgs, relay.Encode(&page[i], head.Epoch))
				}
			}
			nc := startBroker(b).connect()
			r := quietRelay(b, relay.Config{Log: log, Conn: nc})
			if err := r.Look(b.Context()); err != nil { // makes the same stream
				b.Fatal(err)
			}
			js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1024))
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			for _, m := range msgs {
				if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(5*time.Second)); err != nil {
					b.Fatal(err)
				}
			}
			<-js.PublishAsyncComplete()
			b.StopTimer()
			complete(b, nc)
		}
		rate(b)
	})
	for _, window := range []int{256, 1024, 4096} {
		b.Run("relay-"+strconv.Itoa(window), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				nc := startBroker(b).connect()
				r := quietRelay(b, relay.Config{Log: log, Conn: nc, Window: window})
				if err := r.Look(b.Context()); err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan error, 1)
				b.StartTimer()
				go func() { done <- r.Run(ctx) }()
				for r.Status().Published < backlog {
					select {
					case err := <-done:
						b.Fatal(err)
					case <-time.After(time.Millisecond):
					}
				}
				b.StopTimer()
				cancel()
				if err := <-done; err != nil {
					b.Fatal(err)
				}
				complete(b, nc)
			}
			rate(b)
		})
	}
}

func quietRelay(b *testing.B, cfg relay.Config) *relay.Relay {
	b.Helper()
	cfg.Logger, cfg.Poll, cfg.Audit = slog.New(slog.DiscardHandler), 5*time.Millisecond, time.Minute
	return newRelay(b, cfg)
}

func complete(b *testing.B, nc *nats.Conn) {
	b.Helper()
	if info := streamInfo(b.Context(), jetStream(b, nc)); info == nil || info.State.LastSeq != backlog {
		b.Fatalf("stream is not complete: %+v", info)
	}
}

func rate(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(backlog)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkConsume reads what was published, in batches.
func BenchmarkConsume(b *testing.B) {
	log := eventstore.NewMemory()
	fill(b, log, backlog)
	br := startBroker(b)
	startRelay(b, relay.Config{Log: log, Conn: br.connect()}).reaches(backlog)
	nc := br.connect()
	for b.Loop() {
		c := newConsumer(b, relay.ConsumerConfig{Conn: nc})
		readTo(b, c, backlog)
		c.Close()
	}
	rate(b)
}

func BenchmarkEncode(b *testing.B) {
	e := someEvent(b)
	b.ReportAllocs()
	for b.Loop() {
		relay.Encode(&e, someEpoch)
	}
}

func BenchmarkDecode(b *testing.B) {
	e := someEvent(b)
	msg := relay.Encode(&e, someEpoch)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := relay.Decode(msg.Header, msg.Data); err != nil {
			b.Fatal(err)
		}
	}
}
