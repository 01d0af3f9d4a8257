package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"waybill/internal/config"
	"waybill/internal/telemetry"
)

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "waybill",
		Short: "Event-sourced order processing",
		Long: `Waybill takes orders as commands, keeps every event that follows from them in Postgres, publishes them through
NATS JetStream, and folds them into read models.

The first minutes:
  waybill dev                            run everything in one process, with demo data
  waybill orders list                    in another terminal
  waybill import orders.csv              place the orders of a file
  waybill events tail                    see what happens as it happens
  source <(waybill completion bash)      complete commands and flags in this shell

Data goes to standard output, everything else to standard error. Exit codes:
  0  done                                5  version conflict, key reused, or command in flight
  1  it failed                           6  refused: the state of the order or item does not allow it
  2  wrong use or wrong configuration    7  nobody answered in time, or a read model is behind
  3  there is no such thing              8  verify found a violation
  4  no key, or not for this           130  interrupted`,
		Version:       telemetry.ReadBuild().Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(usage)
	root.PersistentFlags().String("config", "", "path of a configuration file (YAML)")
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run it:"}, &cobra.Group{ID: "use", Title: "Use a running one:"}, &cobra.Group{ID: "care", Title: "Look after it:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("run", newDev(a), newServe(a), newMigrate(a))
	add("use", newOrders(a), newStock(a), newEvents(a), newCommands(a), newProjections(a), newImport(a))
	add("care", newDoctor(a), newVerify(a), newBench(a), newKeys(a), newConfig(a))
	root.SetHelpCommandGroupID("care")
	root.SetCompletionCommandGroupID("care")
	strict(a, root)
	// What has commands below it is not run by itself.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	return root
}

// strict makes wrong use of every command what it is: an error with a code of its own, and never a help text that looks
// like success.
func strict(a *app, c *cobra.Command) {
	for _, sub := range c.Commands() {
		strict(a, sub)
	}
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			a.understood = true
			return run(cmd, args)
		}
		return
	}
	c.Args, c.SuggestionsMinimumDistance = cobra.ArbitraryArgs, 2
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		meant := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			meant = "; did you mean " + near[0] + "?"
		}
		return fail(exitUsage, cmd.CommandPath()+" --help", "there is no command %q%s", cmd.CommandPath()+" "+args[0], meant)
	}
}

// loadConfig reads flags, environment and file; wrong ones are wrong use.
func loadConfig(a *app, flags *pflag.FlagSet) (config.Config, config.Origins, error) {
	path, err := flags.GetString("config")
	if err != nil {
		return config.Config{}, nil, err
	}
	c, origins, err := config.Load(flags, a.environ, path)
	if err != nil {
		return config.Config{}, nil, fail(exitUsage, "waybill config show", "%w", err)
	}
	return c, origins, nil
}
