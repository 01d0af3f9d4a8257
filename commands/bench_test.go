package commands_test

import (
	"fmt"
	"testing"

	"waybill/commands"
	"waybill/domain/order"
	"waybill/domain/stock"
	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

const clients = 64

// BenchmarkPlace places orders, each on a stream of its own.
func BenchmarkPlace(b *testing.B) {
	for name, open := range logs() {
		b.Run(name, func(b *testing.B) {
			log := open(b)
			bus := newBus(b, log)
			b.SetParallelism(clients / 2)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := bus.Execute(b.Context(), placeCommand(newOrder())); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
		})
	}
}

// BenchmarkHot reserves one unit each of one SKU.
func BenchmarkHot(b *testing.B) {
	for name, open := range logs() {
		b.Run(name, func(b *testing.B) {
			log := open(b)
			bus := newBus(b, log)
			runBus(b, bus)
			must(b, bus, receive("MUG", 1_000_000_000))
			b.SetParallelism(clients / 2)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := bus.Execute(b.Context(), reserve(1, "MUG")); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reserves/s")
		})
	}
}

// BenchmarkLoad loads streams of 100 events that are not in memory, by a command that leaves them as they are.
func BenchmarkLoad(b *testing.B) {
	for name, open := range logs() {
		b.Run(name, func(b *testing.B) {
			log := open(b)
			const streams, events = 50, 100
			filler := newBus(b, log)
			ids := make([]order.ID, streams)
			for i := range ids {
				ids[i] = newOrder()
				must(b, filler, placeCommand(ids[i]))
				for n := range events - 1 {
					must(b, filler, commands.OnOrder(newID(), order.Tag{ID: ids[i], Tags: []string{fmt.Sprint("t", n%20)}, Now: now}))
					if n%20 == 19 {
						must(b, filler, commands.OnOrder(newID(), order.Untag{ID: ids[i], Tags: []string{"t0"}, Now: now}))
					}
				}
			}
			bus := newBus(b, log, func(c *commands.Config) { c.CacheEntries = 1 })
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c := commands.OnOrder(newID(), order.Tag{ID: ids[i%streams], Tags: []string{"t1"}, Now: now})
				c.DryRun = true
				if _, err := bus.Execute(b.Context(), c); err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "loads/s")
		})
	}
}

// BenchmarkLongLoad loads an item of 100,000 events, with a snapshot and without.
func BenchmarkLongLoad(b *testing.B) {
	log := openLog(b, devtest.Database(b))
	must(b, newBus(b, log), receive("MUG", 1_000_000_000))
	for range 20 {
		c := eventstore.Commit{CommandID: newID(), Streams: []eventstore.StreamEvents{{ID: "stock-MUG@BER1", Expected: head(b, log)}}}
		for n := range 5000 {
			order := newOrder()
			var event stock.Event = stock.Received{MovementID: string(order), Quantity: 1, At: now}
			if n%2 == 1 {
				event = stock.Adjusted{MovementID: string(order), Delta: -1, At: now}
			}
			typ, schema, data, err := stock.Encode(event)
			if err != nil {
				b.Fatal(err)
			}
			c.Streams[0].Events = append(c.Streams[0].Events, eventstore.NewEvent{Type: typ, Schema: schema, Data: data})
		}
		if _, err := log.Append(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	run := func(b *testing.B, bus *commands.Bus) {
		b.ReportAllocs()
		for b.Loop() {
			c := reserve(1, "MUG")
			c.DryRun = true
			if _, err := bus.Execute(b.Context(), c); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("replay", func(b *testing.B) {
		run(b, newBus(b, log, func(c *commands.Config) { c.Snapshots = nil }))
	})
	bus := newBus(b, log)
	runBus(b, bus)
	must(b, bus, reserve(1, "MUG")) // asks for the snapshot
	eventually(b, func() bool {
		s, ok, err := log.LoadSnapshot(b.Context(), "stock-MUG@BER1")
		return err == nil && ok && s.Version > 90_000
	})
	b.Run("snapshot", func(b *testing.B) { run(b, bus) })
}
