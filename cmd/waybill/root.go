package main

import (
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
  waybill events tail                    see what happens as it happens`,
		Version:           telemetry.ReadBuild().Version,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
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
	add("care", newDoctor(a), newVerify(a), newKeys(a), newConfig(a))
	return root
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
