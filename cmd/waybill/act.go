package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"waybill/cmd/waybill/client"
)

// flag is a flag that becomes a field of a command's body.
type flag struct{ name, field, usage string }

// act is a command of the API as a command of the line.
type act struct {
	use, short, example string
	long                string         // more than short; may be empty
	path                string         // behind the address of what it acts on
	fixed               map[string]any // fields that are always the same
	flags               []flag         // text
	numbers             []flag         // whole numbers
	amounts             []flag         // minor units, in --currency
	lists               []flag         // lists of text
	lines               string         // usage of --line, which takes LINE=QUANTITY; none if empty
	stock               bool           // acts on SKU LOCATION instead of ORDER
}

// sending are the flags of every command that changes something.
type sending struct {
	key, version string
	dryRun       bool
}

func (s *sending) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.key, "idempotency-key", "", "send it again with the same key and nothing happens twice")
	c.Flags().StringVar(&s.version, "if-version", "", "only if the order or item is at this version")
	c.Flags().BoolVar(&s.dryRun, "dry-run", false, "say what would happen, and change nothing")
}

func newAct(r *remote, t act) *cobra.Command {
	var s sending
	var lines []string
	args := cobra.ExactArgs(1)
	if t.stock {
		args = cobra.ExactArgs(2)
	}
	c := &cobra.Command{
		Use: t.use, Short: t.short, Long: t.long, Example: t.example, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := t.body(cmd, lines)
			if err != nil {
				return err
			}
			path := "/v1/orders/" + url.PathEscape(args[0]) + "/" + t.path
			if t.stock {
				path = "/v1/stock/" + url.PathEscape(args[0]) + "/" + url.PathEscape(args[1]) + "/" + t.path
			}
			return r.send(cmd, s, path, body)
		},
	}
	s.flags(c)
	for _, f := range t.flags {
		c.Flags().String(f.name, "", f.usage)
	}
	for _, f := range t.numbers {
		c.Flags().Int64(f.name, 0, f.usage)
		_ = c.MarkFlagRequired(f.name)
	}
	for _, f := range t.lists {
		c.Flags().StringSlice(f.name, nil, f.usage)
	}
	for _, f := range t.amounts {
		c.Flags().Int64(f.name, 0, f.usage)
	}
	if len(t.amounts) > 0 {
		c.Flags().String("currency", "", "ISO 4217 code of the amounts")
	}
	if t.lines != "" {
		c.Flags().StringSliceVar(&lines, "line", nil, t.lines)
	}
	return c
}

// body makes the command of the flags that were given.
func (t *act) body(cmd *cobra.Command, lines []string) ([]byte, error) {
	fields := map[string]any{}
	maps.Copy(fields, t.fixed)
	if err := t.money(cmd, fields); err != nil {
		return nil, err
	}
	for _, f := range t.flags {
		if v, err := cmd.Flags().GetString(f.name); err != nil || v != "" {
			fields[f.field] = v
		}
	}
	for _, f := range t.numbers {
		v, err := cmd.Flags().GetInt64(f.name)
		if err != nil {
			return nil, err
		}
		fields[f.field] = v
	}
	for _, f := range t.lists {
		if v, err := cmd.Flags().GetStringSlice(f.name); err != nil || len(v) > 0 {
			fields[f.field] = v
		}
	}
	var quantities []map[string]any
	for _, l := range lines {
		id, text, ok := strings.Cut(l, "=")
		quantity, err := strconv.ParseInt(text, 10, 64)
		if !ok || err != nil {
			return nil, fail(exitUsage, "", "--line %q is not LINE=QUANTITY", l)
		}
		quantities = append(quantities, map[string]any{"line_id": id, "quantity": quantity})
	}
	if quantities != nil {
		fields["lines"] = quantities
	}
	return json.Marshal(fields)
}

// money adds the amounts that were given.
func (t *act) money(cmd *cobra.Command, fields map[string]any) error {
	for _, f := range t.amounts {
		if !cmd.Flags().Changed(f.name) {
			continue
		}
		minor, err := cmd.Flags().GetInt64(f.name)
		if err != nil {
			return err
		}
		currency, err := cmd.Flags().GetString("currency")
		if err != nil {
			return err
		}
		if currency == "" {
			return fail(exitUsage, "", "--%s needs --currency", f.name)
		}
		fields[f.field] = map[string]any{"minor": minor, "currency": currency}
	}
	return nil
}

