package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program builds the binary of Waybill, whose engine the workloads start.
func program(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "waybill-bench-test-") //nolint:usetesting // other users pass through this one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "waybill")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "waybill/cmd/waybill").CombinedOutput(); err != nil {
		t.Fatalf("build waybill: %v\n%s", err, out)
	}
	return path
}

// TestEngineWorkloads runs what starts whole engines, as small as it goes: the checks of the workloads are those of a long run.
func TestEngineWorkloads(t *testing.T) {
	t.Parallel()
	binary := program(t)
	reports, err := Run(t.Context(), Config{Size: Tiny, Rounds: 1}, httpOrders(binary), visible(binary), live(), memory(binary))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		name    string
		figures []string
	}{
		{"http", []string{"accepted_per_s", "confirmed_p99_ms", "lag_end_ms", "in_flight"}},
		{"visible", []string{"answer_p50_ms", "sent_late"}},
		{"live", []string{"lost", "doubled", "append_p99_ms"}},
		{"memory", []string{"idle_mb", "peak_mb", "after_mb"}},
	} {
		r := reports[i]
		if r.Workload != want.name || len(r.Results) != 1 {
			t.Fatalf("report %d is of %s with %d results, want %s with 1", i, r.Workload, len(r.Results), want.name)
		}
		got := r.Results[0]
		if got.Rate <= 0 || got.P99 <= 0 {
			t.Errorf("%s: rate %v, p99 %v ms", want.name, got.Rate, got.P99)
		}
		for _, name := range want.figures {
			if _, ok := got.Figures[name]; !ok {
				t.Errorf("%s: there is no figure %s among %v", want.name, name, got.Figures)
			}
		}
	}
}
