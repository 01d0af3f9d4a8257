package eventstore

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the appender tells of itself.
type metrics struct {
	batch     prometheus.Histogram
	duration  prometheus.Histogram
	conflicts prometheus.Counter
	slow      prometheus.Counter
	unknown   prometheus.Counter
	position  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "waybill_append_batch_events", Help: "Events in one group commit.", Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "waybill_append_duration_seconds", Help: "Time from a batch's turn to its verdicts, retries included.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 16),
		}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_append_conflicts_total", Help: "Commits that did not take place: stream moved on, command repeated, or claim taken.",
		}),
		slow: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_append_slow_total", Help: "Batches that had to be decided under the lock, because a check of the fast path did not hold.",
		}),
		unknown: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_append_unknown_total", Help: "Attempts whose outcome was not known and had to be looked up.",
		}),
		position: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "waybill_log_position", Help: "Last position that this process has seen committed.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.batch, m.duration, m.conflicts, m.slow, m.unknown, m.position} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) committed(b *batch, c committed) {
	m.batch.Observe(float64(b.events))
	m.position.Set(float64(c.base + b.events))
	if n := b.losses(); n > 0 {
		m.conflicts.Add(float64(n))
	}
}
