package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"waybill/cmd/waybill/bench"
	"waybill/internal/devstack"
	"waybill/internal/telemetry"
)

type benchOptions struct {
	quick  bool
	output string
	cfg    bench.Config
}

func newBench(a *app) *cobra.Command {
	var o benchOptions
	c := &cobra.Command{
		Use:   "bench [WORKLOAD…]",
		Short: "Measure the engine beside yardsticks, on servers of its own",
		Long: `Bench brings up a Postgres and a NATS of its own, with durable settings, runs workloads and their yardsticks in turn on
them, and removes everything again. What counts is the ratio to the yardstick: a rate alone says more about the machine.
Without a workload it lists them; "all" runs all.

The JSON is one object for one workload, and an array for several:

  workload, measures, yardstick   what was run
  machine, versions, settings     what the figures depend on
  rounds                          how often each side took its turn
  results[]                       a line each:
    case, clients                 which
    rate, unit                    median of the rounds
    p50_ms, p99_ms, p999_ms       of our side, over all rounds
    yardstick                     median rate of the first yardstick
    ratio, spread                 median of the ratios of the rounds, and the ratio of each round
    yardsticks[]                  each of them: name, rate, latencies, ratio, spread
    figures                       others, by name

A slow figure is no error; a wrong result is: each workload checks what it did.`,
		Example: `  waybill bench
  waybill bench append --quick
  waybill bench append batch --clients 1,64 -o json
  waybill bench append --commit-delay 2ms
  waybill bench append --database-url postgres://admin@db/postgres`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, w := range bench.Workloads() {
				names = append(names, w.Name+"\t"+w.Measures)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(o.output, asTable, asJSON); err != nil {
				return err
			}
			if len(args) == 0 {
				return listWorkloads(a.out, o.output)
			}
			return runBench(cmd, a, o, args)
		},
	}
	c.Flags().BoolVar(&o.quick, "quick", false, "end within half a minute a workload; fewer clients, more noise")
	c.Flags().IntSliceVar(&o.cfg.Clients, "clients", nil, "numbers of clients, such as 1,64; those of the workload if empty")
	c.Flags().IntVar(&o.cfg.Rounds, "rounds", 3, "how often each side takes its turn")
	c.Flags().StringVar(&o.cfg.DatabaseURL, "database-url", "", "a Postgres of yours, whose user may create databases; its own if empty")
	c.Flags().StringVar(&o.cfg.NATSURL, "nats-url", "", "a NATS of yours, with JetStream and without Waybill; its own if empty")
	c.Flags().DurationVar(&o.cfg.CommitDelay, "commit-delay", 0, "least time of a commit in its own Postgres, such as 2ms for a disk behind a network")
	outputFlag(c, &o.output, asTable, asJSON)
	return c
}

func listWorkloads(w io.Writer, output string) error {
	if output == asJSON {
		type workload struct {
			Name      string `json:"workload"`
			Measures  string `json:"measures"`
			Yardstick string `json:"yardstick,omitempty"`
		}
		list := []workload{}
		for _, v := range bench.Workloads() {
			list = append(list, workload{v.Name, v.Measures, v.Yardstick})
		}
		return json.NewEncoder(w).Encode(list)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WORKLOAD\tMEASURES\tYARDSTICK")
	for _, v := range bench.Workloads() {
		fmt.Fprintf(t, "%s\t%s\t%s\n", v.Name, v.Measures, firstOf(v.Yardstick, "–"))
	}
	return t.Flush()
}

func runBench(cmd *cobra.Command, a *app, o benchOptions, names []string) error {
	setCollector() // the parts of the engine that run here run as in serve, and so does the yardstick
	var workloads []bench.Workload
	if len(names) == 1 && names[0] == "all" {
		workloads, names = bench.Workloads(), nil
	}
	for _, name := range names {
		w, ok := bench.Find(name)
		if !ok {
			return fail(exitUsage, "waybill bench", "there is no workload %q", name)
		}
		workloads = append(workloads, w)
	}
	if o.cfg.Rounds < 1 {
		return fail(exitUsage, "", "--rounds %d: at least 1", o.cfg.Rounds)
	}
	if o.quick {
		o.cfg.Size = bench.Quick
	}
	o.cfg.Version = telemetry.ReadBuild().Version
	p := newBenchProgress(a.err)
	o.cfg.Progress = p.show
	reports, err := bench.Run(cmd.Context(), o.cfg, workloads...)
	p.end()
	if missing, ok := errors.AsType[*devstack.NoPostgresError](err); ok {
		return fail(exitError, missing.Install, "%w", err)
	}
	if o.output == asJSON && err == nil {
		return bench.WriteJSON(a.out, reports)
	}
	// What was finished before an error is worth seeing.
	return errors.Join(bench.WriteTable(a.out, reports), err)
}

// benchProgress says what runs: a line that is written over on a terminal, and a line now and then elsewhere.
type benchProgress struct {
	w        io.Writer
	terminal bool
	began    time.Time
	shown    time.Time
}

func newBenchProgress(w io.Writer) *benchProgress {
	f, ok := w.(*os.File)
	return &benchProgress{w: w, terminal: ok && term.IsTerminal(int(f.Fd())), began: time.Now(), shown: time.Now()}
}

func (p *benchProgress) show(now bench.Progress) {
	const pace = 10 * time.Second // where nobody may be looking
	at := time.Now()
	if !p.terminal && at.Sub(p.shown) < pace {
		return
	}
	p.shown = at
	line := fmt.Sprintf("%s  %s", at.Sub(p.began).Round(time.Second), describe(now))
	if p.terminal {
		fmt.Fprintf(p.w, "\r\033[K%s", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

func describe(now bench.Progress) string {
	parts := []string{now.Workload}
	if now.Of > 0 {
		parts[0] += fmt.Sprintf(" %d/%d", now.Done+1, now.Of)
	}
	if now.Case != "" {
		parts = append(parts, now.Case)
	}
	if now.Clients > 0 {
		parts = append(parts, fmt.Sprintf("%d clients", now.Clients))
	}
	switch {
	case now.Side == "":
		parts = append(parts, "preparing")
	case now.Round == 0:
		parts = append(parts, "warm-up", now.Side)
	default:
		parts = append(parts, fmt.Sprintf("round %d", now.Round), now.Side)
	}
	return strings.Join(parts, "  ")
}

// end takes the line away.
func (p *benchProgress) end() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\033[K")
	}
}
