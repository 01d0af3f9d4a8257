//go:build !failpoints

package failpoint_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"waybill/internal/failpoint"
)

// TestCostsNothing: in a build without the tag a point takes no memory, and does nothing. How long it takes is in
// [BenchmarkHit]; that nothing is left of it, in [TestReleaseHasNone].
func TestCostsNothing(t *testing.T) {
	if n := testing.AllocsPerRun(1000, func() {
		if failpoint.Hit(t.Context(), failpoint.RelayAfterPublish) != nil || failpoint.On(failpoint.BugHoleSkipped) {
			t.Error("it does something")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkHit is to be as fast as a loop around nothing.
func BenchmarkHit(b *testing.B) {
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if failpoint.Hit(ctx, failpoint.RelayAfterPublish) != nil || failpoint.On(failpoint.BugHoleSkipped) {
			b.Fatal("it does something")
		}
	}
}

// TestReleaseHasNone: the program that users get holds neither a name of a point nor the package; the program that is
// built with the tag holds them all, so the search finds what there is.
func TestReleaseHasNone(t *testing.T) {
	words := []string{"FAILPOINTS", "internal/failpoint"}
	for _, p := range failpoint.Points() {
		words = append(words, string(p.Point))
	}
	for _, b := range failpoint.Bugs() {
		words = append(words, string(b.Bug))
	}
	for _, build := range []struct {
		name string
		args []string
		has  bool
	}{{"release", []string{"-trimpath"}, false}, {"failpoints", []string{"-tags", "failpoints"}, true}} {
		path := filepath.Join(t.TempDir(), build.name)
		cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-o", path}, build.args...), "waybill/cmd/waybill")...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range words {
			if got := bytes.Contains(program, []byte(w)); got != build.has {
				t.Errorf("%s build: %q is in it: %t", build.name, w, got)
			}
		}
	}
}
