package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"waybill/cmd/waybill/engine"
	"waybill/eventstore"
	"waybill/projections"
)

func newProjections(a *app) *cobra.Command {
	r := &remote{app: a}
	c := &cobra.Command{
		Use:   "projections",
		Short: "See and look after the read models",
		Long: `List asks the running engine. All others work on the database itself: they do what an operator may, and no API key can.
An engine that runs notices what they change.`,
	}
	list := newProjectionsList(r)
	r.flags(list)
	admin := []*cobra.Command{newProjectionsParked(a), newProjectionsRetry(a), newProjectionsSkip(a), newProjectionsRebuild(a), newProjectionsFlip(a), newProjectionsRollback(a)}
	for _, sub := range admin {
		systemFlags(sub)
	}
	c.AddCommand(append(admin, list)...)
	return c
}

func newProjectionsList(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the read models: where they are, and how far behind",
		Example: "  waybill projections list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			reply, err := api.Get(cmd.Context(), "/v1/projections", nil)
			if err != nil {
				return explain(err)
			}
			return r.show(reply.Body, func(w io.Writer, body []byte) error {
				var page struct {
					Data []struct {
						Name       string  `json:"name"`
						Version    int     `json:"version"`
						State      string  `json:"state"`
						Position   int64   `json:"position"`
						LagEvents  int64   `json:"lag_events"`
						LagSeconds float64 `json:"lag_seconds"`
						ParkedKeys int64   `json:"parked_keys"`
					} `json:"data"`
				}
				if err := json.Unmarshal(body, &page); err != nil {
					return err
				}
				fmt.Fprintln(w, "PROJECTION\tVERSION\tSTATE\tPOSITION\tLAG EVENTS\tLAG SECONDS\tPARKED KEYS")
				for _, p := range page.Data {
					fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%.1f\t%d\n", p.Name, p.Version, p.State, p.Position, p.LagEvents, p.LagSeconds, p.ParkedKeys)
				}
				return nil
			})
		},
	}
}

// withAdmin calls f with the means to change the read models of the configured database.
func withAdmin(a *app, cmd *cobra.Command, f func(context.Context, projections.Admin) error) error {
	cfg, err := systemConfig(a, cmd)
	if err != nil {
		return err
	}
	ctx, r := cmd.Context(), repair{app: a, cfg: cfg}
	log, err := r.open(ctx)
	if err != nil {
		return openFailed(err)
	}
	defer log.Close()
	pool, err := eventstore.NewPool(ctx, cfg.Database.URL.Reveal(), eventstore.PoolConfig{Role: eventstore.RoleProject})
	if err != nil {
		return err
	}
	defer pool.Close()
	err = f(ctx, projections.Admin{Pool: pool, Log: log})
	switch {
	case errors.Is(err, projections.ErrUnknown):
		return fail(exitNotFound, "waybill projections list", "%w", err)
	case errors.Is(err, projections.ErrBehind):
		return fail(exitTimeout, "the same again, when it has caught up", "%w", err)
	case errors.Is(err, projections.ErrParked):
		return fail(exitError, "waybill projections parked", "%w", err)
	}
	return err
}

// known finds the projection of this program by its name.
func known(name string) (projections.Projection, error) {
	all := engine.Projections()
	i := slices.IndexFunc(all, func(p projections.Projection) bool { return p.Name() == name })
	if i < 0 {
		names := make([]string, len(all))
		for n, p := range all {
			names[n] = p.Name()
		}
		return nil, fail(exitNotFound, "waybill projections list", "there is no projection %q; there are %s", name, strings.Join(names, ", "))
	}
	return all[i], nil
}

// completeNames offers the names of projections for the first argument.
func completeNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, p := range engine.Projections() {
		names = append(names, p.Name())
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// parkedEvent is a parked event as it is printed.
type parkedEvent struct {
	Projection string `json:"projection"`
	Version    int    `json:"version"`
	Key        string `json:"key"`
	Position   int64  `json:"position,string"`
	Type       string `json:"type"`
	State      string `json:"state"`
	Error      string `json:"error"`
	Attempts   int    `json:"attempts"`
	ParkedAt   string `json:"parked_at"`
}

func newProjectionsParked(a *app) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "parked [NAME]",
		Short: "List events that could not be folded, and those that wait behind them",
		Long: `Parked lists, by projection and position, the events that a read model does not hold although it is past them: those
that failed with the reason, those of the same key that wait behind one that failed, and those that were skipped.`,
		Example:           "  waybill projections parked\n  waybill projections parked order_list -o jsonl",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output, asTable, asJSON, asLines); err != nil {
				return err
			}
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			return withAdmin(a, cmd, func(ctx context.Context, admin projections.Admin) error {
				list, err := admin.Parked(ctx, name)
				if err != nil {
					return err
				}
				rows := make([]parkedEvent, len(list))
				for i, p := range list {
					rows[i] = parkedEvent{p.Projection, p.Version, p.Key, p.Position, p.Type, p.State, p.Error, p.Attempts, p.ParkedAt.Format("2006-01-02T15:04:05Z07:00")}
				}
				return printParked(a, rows, output)
			})
		},
	}
	outputFlag(c, &output, asTable, asJSON, asLines)
	return c
}

