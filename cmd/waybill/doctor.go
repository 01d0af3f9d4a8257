package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"waybill/cmd/waybill/doctor"
	"waybill/cmd/waybill/engine"
	"waybill/internal/config"
)

func newDoctor(a *app) *cobra.Command {
	var output string
	var newEpoch, rebuildStream, yes bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at the servers, and say what to run if something is wrong",
		Long: `Doctor looks at Postgres (version, durability, clock, schema, roles and grants), at NATS (users, limits, JetStream, the
event stream held to the log) and at what the engine keeps in both: positions and lag, parked keys, leases and who holds
them. Each line is ok, a warning or a problem, with the cure and the next command to run. The exit code is 1 if there
is a problem.

Without further flags it changes nothing. Two repairs are for the cases that the engine does not settle by itself:

  --rebuild-stream  deletes the event stream and has the relay fill it again from the log. No event is lost by it:
                    the stream is a cache. For a stream that somebody else wrote to, or that has other settings.
  --new-epoch       is for a database that was restored to an earlier point: positions that were given out before the
                    restore will be given out again. It begins a new epoch, folds the read models anew and rebuilds the
                    stream. Stop the engine everywhere before.`,
		Example: `  waybill doctor
  waybill doctor -o json
  waybill doctor --rebuild-stream`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, asTable, asJSON, asLines); err != nil {
				return err
			}
			cfg, dev, err := findSystem(a, cmd)
			if err != nil {
				return err
			}
			r := repair{app: a, cfg: cfg, dev: dev, yes: yes}
			switch {
			case newEpoch:
				return r.newEpoch(cmd.Context())
			case rebuildStream:
				return r.rebuildStream(cmd.Context())
			}
			return examine(cmd, a, cfg, dev, output)
		},
	}
	systemFlags(c, "nats.url", "nats.creds")
	outputFlag(c, &output, asTable, asJSON, asLines)
	c.Flags().BoolVar(&newEpoch, "new-epoch", false, "begin a new epoch, after a restore of the database to an earlier point")
	c.Flags().BoolVar(&rebuildStream, "rebuild-stream", false, "make the event stream anew from the log")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask before a repair")
	c.MarkFlagsMutuallyExclusive("new-epoch", "rebuild-stream")
	return c
}

func examine(cmd *cobra.Command, a *app, cfg config.Config, dev bool, output string) error {
	sets, err := engine.Migrations()
	if err != nil {
		return err
	}
	findings := doctor.Run(cmd.Context(), doctor.Config{
		DSN: cfg.Database.URL.Reveal(), Schema: sets, Projections: engine.Projections(), Processes: engine.Processes(),
		Connect: newConnector(a, cfg), Dev: dev,
		HasUser: func(part engine.Part) bool {
			password, err := a.natsPassword(part)
			return password != "" || err != nil
		},
	})
	if err := showFindings(a, findings, output); err != nil {
		return err
	}
	if n := doctor.Problems(findings); n > 0 {
		next := ""
		for i := range findings {
			if findings[i].State == doctor.Problem && next == "" {
				next = findings[i].Next
			}
		}
		return fail(exitError, next, "%s", plural(n, "problem was", "problems were")+" found")
	}
	return nil
}

func showFindings(a *app, findings []doctor.Finding, output string) error {
	if output != asTable {
		return printJSON(a, findings, output)
	}
	count := map[doctor.State]int{}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	for i := range findings {
		f := &findings[i]
		count[f.State]++
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Area, f.State, strings.ReplaceAll(f.Says, "\n", "\n\t\t"))
		if f.Cure != "" {
			fmt.Fprintf(w, "\t\t  %s\n", f.Cure)
		}
		if f.Next != "" {
			fmt.Fprintf(w, "\t\t  next: %s\n", f.Next)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%d ok, %s, %s\n", count[doctor.OK], plural(count[doctor.Warning], "warning", "warnings"), plural(count[doctor.Problem], "problem", "problems"))
	return nil
}

// plural is a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
