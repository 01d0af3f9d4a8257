// Package telemetry sets up what an operator looks at: the logger, the metrics registry with the build in it, and
// the admin handler with metrics and pprof.
//
// It registers nothing globally, does not listen (the caller owns the server), and knows no component: those take a
// logger and a registerer and bring their own metrics.
package telemetry

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/lmittmann/tint"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/term"
)

// Format is how records are written.
type Format string

// The formats. Auto is text on a terminal and JSON elsewhere.
const (
	Auto Format = "auto"
	Text Format = "text"
	JSON Format = "json"
)

// NewLogger writes records of the level and above to w. Text is for people: short times, colours on a terminal
// unless NO_COLOR is set.
func NewLogger(w io.Writer, level slog.Leveler, format Format) *slog.Logger {
	terminal := isTerminal(w)
	if format == JSON || format != Text && !terminal {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level:      level,
		TimeFormat: time.TimeOnly,
		NoColor:    !terminal || os.Getenv("NO_COLOR") != "",
	}))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Build is what this binary was made from.
type Build struct {
	Version  string // of the module, "v0.1.0" or "(devel)"
	Revision string // commit, with "-dirty" when the tree had changes; "unknown" without version control
	Go       string // "go1.26.8"
}

// ReadBuild reads what the toolchain stamped into the binary.
func ReadBuild() Build {
	b := Build{Version: "(devel)", Revision: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	dirty := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if dirty {
		b.Revision += "-dirty"
	}
	return b
}

// NewRegistry is a registry of its own with the Go runtime, the process and waybill_build_info in it.
func NewRegistry(build Build) *prometheus.Registry {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "waybill_build_info",
		Help: "Constant 1, labelled with what the binary was made from.",
		ConstLabels: prometheus.Labels{
			"version": build.Version, "revision": build.Revision, "go_version": build.Go,
		},
	})
	info.Set(1)
	r := prometheus.NewRegistry()
	r.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Metrics serves what the registry gathers. A collector that errs is logged and left out, the rest is served.
func Metrics(registry *prometheus.Registry, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelError),
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
		Registry:          registry,
	})
}

// Admin serves /metrics and /debug/pprof/. It asks nobody who they are: listen on a loopback or private address.
func Admin(registry *prometheus.Registry, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", Metrics(registry, log))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
