package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"waybill/internal/config"
)

func newConfig(a *app) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "See and check the configuration"}
	var origin bool
	var output string
	show := &cobra.Command{
		Use:   "show",
		Short: "Print every setting as it would be used, without secrets",
		Example: `  waybill config show --origin
  WAYBILL_HTTP_ADDR=:9000 waybill config show -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, origins, err := loadConfig(a, cmd.Flags())
			if err != nil {
				return err
			}
			settings := cfg.Settings(origins)
			if output == "json" {
				e := json.NewEncoder(a.out)
				e.SetIndent("", "  ")
				return e.Encode(settings)
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
	show.Flags().StringVarP(&output, "output", "o", "table", "table or json")
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
