package relay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

func TestBacklogAndLive(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	fill(t, log, 20_000)
	reg := prometheus.NewPedanticRegistry()
	r := startRelay(t, relay.Config{Log: log, Conn: b.connect(), Reg: reg})
	r.reaches(20_000)
	sameAsLog(t, b.connect(), log, 1)

	fill(t, log, 250)
	r.Wake()
	r.reaches(20_250)
	sameAsLog(t, b.connect(), log, 1)
	if n := metric(t, reg, "waybill_relay_published_total", ""); n != 20_250 {
		t.Errorf("counted %v messages, want 20250", n)
	}
	if n := metric(t, reg, "waybill_relay_lag_events", ""); n != 0 {
		t.Errorf("lag is %v, want 0", n)
	}
	if n := metric(t, reg, "waybill_relay_state", string(relay.Publishing)); n != 1 {
		t.Errorf("state %s is %v, want 1", relay.Publishing, n)
	}
}

func TestWokenByAnotherProcess(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	nc := b.connect()
	r := startRelay(t, relay.Config{Log: log, Conn: b.connect(), Poll: time.Hour})
	r.becomes(relay.Publishing)
	fill(t, log, 10)
	eventually(t, func() error { // the hint may come before the relay listens, so it is given again
		if err := relay.Announce(nc); err != nil {
			return err
		}
		if info := streamInfo(t.Context(), jetStream(t, nc)); info == nil || info.State.LastSeq != 10 {
			return errors.New("not published")
		}
		return nil
	})
}

// TestStatusFollowsTheAnswers has no clock that would look at the answers sooner or later.
func TestStatusFollowsTheAnswers(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	fill(t, log, 1500) // three pages, more than a window
	r := startRelay(t, relay.Config{Log: log, Conn: b.connect(), Poll: time.Hour, Audit: time.Hour})
	r.reaches(1500)
}

func TestTwoRelaysAreHarmless(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	fill(t, log, 5_000)
	one := startRelay(t, relay.Config{Log: log, Conn: b.connect(), Window: 64})
	two := startRelay(t, relay.Config{Log: log, Conn: b.connect(), Window: 64})
	for range 20 {
		fill(t, log, 100)
		one.Wake()
		two.Wake()
	}
	one.reaches(7_000)
	two.reaches(7_000)
	sameAsLog(t, b.connect(), log, 1)
}

func TestRelayStoppedAnywhere(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	fill(t, log, 20_000)
	js := jetStream(t, b.connect())
	for stop := uint64(0); stop < 20_000; stop += 1_700 {
		nc := b.connect()
		r := startRelay(t, relay.Config{Log: log, Conn: nc, Window: 256})
		eventually(t, func() error {
			if info := streamInfo(t.Context(), js); info == nil || info.State.LastSeq < stop {
				return fmt.Errorf("not yet at %d", stop)
			}
			return nil
		})
		if stop%2 == 0 {
			r.stop() // in order
		} else {
			nc.Close() // as if the process had died: what is in flight is on its own
		}
	}
	r := startRelay(t, relay.Config{Log: log, Conn: b.connect()})
	r.reaches(20_000)
	sameAsLog(t, b.connect(), log, 1)
}

