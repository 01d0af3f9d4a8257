package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"waybill/cmd/waybill/client"
	"waybill/internal/config"
)

// The forms of output.
const (
	asTable = "table"
	asJSON  = "json"
	asLines = "jsonl"
)

// remote is what every command has that talks to a running engine.
type remote struct {
	app         *app
	server, key string
	output      string
}

// flags adds what tells the server and the form of output.
func (r *remote) flags(c *cobra.Command) {
	c.PersistentFlags().StringVar(&r.server, "server", "", "address of the engine (WAYBILL_SERVER); a running dev is found by itself")
	c.PersistentFlags().StringVar(&r.key, "key", "", "API key (better: WAYBILL_KEY)")
	c.PersistentFlags().StringVarP(&r.output, "output", "o", asTable, "table, json (as the API answers) or jsonl (a row a line)")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{asTable, asJSON, asLines}, cobra.ShellCompDirectiveNoFileComp))
}

// outputFlag adds --output to a command that does not talk to a running engine.
func outputFlag(c *cobra.Command, output *string, forms ...string) {
	c.Flags().StringVarP(output, "output", "o", forms[0], oneOf(forms))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp))
}

// checkOutput refuses a form of output that the command does not have.
func checkOutput(output string, forms ...string) error {
	if !slices.Contains(forms, output) {
		return fail(exitUsage, "", "--output %q: choose %s", output, oneOf(forms))
	}
	return nil
}

// oneOf lists words: "table, json or jsonl".
func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// client finds the server: the flag, the environment, or a dev that runs on this machine.
func (r *remote) client() (*client.Client, error) {
	if err := checkOutput(r.output, asTable, asJSON, asLines); err != nil {
		return nil, err
	}
	c := &client.Client{Base: strings.TrimRight(firstOf(r.server, r.app.env("WAYBILL_SERVER")), "/"), Key: firstOf(r.key, r.app.env("WAYBILL_KEY"))}
	if c.Base == "" {
		addr := config.Default().HTTP.Addr
		info, ok, err := r.app.anyDev(addr, "--server URL")
		if err != nil {
			return nil, err
		}
		c.Base = baseURL(addr)
		if ok {
			c.Base, c.Key = info.HTTP, firstOf(c.Key, info.Key)
		}
		return c, nil
	}
	u, err := url.Parse(c.Base)
	if err != nil || u.Host == "" {
		return nil, fail(exitUsage, "", "--server %q is not an address such as http://127.0.0.1:8080", c.Base)
	}
	if c.Key == "" {
		info, _, err := findDev(u.Host)
		if err != nil {
			return nil, err
		}
		c.Key = info.Key
	}
	return c, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// explain gives an error of the client its exit code and a way on.
func explain(err error) error {
	if errors.Is(err, client.ErrCutOff) {
		return fail(exitError, "the same again", "%w", err)
	}
	if errors.Is(err, client.ErrUnreachable) {
		return fail(exitError, "waybill dev, or say where the engine is with --server", "%w", err)
	}
	p, ok := errors.AsType[*client.Problem](err)
	if !ok {
		return err
	}
	switch p.Status {
	case 400, 413, 415:
		return fail(exitUsage, "", "%w", err)
	case 401, 403:
		return fail(exitAuth, "give a key that may do this with WAYBILL_KEY; make one with: waybill keys create NAME --scopes …", "%w", err)
	case 404:
		next := "" // the list beside the command
		if p.Code == "command-not-found" {
			next = "waybill orders timeline ORDER -o json, which has the id of every command on an order, refused ones too"
		}
		return fail(exitNotFound, next, "%w", err)
	case 409:
		return fail(exitConflict, "the same again, in a moment", "%w", err)
	case 412:
		return fail(exitConflict, "look at it as it is now, with show, then the same again with that version", "%w", err)
	case 422:
		if p.Code == "idempotency-key-reused" {
			return fail(exitConflict, "the same with another --idempotency-key", "%w", err)
		}
		return fail(exitRefused, p.Page(), "%w", err)
	case 429, 503, 504:
		return fail(exitTimeout, "the same again, in a moment", "%w", err)
	}
	return fail(exitError, "waybill doctor", "%w", err)
}

// show writes what the API answered: as it is, or row by row, or as a table made by rows.
func (r *remote) show(body []byte, rows func(w io.Writer, body []byte) error) error {
	switch r.output {
	case asJSON:
		_, err := r.app.out.Write(indent(body))
		return err
	case asLines:
		var page struct {
			Data []json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &page); err != nil || page.Data == nil {
			page.Data = []json.RawMessage{body}
		}
		for _, row := range page.Data {
			fmt.Fprintln(r.app.out, oneLine(row))
		}
		return nil
	}
	w := tabwriter.NewWriter(r.app.out, 0, 4, 2, ' ', 0)
	if err := rows(w, body); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return w.Flush()
}

// indent lays JSON out for people; numbers stay as they are.
func indent(body []byte) []byte {
	var v json.RawMessage = body
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return body
	}
	return append(b, '\n')
}

// printJSON writes rows as one document, or as a document a line.
func printJSON[T any](a *app, rows []T, output string) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	if output == asJSON {
		e.SetIndent("", "  ")
		if rows == nil {
			rows = []T{}
		}
		return e.Encode(rows)
	}
	for i := range rows {
		if err := e.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func oneLine(b json.RawMessage) string {
	c, err := json.Marshal(b)
	if err != nil {
		return string(b)
	}
	return string(c)
}

// input reads a file, or standard input for "-".
func (a *app) input(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(a.in)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fail(exitUsage, "", "%w", err)
	}
	return b, nil
}

// short is a time for a table.
func short(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// age is a span of time for a table.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func dash(s string) string { return firstOf(s, "-") }
