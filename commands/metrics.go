package commands

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"waybill/eventstore"
)

// metrics are what a bus tells about itself. No id is ever a label.
type metrics struct {
	commands *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	retries  prometheus.Counter

	hits, misses, evictions prometheus.Counter
	loaded                  prometheus.Counter

	snapshotsSaved, snapshotsDropped, snapshotsUnreadable prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "waybill_" + name, Help: help})
	}
	m := &metrics{
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_commands_total", Help: "Commands by how they ended.",
		}, []string{"command", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "waybill_command_duration_seconds", Help: "Time from receiving a command to its stored outcome.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"command"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "waybill_commands_in_flight", Help: "Commands that are being carried out.",
		}),
		retries:             counter("command_retries_total", "Attempts at a command after its first."),
		hits:                counter("aggregate_cache_hits_total", "Streams that were found in memory."),
		misses:              counter("aggregate_cache_misses_total", "Streams that were not found in memory."),
		evictions:           counter("aggregate_cache_evictions_total", "Streams dropped from memory to make room."),
		loaded:              counter("aggregate_events_loaded_total", "Events read to bring aggregates up to date."),
		snapshotsSaved:      counter("snapshots_saved_total", "Snapshots written."),
		snapshotsDropped:    counter("snapshots_dropped_total", "Snapshots put off because the writer was busy."),
		snapshotsUnreadable: counter("snapshots_unreadable_total", "Snapshots passed over because they could not be read."),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.commands, m.duration, m.inFlight, m.retries, m.hits, m.misses, m.evictions, m.loaded,
		m.snapshotsSaved, m.snapshotsDropped, m.snapshotsUnreadable,
	} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register command metrics: %w", err)
		}
	}
	return m, nil
}

// observe counts one command. What is invalid may have any type, so it is counted under none.
func (m *metrics) observe(command string, r *Result, err error, took time.Duration) {
	outcome := outcomeOf(r, err)
	if outcome == "invalid" {
		command = ""
	}
	m.commands.WithLabelValues(command, outcome).Inc()
	m.duration.WithLabelValues(command).Observe(took.Seconds())
}

// outcomeOf names how a command ended.
func outcomeOf(r *Result, err error) string {
	refused, _ := errors.AsType[*Refused](err)
	version, _ := errors.AsType[*VersionError](err)
	switch {
	case err == nil && r.DryRun, refused != nil && refused.DryRun:
		return "dry_run"
	case err == nil && r.Replayed, refused != nil && refused.Replayed:
		return "replayed"
	case err == nil && len(r.Events) == 0:
		return "unchanged"
	case err == nil:
		return "accepted"
	case refused != nil:
		return "refused"
	case version != nil:
		return "version_mismatch"
	case errors.Is(err, ErrInvalid):
		return "invalid"
	case errors.Is(err, ErrKeyReused):
		return "key_reused"
	case errors.Is(err, ErrInFlight):
		return "in_flight"
	case errors.Is(err, eventstore.ErrOutcomeUnknown):
		return "unknown"
	case errors.Is(err, ErrContended):
		return "contended"
	}
	return "error"
}
