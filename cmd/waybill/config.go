package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"waybill/internal/config"
)

func newConfig(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "See and check the configuration",
	}
	var origin bool
	var output string
	show := &cobra.Command{
		Use:   "show",
		Short: "Print every setting as it would be used, without secrets",
		Long: `Show prints every setting as serve would use it: a flag goes before an environment variable, that before the
configuration file (--config or WAYBILL_CONFIG), that before the default. DATABASE_URL, the PG* variables and NATS_URL are
known too; WAYBILL_DATABASE_URL_FILE and WAYBILL_NATS_URL_FILE name files that hold the value.

Where the environment has the passwords that nats.conf reads, WAYBILL_NATS_RELAY_PASSWORD and so on for service, intake,
consumer and admin (or the same with _FILE), each part of the engine connects to NATS as the user of that name.`,
		Example: `  waybill config show --origin
  WAYBILL_HTTP_ADDR=:9000 waybill config show -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, asTable, asJSON, asLines); err != nil {
				return err
			}
			cfg, origins, err := loadConfig(a, cmd.Flags())
			if err != nil {
				return err
			}
			settings := append(cfg.Settings(origins), a.natsUsers()...)
			if output != asTable {
				return printJSON(a, settings, output)
			}
			w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
			for _, s := range settings {
				if origin {
					fmt.Fprintf(w, "%s\t%s\t%s\n", s.Key, s.Value, s.Origin)
				} else {
					fmt.Fprintf(w, "%s\t%s\n", s.Key, s.Value)
				}
			}
			return w.Flush()
		},
	}
	show.Flags().BoolVar(&origin, "origin", false, "also print where each value comes from")
	outputFlag(show, &output, asTable, asJSON, asLines)
	validate := &cobra.Command{
		Use:     "validate",
		Short:   "Say whether serve would take the configuration",
		Example: "  waybill config validate --config waybill.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := loadConfig(a, cmd.Flags())
			if err != nil {
				return err
			}
			if err := checkServe(&cfg); err != nil {
				return err
			}
			a.sayf("the configuration is complete")
			return nil
		},
	}
	for _, sub := range []*cobra.Command{show, validate} {
		config.Flags(sub.Flags())
		c.AddCommand(sub)
	}
	return c
}
