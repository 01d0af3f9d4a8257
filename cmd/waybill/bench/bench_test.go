package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/cmd/waybill/bench"
	"waybill/internal/devstack/devtest"
)

func TestMain(m *testing.M) { os.Exit(devtest.Main(m, nil)) }

// ofLog are the workloads that concern the log.
func ofLog(t *testing.T, names ...string) []bench.Workload {
	t.Helper()
	if len(names) == 0 {
		names = []string{"append", "append-existing", "batch", "hot", "load", "relay", "rebuild"}
	}
	all := make([]bench.Workload, 0, len(names))
	for _, name := range names {
		w, ok := bench.Find(name)
		if !ok {
			t.Fatalf("there is no workload %q", name)
		}
		all = append(all, w)
	}
	return all
}

// TestWorkloads runs them as small as it goes: their checks of what they did are those of a long run.
func TestWorkloads(t *testing.T) {
	t.Parallel()
	workloads := ofLog(t)
	seen := map[string]bool{}
	reports, err := bench.Run(t.Context(), bench.Config{
		Size: bench.Tiny, Rounds: 1, Clients: []int{1, 4}, Version: "v1.2.3",
		Progress: func(p bench.Progress) { seen[p.Workload+"/"+p.Side] = true },
	}, workloads...)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := bench.WriteJSON(&out, reports); err != nil {
		t.Fatal(err)
	}
	var got []reportJSON
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	if len(got) != len(workloads) {
		t.Fatalf("%d reports of %d workloads", len(got), len(workloads))
	}
	for i, w := range workloads {
		t.Run(w.Name, func(t *testing.T) { got[i].check(t, w) })
	}
	for _, want := range []string{"append/one row a transaction", "batch/COPY of 1000 rows", "hot/UPDATE", "load/SELECT", "relay/PublishMsgAsync", "rebuild/COPY"} {
		if !seen[want] {
			t.Errorf("no progress of %s in %v", want, seen)
		}
	}
}

// reportJSON is what programs rely on.
type reportJSON struct {
	Workload string            `json:"workload"`
	Machine  string            `json:"machine"`
	Versions map[string]string `json:"versions"`
	Settings map[string]string `json:"settings"`
	Rounds   int               `json:"rounds"`
	Results  []struct {
		Case       string    `json:"case"`
		Clients    int       `json:"clients"`
		Rate       float64   `json:"rate"`
		Unit       string    `json:"unit"`
		P50        float64   `json:"p50_ms"`
		P99        float64   `json:"p99_ms"`
		P999       float64   `json:"p999_ms"`
		Yardstick  float64   `json:"yardstick"`
		Ratio      float64   `json:"ratio"`
		Spread     []float64 `json:"spread"`
		Yardsticks []struct {
			Name  string  `json:"name"`
			Rate  float64 `json:"rate"`
			Ratio float64 `json:"ratio"`
		} `json:"yardsticks"`
	} `json:"results"`
}

func (r *reportJSON) check(t *testing.T, w bench.Workload) {
	t.Helper()
	if r.Workload != w.Name || r.Machine == "" || r.Rounds != 1 || r.Versions["waybill"] != "v1.2.3" {
		t.Errorf("the report begins %q, %q, %d rounds, versions %v", r.Workload, r.Machine, r.Rounds, r.Versions)
	}
	for _, name := range []string{"go", "postgres", "nats-server"} {
		if r.Versions[name] == "" {
			t.Errorf("no version of %s", name)
		}
	}
	if r.Settings["fsync"] != "on" || r.Settings["synchronous_commit"] != "on" || r.Settings["commit_delay"] != "0" || r.Settings["disk_sync"] == "" {
		t.Errorf("settings are %v", r.Settings)
	}
	clients := []int{0}
	if len(w.Clients) > 0 {
		clients = []int{1, 4}
	}
	if len(r.Results) == 0 || w.Name != "rebuild" && len(r.Results) != len(clients) {
		t.Fatalf("%d results for clients %v", len(r.Results), clients)
	}
	for i, v := range r.Results {
		if v.Rate <= 0 || v.Unit == "" || v.Yardstick <= 0 || v.Ratio <= 0 || len(v.Spread) != 1 || v.Spread[0] != v.Ratio {
			t.Errorf("result %d: %+v", i, v)
		}
		if len(v.Yardsticks) == 0 || v.Yardsticks[0].Rate != v.Yardstick || v.Yardsticks[0].Ratio != v.Ratio {
			t.Errorf("result %d: the first yardstick is not the one of the ratio: %+v", i, v)
		}
		if w.Name == "rebuild" {
			continue
		}
		if v.Clients != clients[i] {
			t.Errorf("result %d has %d clients", i, v.Clients)
		}
		if len(w.Clients) > 0 && (v.P50 <= 0 || v.P99 < v.P50 || v.P999 < v.P99) {
			t.Errorf("result %d: latencies %+v", i, v)
		}
	}
	if w.Name == "rebuild" && r.Results[0].Case != "order_list" {
		t.Errorf("the first result of rebuild is %s", r.Results[0].Case)
	}
}

