package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"waybill/api/auth"
	"waybill/internal/config"
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
		config.Flags(sub.Flags(), "database.url", "http.addr")
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

func newKeysList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List all keys, without their secrets",
		Example: "  waybill keys list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withKeys(a, cmd, func(keys *auth.PostgresStore) error {
				all, err := keys.ListKeys(cmd.Context())
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
				fmt.Fprintln(w, "KEY\tNAME\tSCOPES\tCHANNELS\tCREATED\tREVOKED")
				for _, k := range all {
					scopes := make([]string, len(k.Scopes))
					for i, s := range k.Scopes {
						scopes[i] = string(s)
					}
					revoked := ""
					if !k.RevokedAt.IsZero() {
						revoked = k.RevokedAt.UTC().Format(time.RFC3339)
					}
					fmt.Fprintf(w, "%s…\t%s\t%s\t%s\t%s\t%s\n", k.Prefix, k.Name, strings.Join(scopes, ","), strings.Join(k.Channels, ","), k.CreatedAt.UTC().Format(time.RFC3339), revoked)
				}
				return w.Flush()
			})
		},
	}
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
