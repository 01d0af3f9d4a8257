package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"waybill/cmd/waybill/engine"
	"waybill/eventstore"
	"waybill/internal/config"
)

func newMigrate(a *app) *cobra.Command {
	var dryRun, status bool
	var output string
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to the schema of this version",
		Long: `Migrate makes what is missing of the schema: the log first, then read models, processes and keys. It is safe to run
more than once and by several at once, and gives up rather than wait long for a lock that appends need.

It needs a user who may create schemas, tables and roles; the engine itself does with less.`,
		Example: `  waybill migrate --database-url postgres://owner@db/waybill
  waybill migrate --dry-run > pending.sql
  waybill migrate --status`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, asTable, asJSON, asLines); err != nil {
				return err
			}
			cfg, _, err := loadConfig(a, cmd.Flags())
			if err != nil {
				return err
			}
			if cfg.Database.URL == "" {
				return fail(exitUsage, "", "database.url is not set: give --database-url or DATABASE_URL")
			}
			sets, err := engine.Migrations()
			if err != nil {
				return err
			}
			dsn := cfg.Database.URL.Reveal()
			switch {
			case status:
				return migrationStatus(cmd, a, dsn, sets, output)
			case dryRun:
				return migrationSQL(cmd, a, dsn, sets)
			}
			pending, err := eventstore.PendingSQL(cmd.Context(), dsn, sets...)
			if err != nil {
				return err
			}
			if err := eventstore.Migrate(cmd.Context(), dsn, sets...); err != nil {
				return err
			}
			a.sayf("%s applied, the schema is up to date", plural(len(pending), "migration", "migrations"))
			return nil
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "print the SQL that would run, and change nothing")
	c.Flags().BoolVar(&status, "status", false, "list the migrations, applied and pending")
	c.MarkFlagsMutuallyExclusive("dry-run", "status")
	outputFlag(c, &output, asTable, asJSON, asLines)
	config.Flags(c.Flags(), "database.url")
	return c
}

// migrationRow is a migration as it is printed.
type migrationRow struct {
	Set     string `json:"set"`
	Version int64  `json:"version"`
	File    string `json:"file"`
	Applied string `json:"applied_at,omitempty"` // absent: pending
}

func migrationStatus(cmd *cobra.Command, a *app, dsn string, sets []eventstore.MigrationSet, output string) error {
	all, err := eventstore.MigrationStatus(cmd.Context(), dsn, sets...)
	if err != nil {
		return err
	}
	if output != asTable {
		rows := make([]migrationRow, len(all))
		for i, m := range all {
			rows[i] = migrationRow{Set: m.Set, Version: m.Version, File: m.File}
			if !m.AppliedAt.IsZero() {
				rows[i].Applied = m.AppliedAt.UTC().Format(time.RFC3339)
			}
		}
		return printJSON(a, rows, output)
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "SET\tVERSION\tFILE\tAPPLIED")
	for _, m := range all {
		applied := "pending"
		if !m.AppliedAt.IsZero() {
			applied = m.AppliedAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", m.Set, m.Version, m.File, applied)
	}
	return w.Flush()
}

func migrationSQL(cmd *cobra.Command, a *app, dsn string, sets []eventstore.MigrationSet) error {
	pending, err := eventstore.PendingSQL(cmd.Context(), dsn, sets...)
	if err != nil {
		return err
	}
	for _, m := range pending {
		fmt.Fprintf(a.out, "-- %s %s\n%s\n", m.Set, m.File, m.SQL)
	}
	a.sayf("%s pending; nothing was changed", plural(len(pending), "migration is", "migrations are"))
	return nil
}
