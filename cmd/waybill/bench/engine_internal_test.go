package bench

import (
	"context"
	"errors"
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
	reports, err := Run(t.Context(), Config{Size: Tiny, Rounds: 1}, httpOrders(binary), visible(binary), live(), memory(binary), growth())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		name    string
		figures []string
	}{
		{"http", []string{"orders", "accepted_per_s", "confirmed_p99_ms", "lag_end_ms", "in_flight"}},
		{"visible", []string{"answer_p50_ms", "sent_late"}},
		{"live", []string{"lost", "doubled", "append_p99_ms"}},
		{"memory", []string{"idle_mb", "peak_mb", "after_mb"}},
		{"size", nil},
	} {
		r := reports[i]
		if r.Workload != want.name || len(r.Results) == 0 {
			t.Fatalf("report %d is of %s with %d results, want %s", i, r.Workload, len(r.Results), want.name)
		}
		got := r.Results[0]
		if want.name == "http" { // no order may be seen within a stretch as short as this one, but all are waited for
			got.Rate = got.Figures["orders"]
		}
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

// TestBigScans shows that an operation that reads a big table from end to end is found, by its name, and that others are not.
func TestBigScans(t *testing.T) {
	t.Parallel()
	look := func(ctx context.Context, e *Env, sql string) error {
		conns, err := connections(ctx, e, 2)
		if err != nil {
			return err
		}
		for _, statement := range []string{
			"CREATE TABLE big AS SELECT i AS id FROM generate_series(1, 60000) i", "ALTER TABLE big ADD PRIMARY KEY (id)", "VACUUM ANALYZE big",
		} {
			if _, err := conns[0].Exec(ctx, statement); err != nil {
				return err
			}
		}
		f := &filler{conn: conns[0]}
		g := &grown{env: e, filler: f}
		before, err := g.scans(ctx)
		if err != nil {
			return err
		}
		if _, err := conns[1].Exec(ctx, sql); err != nil {
			return err
		}
		if _, err := conns[1].Exec(ctx, "SELECT pg_stat_force_next_flush()"); err != nil {
			return err
		}
		after, err := g.scans(ctx)
		if err != nil {
			return err
		}
		if after["public.big"] > before["public.big"] {
			return errScanned
		}
		return nil
	}
	for sql, want := range map[string]error{
		"SELECT FROM big WHERE id = 7":     nil,
		"SELECT FROM big WHERE id % 7 = 3": errScanned,
	} {
		w := Workload{Name: "scan", Contests: func(ctx context.Context, e *Env) ([]Contest, error) { return nil, look(ctx, e, sql) }}
		if _, err := Run(t.Context(), Config{Size: Tiny}, w); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", sql, err, want)
		}
	}
}

var errScanned = errors.New("a big table was read from end to end")
