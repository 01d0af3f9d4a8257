package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"waybill/api/auth"
)

func newKeys(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke API keys",
		Long: `Keys works on the database itself: the first key cannot be made over the API. Only a hash of a key is stored, so the
key is shown once, when it is made.`,
	}
	c.AddCommand(newKeysCreate(a), newKeysList(a), newKeysRevoke(a))
	for _, sub := range c.Commands() {
		systemFlags(sub)
	}
	return c
}

// withKeys calls f with the keys of the configured database.
func withKeys(a *app, cmd *cobra.Command, f func(*auth.PostgresStore) error) error {
	cfg, err := systemConfig(a, cmd)
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(cmd.Context(), cfg.Database.URL.Reveal())
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer pool.Close()
	return f(auth.NewPostgresStore(pool))
}

func newKeysCreate(a *app) *cobra.Command {
	var scopes, channels []string
	var environment string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key and print it",
		Example: `  waybill keys create web-shop --scopes orders:write,orders:read --channels web
  waybill keys create auditor --scopes orders:read,events:read`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			granted, err := auth.ParseScopes(scopes)
			if err != nil || len(granted) == 0 {
				return fail(exitUsage, "", "--scopes: choose from %s", scopeNames())
			}
			secret, err := auth.NewSecret(environment)
			if err != nil {
				return fail(exitUsage, "", "--environment: %w", err)
			}
			return withKeys(a, cmd, func(keys *auth.PostgresStore) error {
				if _, err := keys.AddKey(cmd.Context(), secret, args[0], granted, channels); err != nil {
					return err
				}
				fmt.Fprintln(a.out, secret)
				a.sayf("this key is not shown again; send it as: Authorization: Bearer KEY")
				return nil
			})
		},
	}
	c.Flags().StringSliceVar(&scopes, "scopes", nil, "what the key may do: "+scopeNames())
	c.Flags().StringSliceVar(&channels, "channels", nil, "channels in which it may place orders; none: all")
	c.Flags().StringVar(&environment, "environment", "live", "a word in the key that tells environments apart")
	return c
}

func scopeNames() string {
	var names []string
	for _, s := range auth.Scopes() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// keyRow is a key as it is printed.
type keyRow struct {
	Key      string   `json:"key"` // how it begins
	Name     string   `json:"name"`
	Scopes   []string `json:"scopes"`
	Channels []string `json:"channels"`
	Created  string   `json:"created_at"`
	Revoked  string   `json:"revoked_at,omitempty"`
}

func newKeysList(a *app) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List all keys, without their secrets",
		Example: "  waybill keys list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output, asTable, asJSON, asLines); err != nil {
				return err
			}
			return withKeys(a, cmd, func(keys *auth.PostgresStore) error {
				all, err := keys.ListKeys(cmd.Context())
				if err != nil {
					return err
				}
				rows := make([]keyRow, len(all))
				for i, k := range all {
					rows[i] = keyRow{Key: k.Prefix, Name: k.Name, Scopes: []string{}, Channels: append([]string{}, k.Channels...), Created: k.CreatedAt.UTC().Format(time.RFC3339)}
					for _, s := range k.Scopes {
						rows[i].Scopes = append(rows[i].Scopes, string(s))
					}
					if !k.RevokedAt.IsZero() {
						rows[i].Revoked = k.RevokedAt.UTC().Format(time.RFC3339)
					}
				}
				return printKeys(a, rows, output)
			})
		},
	}
	outputFlag(c, &output, asTable, asJSON, asLines)
	return c
}

func printKeys(a *app, rows []keyRow, output string) error {
	if output != asTable {
		return printJSON(a, rows, output)
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tNAME\tSCOPES\tCHANNELS\tCREATED\tREVOKED")
	for _, k := range rows {
		fmt.Fprintf(w, "%s…\t%s\t%s\t%s\t%s\t%s\n", k.Key, k.Name, strings.Join(k.Scopes, ","), firstOf(strings.Join(k.Channels, ","), "all"), k.Created, dash(k.Revoked))
	}
	return w.Flush()
}

func newKeysRevoke(a *app) *cobra.Command {
	var prefix string
	c := &cobra.Command{
		Use:     "revoke NAME",
		Short:   "Revoke the keys of a name; they are turned away within seconds",
		Example: "  waybill keys revoke web-shop --key wb_live_Xy3k",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKeys(a, cmd, func(keys *auth.PostgresStore) error {
				n, err := keys.RevokeKeys(cmd.Context(), args[0], strings.TrimSuffix(prefix, "…"))
				if err != nil {
					return err
				}
				if n == 0 {
					return fail(exitNotFound, "waybill keys list", "there is no valid key of %q", args[0])
				}
				a.sayf("%d keys revoked", n)
				return nil
			})
		},
	}
	c.Flags().StringVar(&prefix, "key", "", "revoke only the key that begins so, as keys list shows it")
	return c
}
