package commands_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"waybill/commands"
	"waybill/eventstore"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	b := newBus(t, eventstore.NewMemory(), func(c *commands.Config) { c.Registerer = reg })
	c := receive("MUG", 1)
	must(t, b, c)
	must(t, b, c)
	mustRefuse(t, b, reserve(2, "MUG"), "insufficient-stock")
	if _, err := b.Execute(t.Context(), commands.Command{Type: "no such/type"}); err == nil {
		t.Error("accepted an invalid command")
	}
	dry := reserve(1, "MUG")
	dry.DryRun = true
	must(t, b, dry)

	got := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			got[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for series, want := range map[string]float64{
		"waybill_commands_total{stock.receive,accepted}":  1,
		"waybill_commands_total{stock.receive,replayed}":  1,
		"waybill_commands_total{stock.reserve,refused}":   1,
		"waybill_commands_total{stock.reserve,dry_run}":   1,
		"waybill_commands_total{,invalid}":                1,
		"waybill_command_duration_seconds{stock.receive}": 2,
		"waybill_commands_in_flight{}":                    0,
		"waybill_aggregate_cache_misses_total{}":          1,
		"waybill_aggregate_cache_hits_total{}":            2,
		"waybill_command_retries_total{}":                 0,
		"waybill_snapshots_saved_total{}":                 0,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s = %v (there: %t), want %v", series, v, ok, want)
		}
	}
	if _, err := commands.New(commands.Config{Log: eventstore.NewMemory(), Registerer: reg}); err == nil {
		t.Error("registered twice")
	}
}
