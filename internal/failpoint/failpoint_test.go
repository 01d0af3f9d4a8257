package failpoint_test

import (
	"regexp"
	"strings"
	"testing"

	"waybill/internal/failpoint"
)

// TestTables holds the lists to what the package says of names, so that a test that walks them misses none.
func TestTables(t *testing.T) {
	seen := map[string]bool{}
	name := regexp.MustCompile(`^(command|log|intake|relay|projection|process)\.(after|before|mid)[A-Z][A-Za-z]+$`)
	for _, p := range failpoint.Points() {
		if !name.MatchString(string(p.Point)) || seen[string(p.Point)] || p.Means == "" {
			t.Errorf("point %+v: want a name of its own like relay.afterPublish, and what it means", p)
		}
		seen[string(p.Point)] = true
		if stands := strings.Contains(string(p.Point), ".after"); stands != (p.Then == "") {
			t.Errorf("point %s: Then is %q: the points before a step name the one behind it, and only they", p.Point, p.Then)
		}
	}
	for _, p := range failpoint.Points() {
		if p.Then != "" && !seen[string(p.Then)] {
			t.Errorf("point %s: there is no point %s", p.Point, p.Then)
		}
	}
	bug := regexp.MustCompile(`^bug\.[a-z]+(-[a-z]+)+$`)
	for _, b := range failpoint.Bugs() {
		if !bug.MatchString(string(b.Bug)) || seen[string(b.Bug)] || b.Means == "" {
			t.Errorf("bug %+v: want a name of its own like bug.hole-skipped, and what it means", b)
		}
		seen[string(b.Bug)] = true
	}
}
