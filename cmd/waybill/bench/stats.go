package bench

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// median of an even number of values is the mean of the two in the middle; of none, 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// round keeps as many decimals: more of them would claim a precision that no run has.
func round(v float64, decimals int) float64 {
	f := math.Pow10(decimals)
	return math.Round(v*f) / f
}

// NewHistogram takes latencies from a microsecond to ten minutes, exact to a hundredth.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 2)
}

// Record adds a latency.
func Record(h *hdrhistogram.Histogram, took time.Duration) {
	_ = h.RecordValue(min(max(took.Microseconds(), 1), h.HighestTrackableValue())) // within its range: cannot fail
}

// quantile is in milliseconds; 0 without values.
func quantile(h *hdrhistogram.Histogram, percent float64) float64 {
	if h == nil || h.TotalCount() == 0 {
		return 0
	}
	return round(float64(h.ValueAtQuantile(percent))/1000, 3)
}

// merge puts the latencies of all rounds together; nil if no round has any.
func merge(rounds []Measurement) *hdrhistogram.Histogram {
	var all *hdrhistogram.Histogram
	for _, m := range rounds {
		if m.Latency == nil {
			continue
		}
		if all == nil {
			all = NewHistogram()
		}
		all.Merge(m.Latency)
	}
	return all
}