// TestServersOfYourOwn works on servers that somebody else started, and leaves them as it found them, also when it is
// interrupted.
func TestServersOfYourOwn(t *testing.T) {
	t.Parallel()
	pg, broker := devtest.Cluster(t, nil), devtest.NATS(t)
	cfg := bench.Config{Size: bench.Tiny, Rounds: 1, Clients: []int{2}, DatabaseURL: pg.URL("postgres"), NATSURL: broker.ClientURL()}
	js := streamsOf(t, broker.ClientURL())
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHERS", Subjects: []string{"others.>"}}); err != nil {
		t.Fatal(err)
	}
	reports, err := bench.Run(t.Context(), cfg, ofLog(t, "relay", "append")...)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(reports); n != 2 || reports[0].Settings["disk_sync"] != "" {
		t.Errorf("%d reports, settings %v", n, reports[0].Settings)
	}
	untouched(t, pg.URL("postgres"), js)

	ctx, interrupt := context.WithCancel(t.Context())
	cfg.Progress = func(p bench.Progress) {
		if p.Round == 1 && p.Side == "relay" {
			interrupt()
		}
	}
	if _, err := bench.Run(ctx, cfg, ofLog(t, "relay")...); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted run ends with %v", err)
	}
	untouched(t, pg.URL("postgres"), js)

	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "WAYBILL_EVENTS", Subjects: []string{"waybill.evt.>"}}); err != nil {
		t.Fatal(err)
	}
	_, err = bench.Run(t.Context(), cfg, ofLog(t, "relay")...)
	if err == nil || !strings.Contains(err.Error(), "stream WAYBILL_EVENTS has the subjects of Waybill already") {
		t.Errorf("on a server with Waybill on it: %v", err)
	}
	if _, err := js.Stream(t.Context(), "WAYBILL_EVENTS"); err != nil {
		t.Errorf("the stream of somebody else: %v", err)
	}
}

func streamsOf(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// untouched wants no database, no role and no stream of Waybill.
func untouched(t *testing.T, url string, js jetstream.JetStream) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), `SELECT datname FROM pg_database WHERE datname LIKE 'waybill%' UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'waybill%'`)
	if err != nil {
		t.Fatal(err)
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left in postgres (%v)", left, err)
	}
	var names []string
	for name := range js.StreamNames(t.Context()).Name() {
		names = append(names, name)
	}
	if !slices.Equal(names, []string{"OTHERS"}) {
		t.Errorf("streams are %v", names)
	}
}

// TestInterrupt leaves no server and no file behind.
func TestInterrupt(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "wb-") //nolint:usetesting // Postgres, as another user, has to get through
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var pids []string
	_, err = bench.Run(ctx, bench.Config{Size: bench.Tiny, Rounds: 1, Progress: func(p bench.Progress) {
		if p.Round == 1 {
			files, _ := filepath.Glob(filepath.Join(dir, "*", "postgres", "data", "postmaster.pid")) // a good pattern
			for _, f := range files {
				if b, err := os.ReadFile(f); err == nil {
					pids = append(pids, strings.Fields(string(b))[0])
				}
			}
			interrupt()
		}
	}}, ofLog(t, "append")...)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted run ends with %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 || len(pids) == 0 {
		t.Errorf("files %v are left; servers were %v", left, pids)
	}
	for _, pid := range pids {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("postgres %s still runs", pid)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]bench.Config{
		"rounds are -1, want 1 or more":                {Rounds: -1},
		"clients are 0, want 1 or more":                {Clients: []int{1, 0}},
		"the delay of a commit is 1s, want 0 to 100ms": {CommitDelay: 1_000_000_000},
		"the delay of a commit is for a Postgres that is brought up here, not for one with an address": {CommitDelay: 1, DatabaseURL: "postgres://x"},
		"a database needs an address that is a URL, such as postgres://user@host/postgres":             {DatabaseURL: "host=/tmp dbname=postgres"},
	} {
		if _, err := bench.Run(t.Context(), cfg); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", cfg, err, want)
		}
	}
}

// TestTable is what people see.
func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := bench.WriteTable(&out, []bench.Report{{
		Workload: "append", Measures: "appends", Yardstick: "INSERT", Machine: "2 × CPU", Rounds: 3,
		Versions: map[string]string{"go": "go1.26"}, Settings: map[string]string{"fsync": "on"},
		Results: []bench.Result{{
			Clients: 64, Rate: 25_123.4, Unit: "events/s", Latency: bench.Latency{P50: 2.1, P99: 6, P999: 9.25},
			Yardsticks: []bench.Yardstick{{Name: "row", Rate: 9800, Ratio: 2.56, Spread: []float64{2.5, 2.56, 2.7}}},
			Figures:    map[string]float64{"lost": 0},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := `append: appends
yardstick: INSERT

          clients    rate            p50 ms  p99 ms  p99.9 ms  ratio
  append       64  25,123  events/s    2.10    6.00      9.25
     row            9,800  events/s                             2.56 (2.50 2.56 2.70)
    lost                0

medians of 3 rounds; the ratio is the median of the ratios of the rounds, which stand behind it
2 × CPU
go go1.26
fsync on
`
	if got := trimmed(out.String()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// TestListed holds every workload to what the list shows of it.
func TestListed(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, w := range bench.Workloads() {
		if w.Name == "" || w.Measures == "" || w.Contests == nil || names[w.Name] {
			t.Errorf("workload %+v", fmt.Sprint(w.Name, w.Measures))
		}
		names[w.Name] = true
	}
}