// What the stream loses is published again, whatever took it away.
func TestStreamHealsByItself(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		damage func(t *testing.T, b *broker, restore func())
		reason string // counted, besides what the outage itself counts
	}{
		{name: "server restarted", damage: func(_ *testing.T, b *broker, _ func()) { b.restart(nil) }, reason: "connection"},
		{name: "disk wiped", damage: func(_ *testing.T, b *broker, _ func()) { b.restart(b.wipe) }, reason: "lost_stream"},
		{name: "older copy put back", damage: func(_ *testing.T, b *broker, restore func()) { b.restart(restore) }, reason: "lost_tail"},
		{name: "bit flipped, index lost", damage: func(_ *testing.T, b *broker, _ func()) { b.restart(b.flipUnindexed) }, reason: "lost_tail"},
		{name: "stream deleted", damage: func(t *testing.T, b *broker, _ func()) {
			t.Helper()
			if err := jetStream(t, b.connect()).DeleteStream(t.Context(), relay.StreamName); err != nil {
				t.Fatal(err)
			}
		}, reason: "lost_stream"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, log, reg := startBroker(t), eventstore.NewMemory(), prometheus.NewPedanticRegistry()
			fill(t, log, 1_000)
			r := startRelay(t, relay.Config{Log: log, Conn: b.connect(), Reg: reg})
			r.reaches(1_000)
			var restore func()
			b.restart(func() { restore = b.save() })
			fill(t, log, 1_000)
			r.reaches(2_000)

			tt.damage(t, b, restore)
			fill(t, log, 1_000)
			eventually(t, func() error {
				if n := metric(t, reg, "waybill_relay_resets_total", tt.reason); n == 0 {
					return fmt.Errorf("reset for %s is not counted", tt.reason)
				}
				return nil
			})
			r.reaches(3_000)
			sameAsLog(t, b.connect(), log, 1)
		})
	}
}

