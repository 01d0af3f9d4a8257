package projections

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"waybill/eventstore"
)

// watched is a runner of which only the monitor runs: its work hangs, or goes on, as the test says.
func watched(t *testing.T, reg prometheus.Registerer) (*Runner, *eventstore.Memory) {
	t.Helper()
	log := eventstore.NewMemory()
	m, err := newMetrics(reg, "orders", 1)
	if err != nil {
		t.Fatal(err)
	}
	r := &Runner{cfg: Config{Log: log, StallAfter: 30 * time.Second, Now: time.Now}.withDefaults(), metrics: m, signal: newSignal()}
	r.watch = newWatch("orders", r.cfg.StallAfter, r.cfg.Now)
	return r, log
}

func grow(t *testing.T, log *eventstore.Memory) {
	t.Helper()
	_, err := log.Append(t.Context(), eventstore.Commit{
		CommandID: uuid.New(),
		Streams:   []eventstore.StreamEvents{{ID: "order-" + uuid.NewString(), Events: []eventstore.NewEvent{{Type: "order.placed", Schema: 1}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pass lets time go by in a synctest bubble, where it costs none.
func pass(d time.Duration) { <-time.After(d) }

func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := watched(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		if r.Health() == nil {
			t.Error("a runner that does not run says that it is healthy")
		}
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		r.watch.start()
		wg.Go(func() { r.monitor(ctx) })
		healthy := func(when string) {
			t.Helper()
			synctest.Wait()
			if err := r.Health(); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		healthy("at the head of an empty log")
		pass(time.Hour)
		healthy("after an hour with nothing to do")

		grow(t, log)
		pass(20 * time.Second)
		healthy("behind for less than the limit")
		r.watch.enter(StageApply)
		pass(12 * time.Second)
		synctest.Wait()
		stall, ok := errors.AsType[*StallError](r.Health())
		if !ok || stall.Stage != StageApply || stall.Position != 0 || stall.Head != 1 || stall.For < 30*time.Second {
			t.Errorf("health is %v, want that stage apply hangs at 0 of 1", r.Health())
		}
		r.watch.fail(errors.New("disk is full"))
		if err := r.Health(); err == nil || !strings.Contains(err.Error(), "disk is full") || !strings.Contains(err.Error(), "stage retry") {
			t.Errorf("health is %v, want the last failure", err)
		}
		r.watch.move(1)
		healthy("after progress")

		// Always behind, and always getting on.
		for i := range 100 {
			grow(t, log)
			grow(t, log)
			r.watch.move(int64(i) + 2)
			pass(10 * time.Second)
			healthy("behind but getting on")
		}
		pass(31 * time.Second)
		if r.Health() == nil {
			t.Error("behind and not getting on any more is healthy")
		}
		r.watch.stop(ErrHole)
		if !errors.Is(r.Health(), ErrHole) {
			t.Errorf("health of a stopped runner is %v, want why it stopped", r.Health())
		}
	})
}

func TestLagIsMeasuredAgainstTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		r, log := watched(t, reg)
		lag := func(stage string) (events, seconds float64) {
			t.Helper()
			r.measure(t.Context())
			return gauge(t, reg, "waybill_projection_lag_events", stage), gauge(t, reg, "waybill_projection_lag_seconds", stage)
		}
		grow(t, log)
		pass(5 * time.Second)
		grow(t, log)
		pass(2 * time.Second)
		if events, seconds := lag("visible"); events != 2 || seconds != 7 {
			t.Errorf("nothing visible: lag is %v events, %v s, want 2 and 7", events, seconds)
		}
		r.watch.deliver(2)
		r.watch.move(1)
		if events, seconds := lag("visible"); events != 1 || seconds != 2 {
			t.Errorf("one of two visible: lag is %v events, %v s, want 1 and 2", events, seconds)
		}
		if events, seconds := lag("delivered"); events != 0 || seconds != 0 {
			t.Errorf("all delivered: lag is %v events, %v s, want none", events, seconds)
		}
	})
}

func gauge(t *testing.T, reg *prometheus.Registry, name, stage string) float64 {
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
			for _, l := range m.GetLabel() {
				if l.GetName() == "stage" && l.GetValue() == stage {
					return value(m)
				}
			}
		}
	}
	t.Fatalf("no metric %s for stage %s", name, stage)
	return 0
}

func value(m *dto.Metric) float64 { return m.GetGauge().GetValue() }

func pgErr(code string) error { return &applyError{&pgconn.PgError{Code: code}} }

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want fault
	}{
		{&applyError{errors.New("unknown currency")}, faultEvent},
		{pgErr("23505"), faultEvent},
		{pgErr("22003"), faultEvent},
		{pgErr("42P01"), faultTransient},
		{pgErr("42703"), faultTransient},
		{pgErr("3F000"), faultTransient},
		{pgErr("40001"), faultTransient},
		{pgErr("40P01"), faultTransient},
		{pgErr("55P03"), faultTransient},
		{pgErr("57P01"), faultTransient},
		{pgErr("53100"), faultTransient},
		{pgErr("57014"), faultSlow},
		{&applyError{context.DeadlineExceeded}, faultTransient},
		{errors.New("conn busy"), faultTransient},
	} {
		if got := classify(c.err); got != c.want {
			t.Errorf("classify(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}