// accepted is the part of the answer to a command that a table shows.
type accepted struct {
	OrderID     string `json:"order_id"`
	OrderNumber string `json:"order_number"`
	SKU         string `json:"sku"`
	Location    string `json:"location"`
	Version     int64  `json:"version"`
	Position    int64  `json:"position"`
	DryRun      bool   `json:"dry_run"`
	Events      []struct {
		Type    string          `json:"type"`
		Stream  string          `json:"stream"`
		Version int64           `json:"version"`
		Data    json.RawMessage `json:"data"`
	} `json:"events"`
}

// send sends a command and shows what it did.
func (r *remote) send(cmd *cobra.Command, s sending, path string, body []byte) error {
	api, err := r.client()
	if err != nil {
		return err
	}
	if s.key == "" { // known here, so that it can be sent again when no answer comes
		s.key = uuid.Must(uuid.NewV7()).String()
	}
	reply, err := api.Send(cmd.Context(), client.Command{Path: path, Body: body, Key: s.key, IfMatch: s.version, DryRun: s.dryRun})
	if errors.Is(err, client.ErrCutOff) {
		return fail(exitError, "the same with --idempotency-key "+s.key+": it happens once", "%w", err)
	}
	if err != nil {
		return explain(err)
	}
	if r.output != asTable {
		return r.show(reply.Body, nil)
	}
	var a accepted
	if err := json.Unmarshal(reply.Body, &a); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	what := firstOf(a.OrderID, a.SKU+"@"+a.Location)
	switch {
	case a.DryRun:
		r.app.sayf("dry run: nothing was changed")
	case reply.Replayed:
		r.app.sayf("this command was sent before; nothing was changed now")
	case len(a.Events) == 0:
		r.app.sayf("there was nothing left to do")
	}
	if a.OrderNumber != "" {
		what += "  " + a.OrderNumber
	}
	if a.DryRun { // nothing has a place in the log
		fmt.Fprintf(r.app.out, "%s  version %d\n", what, a.Version)
	} else {
		fmt.Fprintf(r.app.out, "%s  version %d  position %d\n", what, a.Version, a.Position)
	}
	for _, e := range a.Events {
		fmt.Fprintf(r.app.out, "  %s  %s v%d\n", e.Type, e.Stream, e.Version)
		if len(e.Data) > 0 {
			fmt.Fprintf(r.app.out, "    %s\n", oneLine(e.Data))
		}
	}
	return nil
}

func newOrdersPlace(r *remote) *cobra.Command {
	var s sending
	c := &cobra.Command{
		Use:   "place FILE",
		Short: "Place the order in a JSON file, or in standard input for -",
		Example: `  waybill orders place order.json
  waybill orders place - --dry-run < order.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := r.app.input(args[0])
			if err != nil {
				return err
			}
			return r.send(cmd, s, "/v1/orders", body)
		},
	}
	s.flags(c)
	return c
}

func newOrdersAmend(r *remote) *cobra.Command {
	var s sending
	c := &cobra.Command{
		Use:   "amend ORDER FILE",
		Short: "Propose the lower price in a JSON file, or in standard input for -",
		Long: `Proposes an amendment: the fields of order.propose_amendment but the order's id (docs/api.md, /openapi.json). Amendments
change prices alone, downwards: nothing reserves, moves or releases the stock of an amended order yet, and nothing takes
more money for it. Money that was paid already is then owed to the customer, and nothing in this version pays it out.`,
		Example: `  waybill orders amend ORDER amendment.json
  waybill orders amend ORDER - --dry-run < amendment.json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := r.app.input(args[1])
			if err != nil {
				return err
			}
			return r.send(cmd, s, "/v1/orders/"+url.PathEscape(args[0])+"/amend", body)
		},
	}
	s.flags(c)
	return c
}

func newOrdersChangeAddress(r *remote) *cobra.Command {
	var s sending
	c := &cobra.Command{
		Use:   "change-shipping-address ORDER FILE",
		Short: "Send what is not handed out yet to the address in a JSON file, or in standard input for -",
		Example: `  waybill orders change-shipping-address ORDER address.json
  waybill orders change-shipping-address ORDER - --dry-run < address.json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			address, err := r.app.input(args[1])
			if err != nil {
				return err
			}
			body, err := json.Marshal(map[string]json.RawMessage{"address": address})
			if err != nil {
				return fail(exitUsage, "", "%s is not JSON: %w", args[1], err)
			}
			return r.send(cmd, s, "/v1/orders/"+url.PathEscape(args[0])+"/change-shipping-address", body)
		},
	}
	s.flags(c)
	return c
}
