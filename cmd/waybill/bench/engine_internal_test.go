package bench

import (
	"context"
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

func TestHTTPTry(t *testing.T) {
	size := Quick
	if os.Getenv("TRY_FULL") != "" {
		size = Full
	}
	r, err := Run(context.Background(), Config{Size: size, Progress: func(p Progress) { t.Logf("%+v", p) }}, httpOrders(program(t)))
	if err != nil {
		t.Fatal(err)
	}
	_ = WriteTable(os.Stdout, r)
}
