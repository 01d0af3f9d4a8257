package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// operations is the page for operators.
func operations(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestConfigurationTable holds the table of the page to what the program says of itself.
func TestConfigurationTable(t *testing.T) {
	t.Parallel()
	var settings []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	if err := json.Unmarshal([]byte(newPlace(t).must("config", "show", "-o", "json")), &settings); err != nil {
		t.Fatal(err)
	}
	text, known := operations(t), map[string]bool{}
	for _, s := range settings {
		if user, ok := strings.CutPrefix(s.Key, "nats.user."); ok {
			want := "`WAYBILL_NATS_" + strings.ToUpper(user) + "_PASSWORD`"
			if !strings.Contains(text, want) {
				t.Errorf("the page does not name %s", want)
			}
			continue
		}
		known[s.Key] = true
		value := ""
		if s.Value != "" {
			value = " `" + s.Value + "`"
		}
		if row := fmt.Sprintf("| `%s` |%s |", s.Key, value); !strings.Contains(text, row) {
			t.Errorf("the page does not have the row %q", row)
		}
	}
	table := text[strings.Index(text, "### Configuration"):strings.Index(text, "### Postgres")]
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)`").FindAllStringSubmatch(table, -1) {
		if !known[m[1]] {
			t.Errorf("the page has the setting %s, which there is not", m[1])
		}
	}
}

// TestMetricsTable holds the table of the page to what a working engine serves.
func TestMetricsTable(t *testing.T) {
	t.Parallel()
	d := startDev(t, newPlace(t), "--ephemeral")
	status, body, err := call(t.Context(), http.MethodGet, "http://"+d.admin+"/metrics", "", "")
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %v", status, err)
	}
	text := operations(t)
	var served []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (waybill_\w+) `).FindAllStringSubmatch(string(body), -1) {
		served = append(served, m[1])
		if !strings.Contains(text, "`"+m[1]+"`") {
			t.Errorf("the page does not name %s", m[1])
		}
	}
	// Those that count what has not happened yet are not served.
	later := []string{"waybill_nats_requests_total", "waybill_nats_request_duration_seconds", "waybill_intake_messages_total", "waybill_relay_resets_total", "waybill_append_unknown_total"}
	for _, m := range regexp.MustCompile("`(waybill_\\w+)`").FindAllStringSubmatch(text[strings.Index(text, "## Metrics"):strings.Index(text, "## What to do")], -1) {
		if !slices.Contains(served, m[1]) && !slices.Contains(later, m[1]) {
			t.Errorf("the page names %s, which is not served", m[1])
		}
	}
}
