package projections

import (
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of one runner. The labels projection and version are constant.
type metrics struct {
	lagEvents  *prometheus.GaugeVec
	lagSeconds *prometheus.GaugeVec
	position   prometheus.Gauge
	parked     prometheus.Gauge
	feedUp     prometheus.Gauge
	events     prometheus.Counter
	fenced     prometheus.Counter
	holes      prometheus.Counter
	batch      prometheus.Histogram
	visible    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, name string, version int) (*metrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		lagEvents: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "waybill_projection_lag_events",
			Help: "Events between the end of the log and a stage of the way to the read model: published, delivered, visible.",
		}, []string{"stage"}),
		lagSeconds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "waybill_projection_lag_seconds",
			Help: "Age of the oldest event that has not passed a stage; 0 at the end of the log.",
		}, []string{"stage"}),
		position: gauge("waybill_projection_position", "Checkpoint: position of the last event that the read model holds."),
		parked:   gauge("waybill_parked_keys", "Keys whose events are parked because one of them cannot be applied."),
		feedUp:   gauge("waybill_projection_feed_up", "1 if the feed could be asked at the last measurement, else 0."),
		events:   counter("waybill_projection_events_total", "Events applied; those that the projection does not want are not counted."),
		fenced:   counter("waybill_projection_fenced_total", "Batches dropped because another runner had moved the checkpoint."),
		holes:    counter("waybill_projection_holes_total", "Times that the feed did not have what comes next, and the log was read instead."),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "waybill_projection_batch_events", Help: "Events applied in one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 8),
		}),
		visible: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "waybill_projection_visible_seconds", Help: "Time from the commit of an event to its being visible in the read model.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
	}
	if reg == nil {
		return m, nil
	}
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"projection": name, "version": strconv.Itoa(version)}, reg)
	for _, c := range []prometheus.Collector{
		m.lagEvents, m.lagSeconds, m.position, m.parked, m.feedUp, m.events, m.fenced, m.holes, m.batch, m.visible,
	} {
		if err := labelled.Register(c); err != nil {
			return nil, fmt.Errorf("metrics of projection %s version %d: %w", name, version, err)
		}
	}
	return m, nil
}
