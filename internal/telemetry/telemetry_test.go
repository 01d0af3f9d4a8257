package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"waybill/internal/telemetry"
)

func TestLoggerFormats(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		format telemetry.Format
		json   bool
	}{
		"auto away from a terminal": {telemetry.Auto, true},
		"json":                      {telemetry.JSON, true},
		"text":                      {telemetry.Text, false},
		"zero":                      {"", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log := telemetry.NewLogger(&out, slog.LevelInfo, tt.format)
			log.DebugContext(t.Context(), "too little to tell")
			log.InfoContext(t.Context(), "started", slog.Int("port", 8080))
			if got := json.Valid(out.Bytes()); got != tt.json {
				t.Errorf("JSON = %v, want %v: %s", got, tt.json, out.String())
			}
			if !strings.Contains(out.String(), "started") || strings.Contains(out.String(), "too little") {
				t.Errorf("wrote %s", out.String())
			}
			if strings.Contains(out.String(), "\x1b") {
				t.Errorf("colours away from a terminal: %q", out.String())
			}
		})
	}
}

func TestLevelMayChangeLater(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var level slog.LevelVar
	log := telemetry.NewLogger(&out, &level, telemetry.JSON)
	log.DebugContext(t.Context(), "one")
	level.Set(slog.LevelDebug)
	log.DebugContext(t.Context(), "two")
	if strings.Contains(out.String(), "one") || !strings.Contains(out.String(), "two") {
		t.Errorf("wrote %s", out.String())
	}
}

type broken struct{ *prometheus.Desc }

func (b broken) Describe(c chan<- *prometheus.Desc) { c <- b.Desc }
func (b broken) Collect(c chan<- prometheus.Metric) {
	c <- prometheus.NewInvalidMetric(b.Desc, errors.New("no reading"))
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	registry := telemetry.NewRegistry(telemetry.Build{Version: "v1.2.3", Revision: "abc", Go: "go1.26"})
	registry.MustRegister(broken{prometheus.NewDesc("waybill_broken", "", nil, nil)})
	server := httptest.NewServer(telemetry.Admin(registry, telemetry.NewLogger(&log, slog.LevelInfo, telemetry.JSON)))
	defer server.Close()
	for path, want := range map[string]string{
		"/metrics":                  `waybill_build_info{go_version="go1.26",revision="abc",version="v1.2.3"} 1`,
		"/debug/pprof/":             "goroutine",
		"/debug/pprof/heap?debug=1": "heap profile",
		"/debug/pprof/cmdline":      "telemetry.test",
	} {
		body, status := get(t, server.URL+path)
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s = %d without %q", path, status, want)
		}
	}
	if !strings.Contains(log.String(), "no reading") {
		t.Errorf("a collector that errs is not logged: %s", log.String())
	}
	if _, status := get(t, server.URL+"/"); status != http.StatusNotFound {
		t.Errorf("/ = %d, want 404", status)
	}
}

func get(t *testing.T, url string) (body string, status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b), res.StatusCode
}

func TestReadBuild(t *testing.T) {
	t.Parallel()
	if b := telemetry.ReadBuild(); b.Version == "" || b.Revision == "" || !strings.HasPrefix(b.Go, "go") {
		t.Errorf("build = %+v", b)
	}
}
