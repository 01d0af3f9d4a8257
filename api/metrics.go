package api

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of the HTTP edge. Labels name routes and statuses, never ids or principals.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	streams  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_http_requests_total", Help: "HTTP requests answered, by route and status.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "waybill_http_request_duration_seconds", Help: "Time from the request's header to the end of its answer, by route; streams not counted.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "waybill_http_in_flight_requests", Help: "HTTP requests being worked on."}),
		streams:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "waybill_http_event_streams", Help: "Clients that follow /v1/stream."}),
	}
	if reg == nil {
		return m, nil
	}
	var err error
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.inFlight, m.streams} {
		err = errors.Join(err, reg.Register(c))
	}
	if err != nil {
		return nil, fmt.Errorf("register HTTP metrics: %w", err)
	}
	return m, nil
}

// routeMetrics are the series of one route, looked up once.
type routeMetrics struct {
	requests *prometheus.CounterVec
	duration prometheus.Observer
}

func (m *metrics) route(pattern string) *routeMetrics {
	return &routeMetrics{requests: m.requests.MustCurryWith(prometheus.Labels{"route": pattern}), duration: m.duration.WithLabelValues(pattern)}
}

func (m *routeMetrics) observe(status int, took time.Duration, stream bool) {
	m.requests.WithLabelValues(strconv.Itoa(status)).Inc()
	if !stream {
		m.duration.Observe(took.Seconds())
	}
}