func printParked(a *app, rows []parkedEvent, output string) error {
	if output != asTable {
		return printJSON(a, rows, output)
	}
	if len(rows) == 0 {
		a.sayf("nothing is parked")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PROJECTION\tVERSION\tKEY\tPOSITION\tTYPE\tSTATE\tATTEMPTS\tREASON")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\t%s\t%d\t%s\n", r.Projection, r.Version, r.Key, r.Position, r.Type, r.State, r.Attempts, strings.ReplaceAll(r.Error, "\n", " "))
	}
	return w.Flush()
}

func newProjectionsRetry(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "retry NAME KEY",
		Short:             "Fold the parked events of a key in order, and let the key flow again",
		Example:           "  waybill projections retry order_list ORDER",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := known(args[0])
			if err != nil {
				return err
			}
			return withAdmin(a, cmd, func(ctx context.Context, admin projections.Admin) error {
				list, err := admin.Parked(ctx, p.Name())
				if err != nil {
					return err
				}
				if !slices.ContainsFunc(list, func(e projections.Parked) bool { return e.Key == args[1] }) {
					return fail(exitNotFound, "waybill projections parked "+p.Name(), "nothing of %q is parked in %s", args[1], p.Name())
				}
				if err := admin.Retry(ctx, p, args[1]); err != nil {
					return err
				}
				a.sayf("nothing of %s is parked in %s any more", args[1], p.Name())
				return nil
			})
		},
	}
}

func newProjectionsSkip(a *app) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:               "skip NAME KEY POSITION",
		Short:             "Leave the first parked event of a key out for good, and fold those behind it",
		Long:              "Skip leaves a read model without an event that happened. That, and the reason, stays in the list of parked events.",
		Example:           `  waybill projections skip order_list ORDER 4711 --reason "sent by a test system"`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := known(args[0])
			if err != nil {
				return err
			}
			position, err := strconv.ParseInt(args[2], 10, 64)
			if err != nil || position < 1 {
				return fail(exitUsage, "waybill projections parked "+args[0], "%q is not a position", args[2])
			}
			return withAdmin(a, cmd, func(ctx context.Context, admin projections.Admin) error {
				if err := admin.Skip(ctx, p, args[1], position, reason); err != nil {
					return err
				}
				a.sayf("event %d is left out of %s", position, p.Name())
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept")
	_ = c.MarkFlagRequired("reason")
	return c
}

func newProjectionsRebuild(a *app) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "rebuild NAME",
		Short: "Empty a read model and fold it anew",
		Long: `Rebuild empties the tables of a read model and has the engine fold them again from the start of the log. Readers see it
grow meanwhile. To change a read model without that, give it a new version and flip to it when it is complete.`,
		Example:           "  waybill projections rebuild stock_levels --yes",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := known(args[0])
			if err != nil {
				return err
			}
			if err := a.confirm(yes, p.Name(), "empties the read model "+p.Name()+", which readers then see grow again from nothing"); err != nil {
				return err
			}
			return withAdmin(a, cmd, func(ctx context.Context, admin projections.Admin) error {
				if err := admin.Reset(ctx, p); err != nil {
					return err
				}
				a.sayf("%s version %d is empty; a process with the role projections fills it: waybill projections list", p.Name(), p.Version())
				return nil
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func newProjectionsFlip(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "flip NAME VERSION",
		Short:             "Make a version of a read model the one that readers see",
		Example:           "  waybill projections flip order_list 2",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := strconv.Atoi(args[1])
			if err != nil {
				return fail(exitUsage, "waybill projections list", "%q is not a version", args[1])
			}
			return withAdmin(a, cmd, func(ctx context.Context, admin projections.Admin) error {
				if err := admin.Flip(ctx, args[0], version); err != nil {
					return err
				}
				a.sayf("readers see version %d of %s", version, args[0])
				return nil
			})
		},
	}
}

func newProjectionsRollback(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "rollback NAME",
		Short:             "Make the version live again that was live before",
		Example:           "  waybill projections rollback order_list",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(a, cmd, func(ctx context.Context, admin projections.Admin) error {
				if err := admin.Rollback(ctx, args[0]); err != nil {
					return err
				}
				a.sayf("%s is back at the version before", args[0])
				return nil
			})
		},
	}
}
