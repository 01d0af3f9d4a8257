package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"waybill/cmd/waybill/engine"
	"waybill/cmd/waybill/verify"
	"waybill/eventstore"
	"waybill/internal/config"
)

func newVerify(a *app) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check the invariants of a running system",
		Long: `Verify reads the whole log, the event stream and the read models, and compares them: nothing acknowledged is lost (I1),
positions and versions are dense (I2) and in order (I3), every read model is the fold of its events (I5), stock is
conserved at every prefix of the log (I7), every command has one outcome (I8), and the stream mirrors the log (I10).

The system may go on meanwhile: what is checked ends where the log ended when the check began. The exit code is 8 if
something is violated.`,
		Example: `  waybill verify
  waybill verify -o json
  waybill verify --database-url postgres://db/waybill --nats-url nats://nats:4222`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, asTable, asJSON, asLines); err != nil {
				return err
			}
			cfg, err := systemConfig(a, cmd)
			if err != nil {
				return err
			}
			results, err := runVerify(cmd.Context(), a, cfg)
			if err != nil {
				return err
			}
			return showResults(a, results, output)
		},
	}
	systemFlags(c, "nats.url", "nats.creds")
	outputFlag(c, &output, asTable, asJSON, asLines)
	return c
}

// systemConfig is the configuration of a command that looks at the servers themselves: what it is told, or else those of
// a running dev.
func systemConfig(a *app, cmd *cobra.Command) (config.Config, error) {
	cfg, _, err := findSystem(a, cmd)
	return cfg, err
}

// systemFlags adds the flags that systemConfig reads.
func systemFlags(c *cobra.Command, more ...string) {
	config.Flags(c.Flags(), append(more, "database.url", "http.addr")...)
	c.Flags().Lookup("http-addr").Usage = "without a database: where to look for a running dev (WAYBILL_HTTP_ADDR)"
}

// findSystem is systemConfig, and tells whether the servers are those of a dev.
func findSystem(a *app, cmd *cobra.Command) (cfg config.Config, dev bool, err error) {
	cfg, origins, err := loadConfig(a, cmd.Flags())
	if err != nil || cfg.Database.URL != "" {
		return cfg, false, err
	}
	addr, said := cfg.HTTP.Addr, origins["http.addr"] != "default"
	if u, err := url.Parse(a.env(config.ServerVariable)); err == nil && u.Host != "" && !cmd.Flags().Changed("http-addr") {
		addr, said = u.Host, true // where the commands that talk to it look too
	}
	var info devInfo
	var ok bool
	if said {
		info, ok, err = findDev(addr)
	} else {
		info, ok, err = a.anyDev(addr, "--http-addr HOST:PORT")
	}
	if err != nil {
		return cfg, false, err
	}
	if !ok {
		return cfg, false, fail(exitUsage, "waybill dev", "database.url is not set, and no dev is running on %s", addr)
	}
	cfg.Database.URL, cfg.NATS.URL = config.Secret(info.DatabaseURL), config.Secret(info.NATS)
	return cfg, true, nil
}

func runVerify(ctx context.Context, a *app, cfg config.Config) ([]verify.Result, error) {
	pool, err := eventstore.NewPool(ctx, cfg.Database.URL.Reveal(), eventstore.PoolConfig{Role: eventstore.RoleProject, StatementTimeout: -1})
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	// It is only read, so whether it is durable does not matter here.
	log, err := eventstore.OpenPostgres(ctx, eventstore.PostgresConfig{DSN: cfg.Database.URL.Reveal(), AllowDataLoss: true})
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var conn *nats.Conn
	if cfg.NATS.URL != "" {
		if conn, err = newConnector(a, cfg)(engine.Consumer, nats.Name("waybill-verify")); err != nil {
			return nil, err
		}
		defer conn.Close()
	}
	p := newProgress(a.err)
	defer p.end()
	return verify.Run(ctx, verify.Config{
		Pool: pool, Log: log, Projections: engine.Projections(), Conn: conn,
		Progress: func(what string, done, of int64) { p.show(what, done, of) },
	})
}

func showResults(a *app, results []verify.Result, output string) error {
	bad, skipped := 0, 0
	for i := range results {
		switch {
		case results[i].Skipped != "":
			skipped++
		case !results[i].OK():
			bad++
		}
	}
	switch output {
	case asJSON, asLines:
		if err := printJSON(a, results, output); err != nil {
			return err
		}
	default:
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		for i := range results {
			r := &results[i]
			verdict := "holds"
			switch {
			case r.Skipped != "":
				verdict = "not checked: " + r.Skipped
			case !r.OK():
				verdict = "VIOLATED"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Invariant, verdict, r.Says, r.Checked, r.Took.Round(time.Millisecond))
			for _, violation := range r.Violations {
				fmt.Fprintf(w, "\t  %s\n", strings.ReplaceAll(violation, "\t", " "))
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s, %d violated, %d not checked\n", plural(len(results)-bad-skipped, "invariant holds", "invariants hold"), bad, skipped)
	}
	if bad > 0 {
		return fail(exitViolation, "waybill doctor", "%s violated", plural(bad, "invariant is", "invariants are"))
	}
	return nil
}
