package relay

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator watches of a relay.
type metrics struct {
	lag       prometheus.Gauge
	published prometheus.Counter
	resets    *prometheus.CounterVec
	state     *prometheus.GaugeVec
}

// newMetrics registers the metrics; with a nil registerer they are counted and never seen.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "waybill_relay_lag_events", Help: "Events in the log that are not in the stream yet.",
		}),
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waybill_relay_published_total", Help: "Messages that this process published and the stream confirmed.",
		}),
		resets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_relay_resets_total", Help: "Times that publishing stopped to look at the stream again, by reason.",
		}, []string{"reason"}),
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "waybill_relay_state", Help: "1 for the state that the relay is in.",
		}, []string{"state"}),
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.lag, m.published, m.resets, m.state} {
		errs = append(errs, reg.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register relay metrics: %w", err)
	}
	return m, nil
}

// enter makes s the one state.
func (m *metrics) enter(s State) {
	for _, other := range states() {
		m.state.WithLabelValues(string(other)).Set(0)
	}
	m.state.WithLabelValues(string(s)).Set(1)
}