// metric is the value of a metric whose first label, if it has one, has the value label.
func metric(t *testing.T, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

func TestReseedsOnlyTheNewest(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	fill(t, log, 1_000)
	r := startRelay(t, relay.Config{Log: log, Conn: b.connect(), Reseed: 300})
	r.reaches(1_000)
	sameAsLog(t, b.connect(), log, 701)
}

// Where stream and log say different things, nothing is published and the status says what to run.
func TestForks(t *testing.T) {
	t.Parallel()
	foreign := func(t *testing.T, b *broker, seqs ...uint64) {
		t.Helper()
		js := jetStream(t, b.connect())
		for range seqs {
			if _, err := js.Publish(t.Context(), "waybill.evt.order.placed.7", []byte("not ours")); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name   string
		breaks func(t *testing.T, b *broker, log *eventstore.Memory, src *source)
		at     int64
		reason string
	}{
		{
			name: "message of somebody else, log goes on",
			breaks: func(t *testing.T, b *broker, log *eventstore.Memory, _ *source) {
				t.Helper()
				foreign(t, b, 101)
				fill(t, log, 10)
			},
			at: 101, reason: "somebody else published it",
		},
		{
			name: "message of somebody else, log stands still",
			breaks: func(t *testing.T, b *broker, _ *eventstore.Memory, _ *source) {
				t.Helper()
				foreign(t, b, 101)
			},
			at: 101, reason: "ahead of the log",
		},
		{
			name: "log restored to an earlier point",
			breaks: func(_ *testing.T, _ *broker, log *eventstore.Memory, src *source) {
				src.set(shortened{Source: log, last: 60})
			},
			at: 61, reason: "ahead of the log",
		},
		{
			name: "log restored, and another epoch begun",
			breaks: func(_ *testing.T, _ *broker, log *eventstore.Memory, src *source) {
				src.set(shortened{Source: log, last: 100, epoch: uuid.New()})
			},
			reason: "another epoch",
		},
		{
			name: "log restored, and grown again past the stream",
			breaks: func(t *testing.T, _ *broker, log *eventstore.Memory, src *source) {
				t.Helper()
				other := eventstore.NewMemory()
				fill(t, other, 120)
				head, err := log.Head(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				src.set(shortened{Source: other, last: 120, epoch: head.Epoch})
			},
			at: 100, reason: "another event",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, log := startBroker(t), eventstore.NewMemory()
			fill(t, log, 100)
			src := newSource(log)
			cfg := relay.Config{Log: src, Conn: b.connect()}
			r := startRelay(t, cfg)
			r.reaches(100)
			tt.breaks(t, b, log, src)
			s := r.becomes(relay.Forked)
			fork, ok := errors.AsType[*relay.ForkError](s.Err)
			if !ok || !errors.Is(s.Err, relay.ErrFork) {
				t.Fatalf("error %v, want a fork", s.Err)
			}
			if fork.Position != tt.at || !strings.Contains(fork.Reason, tt.reason) {
				t.Errorf("fork at %d: %q, want at %d: %q", fork.Position, fork.Reason, tt.at, tt.reason)
			}
			if s.Run != "waybill doctor" || !strings.Contains(s.Err.Error(), "waybill doctor") {
				t.Errorf("status says to run %q, error %q", s.Run, s.Err)
			}
			if s.Ready() {
				t.Error("a forked relay says that it is ready")
			}
			last := streamInfo(t.Context(), jetStream(t, b.connect())).State.LastSeq
			fill(t, log, 10)
			r.Wake()
			// A relay that starts now stops as well.
			again := startRelay(t, relay.Config{Log: src, Conn: b.connect()})
			again.becomes(relay.Forked)
			if now := streamInfo(t.Context(), jetStream(t, b.connect())).State.LastSeq; now != last {
				t.Errorf("stream went from %d to %d in a fork", last, now)
			}

			// The way out, by the hand of an operator: both relays go on by themselves.
			if err := newRelay(t, cfg).Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			head, err := src.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r.reaches(head.Position)
			again.reaches(head.Position)
		})
	}
}

// A message that slips in among those in flight is followed by messages that look right.
func TestForeignMessageInMidFlight(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	fill(t, log, 200)
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nc := b.connect()
	r := newRelay(t, relay.Config{Log: shortened{Source: log, last: 200}, Conn: nc})
	if err := r.Look(t.Context()); err != nil { // makes the stream
		t.Fatal(err)
	}
	js := jetStream(t, nc)
	events, err := log.ReadLog(t.Context(), 1, 200)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events[:150] {
		msg := relay.Encode(&events[i], head.Epoch)
		if i == 119 {
			msg.Data = []byte("not what the log says")
		}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	fork, ok := errors.AsType[*relay.ForkError](r.Look(t.Context()))
	if !ok || fork.Position != 120 {
		t.Fatalf("fork %v, want one at 120", fork)
	}
}

// lease is one lease for several holders, and a barrier that a test can close.
type lease struct {
	holder  atomic.Int64
	blocked atomic.Pointer[chan struct{}]
	upto    atomic.Int64
}

type holder struct {
	*lease
	id int64
}

func (h holder) Hold(ctx context.Context, upto int64) (bool, error) {
	if !h.holder.CompareAndSwap(0, h.id) && h.holder.Load() != h.id {
		return false, nil
	}
	if gate := h.blocked.Load(); gate != nil {
		select {
		case <-*gate:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	h.upto.Store(upto)
	return true, nil
}

func (h holder) Release(context.Context) error {
	h.holder.CompareAndSwap(h.id, 0)
	return nil
}

func TestNothingIsPublishedBeforeTheBarrier(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	fill(t, log, 100)
	var l lease
	r := startRelay(t, relay.Config{Log: log, Conn: b.connect(), Lease: holder{&l, 1}, Audit: time.Hour})
	r.reaches(100)
	gate := make(chan struct{})
	l.blocked.Store(&gate)
	fill(t, log, 100)
	r.Wake()
	eventually(t, func() error {
		if s := r.Status(); s.Head < 200 {
			return fmt.Errorf("relay has seen %d", s.Head)
		}
		return nil
	})
	js := jetStream(t, b.connect())
	for range 20 { // each is a round trip to the server that would have taken the message
		if last := streamInfo(t.Context(), js).State.LastSeq; last != 100 {
			t.Fatalf("stream is at %d, the barrier at 100", last)
		}
	}
	l.blocked.Store(nil)
	close(gate)
	r.reaches(200)
	if upto := l.upto.Load(); upto != 200 {
		t.Errorf("barrier recorded %d, want 200", upto)
	}
}

func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	fill(t, log, 100)
	var l lease
	one := startRelay(t, relay.Config{Log: log, Conn: b.connect(), Lease: holder{&l, 1}, Renew: 10 * time.Millisecond})
	one.reaches(100)
	two := startRelay(t, relay.Config{Log: log, Conn: b.connect(), Lease: holder{&l, 2}, Renew: 10 * time.Millisecond})
	if s := two.becomes(relay.Standby); !s.Ready() {
		t.Error("standby is not ready")
	}
	one.stop()
	fill(t, log, 100)
	two.reaches(200)

	l.holder.Store(9) // taken away, as after a pause that outlasted the lease
	two.becomes(relay.Standby)
	l.holder.Store(0)
	fill(t, log, 100)
	two.reaches(300)
	sameAsLog(t, b.connect(), log, 1)
}

func TestSettingsOfTheStream(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	fill(t, log, 10)
	nc := b.connect()
	js := jetStream(t, nc)
	r := startRelay(t, relay.Config{Log: log, Conn: nc})
	r.reaches(10)
	r.stop()
	s, err := js.Stream(t.Context(), relay.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(t.Context(), 3); err == nil {
		t.Error("a message could be deleted")
	}
	if err := s.Purge(t.Context()); err == nil {
		t.Error("the stream could be purged")
	}
	// A limit is another choice: it is brought in line.
	r = startRelay(t, relay.Config{Log: log, Conn: nc, Stream: relay.Stream{MaxAge: time.Hour, MaxBytes: 1 << 20}})
	r.reaches(10)
	if cfg := streamInfo(t.Context(), js).Config; cfg.MaxAge != time.Hour || cfg.MaxBytes != 1<<20 || cfg.Discard != jetstream.DiscardOld {
		t.Errorf("settings after the update: %+v", cfg)
	}
}

func TestUnusableStreams(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*jetstream.StreamConfig)
		says   string
	}{
		{"asynchronous", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, "persist_mode"},
		{"other subjects", func(c *jetstream.StreamConfig) { c.Subjects = []string{"waybill.evt.>", "other.>"} }, "subjects"},
		{"in memory", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, "storage"},
		{"work queue", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, "retention"},
		{"one per subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }, "max_msgs_per_subject"},
		{"roll-ups", func(c *jetstream.StreamConfig) { c.AllowRollup = true }, "roll-ups"},
		{"no answers", func(c *jetstream.StreamConfig) { c.NoAck = true }, "no_ack"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, log := startBroker(t), eventstore.NewMemory()
			fill(t, log, 10)
			nc := b.connect()
			cfg := jetstream.StreamConfig{Name: relay.StreamName, Subjects: []string{"waybill.evt.>"}}
			tt.change(&cfg)
			js := jetStream(t, nc)
			if _, err := js.CreateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			r := startRelay(t, relay.Config{Log: log, Conn: nc})
			s := r.becomes(relay.Forked)
			if !errors.Is(s.Err, relay.ErrConfig) || !strings.Contains(s.Err.Error(), tt.says) || s.Run == "" {
				t.Errorf("status %+v, want an error about %s", s, tt.says)
			}
			if info := streamInfo(t.Context(), js); info.State.LastSeq != 0 {
				t.Errorf("%d messages were published", info.State.LastSeq)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	b, log := startBroker(t), eventstore.NewMemory()
	nc := b.connect()
	buffered, err := b.server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer buffered.Close()
	for says, cfg := range map[string]relay.Config{
		"Log":          {Conn: nc},
		"Conn is":      {Log: log},
		"Conn buffers": {Log: log, Conn: buffered},
		"Window":       {Log: log, Conn: nc, Window: -1},
		"Page":         {Log: log, Conn: nc, Page: eventstore.MaxPage + 1},
		"Poll":         {Log: log, Conn: nc, Poll: -1},
		"Reseed":       {Log: log, Conn: nc, Reseed: -1},
	} {
		if _, err := relay.New(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one about %s", err, says)
		}
	}
}
