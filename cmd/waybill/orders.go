package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"waybill/domain/money"
	"waybill/projections/orderlist"
	"waybill/projections/stuckorders"
	"waybill/projections/timeline"
)

func newOrders(a *app) *cobra.Command {
	r := &remote{app: a}
	c := &cobra.Command{Use: "orders", Short: "List, show and act on orders"}
	r.flags(c)
	c.AddCommand(
		newOrdersList(r), newOrdersShow(r), newOrdersTimeline(r), newOrdersStuck(r), newOrdersPlace(r),
		newAct(r, act{
			use: "cancel ORDER", short: "Cancel an order, or units of some of its lines",
			example: "  waybill orders cancel ORDER --reason customer\n  waybill orders cancel ORDER --line 1=2 --dry-run", path: "cancel",
			flags: []flag{{"reason", "reason", "customer, fraud, inventory, declined, staff or other"}, {"note", "note", "free text"}}, lines: "LINE=QUANTITY; without it, all that is open",
		}),
		newAct(r, act{
			use: "hold ORDER", short: "Stop verbs from happening to an order",
			example: "  waybill orders hold ORDER --kind fraud --blocks ship,capture", path: "hold",
			flags: []flag{{"kind", "kind", "fraud, payment, address, dispute or manual"}, {"id", "hold_id", "name of the hold, unique in the order"}, {"until", "until", "time at which it runs out by itself (RFC 3339)"}, {"note", "note", "free text"}},
			lists: []flag{{"blocks", "blocks", "confirm, cancel, amend, capture, ship"}},
		}),
		newAct(r, act{
			use: "release-hold ORDER", short: "Let go of a hold", example: "  waybill orders release-hold ORDER --id HOLD", path: "release-hold",
			flags: []flag{{"id", "hold_id", "name of the hold"}, {"note", "note", "free text"}},
		}),
		newAct(r, act{
			use: "note ORDER", short: "Write a remark on an order", example: `  waybill orders note ORDER --text "gift wrap, please"`, path: "note",
			flags: []flag{{"text", "text", "the remark"}},
		}),
		newAct(r, act{
			use: "tag ORDER", short: "Put tags on an order", example: "  waybill orders tag ORDER --tags gift,vip", path: "tag",
			lists: []flag{{"tags", "tags", "tags"}},
		}),
		newAct(r, act{
			use: "untag ORDER", short: "Take tags off an order", example: "  waybill orders untag ORDER --tags gift", path: "untag",
			lists: []flag{{"tags", "tags", "tags"}},
		}),
		newOrdersChangeAddress(r),
		newAct(r, act{
			use: "link-customer ORDER", short: "Say whose order a guest's order is", example: "  waybill orders link-customer ORDER --customer-id c-1042", path: "link-customer",
			flags: []flag{{"customer-id", "customer_id", "whose it is"}},
		}),
		newOrdersAmend(r),
		newAct(r, act{
			use: "withdraw-amendment ORDER", short: "Give a proposed amendment up", example: "  waybill orders withdraw-amendment ORDER --id rebate-1", path: "withdraw-amendment",
			flags: []flag{{"id", "amendment_id", "name of the amendment"}},
		}),
		newAct(r, act{
			use: "accept-amendment ORDER", short: "Carry a proposed amendment out", example: "  waybill orders accept-amendment ORDER --id rebate-1", path: "accept-amendment",
			long: `Carries an amendment out that lowers the price. One that changes units or makes the order dearer is refused
(amendment-out-of-reach): nothing reserves or releases its stock yet, and nothing takes more money for it. Money that was
paid already is then owed to the customer, and nothing in this version pays it out. The key needs the scope refunds:write.`,
			flags: []flag{{"id", "amendment_id", "name of the amendment"}},
		}),
		newAct(r, act{
			use: "refund ORDER", short: "Grant money back as goodwill; nothing pays it out yet",
			long: `Grants money back as goodwill: for shipped units, for delivery, or an amount. A grant is a right and not yet a payment:
nothing in this version pays it out, and the order does not complete before it is. At most what was captured is
granted; nothing in this version tells an order of captured money either, so until payments are taken by the engine
every grant is refused with refund-exceeds-entitlement (exit code 6). The key needs the scope refunds:write.`,
			example: "  waybill orders refund ORDER --adjustment 500 --currency EUR --reason \"arrived a week late\" --dry-run\n" +
				"  waybill orders refund ORDER --line 1=1 --shipping 490 --currency EUR --id complaint-7",
			path: "refund", fixed: map[string]any{"basis": "goodwill"}, lines: "LINE=QUANTITY: shipped units that are paid back",
			flags:   []flag{{"id", "refund_id", "name of the refund, unique in the order"}, {"ref", "ref", "what it is for, such as the id of a complaint"}, {"reason", "reason", "why"}},
			amounts: []flag{{"shipping", "shipping", "of what was charged for delivery, in minor units"}, {"adjustment", "adjustment", "an amount for nothing in particular, in minor units"}},
		}),
		newAct(r, act{
			use: "archive ORDER", short: "Put an order away that is completed, cancelled, rejected or expired", example: "  waybill orders archive ORDER", path: "archive",
		}),
	)
	return c
}

// filters are flags that go to the API as they are.
func filters(c *cobra.Command, q url.Values, list bool, names ...[2]string) {
	for _, n := range names {
		c.Flags().StringSlice(n[0], nil, n[1])
	}
	if list {
		c.Flags().Int("limit", 50, "rows of a page, at most 200")
		c.Flags().String("cursor", "", "where to go on: next_cursor of the page before")
	}
	c.PreRunE = func(cmd *cobra.Command, _ []string) error {
		for _, n := range names {
			values, err := cmd.Flags().GetStringSlice(n[0])
			if err != nil {
				return err
			}
			name := strings.ReplaceAll(n[0], "-", "_")
			if name == "tag" || name == "sku" {
				q[name] = values // repeated: all of them
			} else if len(values) > 0 {
				q.Set(name, strings.Join(values, ","))
			}
		}
		if list {
			limit, err := cmd.Flags().GetInt("limit")
			if err != nil {
				return err
			}
			q.Set("limit", strconv.Itoa(limit))
			if cursor, err := cmd.Flags().GetString("cursor"); err != nil || cursor != "" {
				q.Set("cursor", cursor)
				return err
			}
		}
		return nil
	}
}

// more says how to see the next page.
func (r *remote) more(cursor string) {
	if cursor != "" && r.output == asTable {
		r.app.sayf("there is more: --cursor %s", cursor)
	}
}

func newOrdersList(r *remote) *cobra.Command {
	q := url.Values{}
	c := &cobra.Command{
		Use:   "list",
		Short: "List orders, the newest first",
		Example: `  waybill orders list --lifecycle pending,confirmed --channel web
  waybill orders list --sku MUG-BLUE --sort -total --currency EUR
  waybill orders list --on-hold true -o jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			reply, err := api.Get(cmd.Context(), "/v1/orders", q)
			if err != nil {
				return explain(err)
			}
			return r.show(reply.Body, func(w io.Writer, body []byte) error {
				var page orderlist.Page
				if err := json.Unmarshal(body, &page); err != nil {
					return err
				}
				fmt.Fprintln(w, "ORDER\tNUMBER\tCHANNEL\tLIFECYCLE\tFULFILMENT\tHOLDS\tLINES\tUNITS\tTOTAL\tPLACED")
				for _, o := range page.Data {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", o.OrderID, o.Number, o.Channel, o.Lifecycle, o.FulfilmentStatus,
						dash(strings.Join(o.Holds, ",")), o.Lines, o.Units, o.Total, short(o.PlacedAt))
				}
				defer r.more(page.NextCursor)
				return nil
			})
		},
	}
	filters(c, q, true,
		[2]string{"lifecycle", "any of pending, confirmed, completed, rejected, expired, cancelling, cancelled"},
		[2]string{"payment-status", "any of these"}, [2]string{"fulfilment-status", "any of these"}, [2]string{"return-status", "any of these"},
		[2]string{"channel", "any of these"}, [2]string{"country", "any of these"}, [2]string{"customer-id", "exact"}, [2]string{"number", "exact order number"},
		[2]string{"source-ref", "exact reference upstream"}, [2]string{"hold", "kinds of active holds, any of these"}, [2]string{"on-hold", "true or false"},
		[2]string{"tag", "all of these"}, [2]string{"sku", "all of these"}, [2]string{"currency", "ISO 4217 code"},
		[2]string{"total-min", "minor units, with --currency"}, [2]string{"total-max", "minor units, with --currency"},
		[2]string{"placed-from", "RFC 3339, inclusive"}, [2]string{"placed-before", "RFC 3339, exclusive"},
		[2]string{"updated-from", "RFC 3339, inclusive"}, [2]string{"updated-before", "RFC 3339, exclusive"},
		[2]string{"sort", "placed_at, updated_at, total or number, with - for the largest first"}, [2]string{"min-position", "wait until the list has seen this position"},
	)
	return c
}

func newOrdersShow(r *remote) *cobra.Command {
	q := url.Values{}
	c := &cobra.Command{
		Use:   "show ORDER",
		Short: "Show an order, now or as it was",
		Example: `  waybill orders show ORDER
  waybill orders show ORDER --at-version 1
  waybill orders show ORDER --at 2026-11-20T14:34:12Z -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			reply, err := api.Get(cmd.Context(), "/v1/orders/"+url.PathEscape(args[0]), q)
			if err != nil {
				return explain(err)
			}
			return r.show(reply.Body, func(w io.Writer, body []byte) error {
				var d orderView
				if err := json.Unmarshal(body, &d); err != nil {
					return err
				}
				printOrder(w, &d)
				return nil
			})
		},
	}
	filters(c, q, false, [2]string{"at-version", "as this version left it"}, [2]string{"at-position", "as it was at this position of the log"},
		[2]string{"at", "as it was at this time (RFC 3339)"}, [2]string{"min-position", "wait until the read model has seen this position"})
	return c
}

// orderView is the part of an order that a table shows. Personal data come as text or as a mark, as the key may see.
type orderView struct {
	OrderID          string `json:"order_id"`
	Number           string `json:"number"`
	Channel          string `json:"channel"`
	SourceRef        string `json:"source_ref"`
	CustomerID       string `json:"customer_id"`
	Lifecycle        string `json:"lifecycle"`
	PaymentStatus    string `json:"payment_status"`
	FulfilmentStatus string `json:"fulfilment_status"`
	Rejection        *struct {
		Reason string `json:"reason"`
		Detail string `json:"detail"`
	} `json:"rejection"`
	Contact struct {
		Name string `json:"name"`
	} `json:"contact"`
	Totals struct {
		Grand money.Money `json:"grand"`
	} `json:"totals"`
	Due      money.Money `json:"due"`
	PlacedAt time.Time   `json:"placed_at"`
	Version  int64       `json:"version"`
	Position int64       `json:"position"`
	Tags     []string    `json:"tags"`
	Holds    []struct {
		HoldID     string    `json:"hold_id"`
		Kind       string    `json:"kind"`
		Blocks     []string  `json:"blocks"`
		Note       string    `json:"note"`
		ReleasedAt time.Time `json:"released_at"`
	} `json:"holds"`
	Notes []struct {
		Text   string    `json:"text"`
		Author string    `json:"author"`
		At     time.Time `json:"at"`
	} `json:"notes"`
	AllowedCommands []string `json:"allowed_commands"`
	Lines           []struct {
		LineID    string      `json:"line_id"`
		SKU       string      `json:"sku"`
		Title     string      `json:"title"`
		Ordered   int64       `json:"ordered"`
		Open      int64       `json:"open"`
		Cancelled int64       `json:"cancelled"`
		UnitPrice string      `json:"unit_price"`
		Total     money.Money `json:"total"`
	} `json:"lines"`
	Shipping   []chargeView `json:"shipping"`
	Surcharges []chargeView `json:"surcharges"`
}

type chargeView struct {
	Title string      `json:"title"`
	Total money.Money `json:"total"`
}

func printOrder(w io.Writer, d *orderView) {
	fmt.Fprintf(w, "order\t%s\t%s\n", d.OrderID, d.Number)
	fmt.Fprintf(w, "channel\t%s\t%s\n", d.Channel, dash(d.SourceRef))
	fmt.Fprintf(w, "customer\t%s\t%s\n", dash(d.CustomerID), d.Contact.Name)
	fmt.Fprintf(w, "status\t%s\tpayment %s, fulfilment %s\n", d.Lifecycle, d.PaymentStatus, d.FulfilmentStatus)
	if d.Rejection != nil {
		fmt.Fprintf(w, "rejected\t%s\t%s\n", d.Rejection.Reason, d.Rejection.Detail)
	}
	fmt.Fprintf(w, "total\t%s\tdue %s\n", d.Totals.Grand, d.Due)
	fmt.Fprintf(w, "placed\t%s\tversion %d, position %d\n", short(d.PlacedAt), d.Version, d.Position)
	if len(d.Tags) > 0 {
		fmt.Fprintf(w, "tags\t%s\n", strings.Join(d.Tags, ", "))
	}
	for _, h := range d.Holds {
		state := "active"
		if !h.ReleasedAt.IsZero() {
			state = "released " + short(h.ReleasedAt)
		}
		fmt.Fprintf(w, "hold\t%s\t%s, blocks %s, %s%s\n", h.HoldID, h.Kind, strings.Join(h.Blocks, ","), state, quoted(h.Note))
	}
	for _, n := range d.Notes {
		fmt.Fprintf(w, "note\t%s\t%s%s\n", short(n.At), n.Author, quoted(n.Text))
	}
	fmt.Fprintf(w, "possible\t%s\n\n", strings.Join(d.AllowedCommands, ", "))
	fmt.Fprintln(w, "LINE\tSKU\tTITLE\tORDERED\tOPEN\tCANCELLED\tUNIT PRICE\tTOTAL")
	for i := range d.Lines {
		l := &d.Lines[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", l.LineID, l.SKU, cut(l.Title, 40), l.Ordered, l.Open, l.Cancelled, l.UnitPrice, l.Total)
	}
	for _, s := range d.Shipping {
		fmt.Fprintf(w, "%s\t\t%s\t\t\t\t\t%s\n", "shipping", cut(s.Title, 40), s.Total)
	}
	for _, s := range d.Surcharges {
		fmt.Fprintf(w, "%s\t\t%s\t\t\t\t\t%s\n", "surcharge", cut(s.Title, 40), s.Total)
	}
}

// quoted is a remark behind something else.
func quoted(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}

// cut shortens text for a table.
func cut(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}

func newOrdersTimeline(r *remote) *cobra.Command {
	q := url.Values{}
	c := &cobra.Command{
		Use:   "timeline ORDER",
		Short: "Show what happened to an order, and which commands were refused",
		Example: `  waybill orders timeline ORDER
  waybill orders timeline ORDER --oldest-first true -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			reply, err := api.Get(cmd.Context(), "/v1/orders/"+url.PathEscape(args[0])+"/timeline", q)
			if err != nil {
				return explain(err)
			}
			return r.show(reply.Body, func(w io.Writer, body []byte) error {
				var page timeline.Page
				if err := json.Unmarshal(body, &page); err != nil {
					return err
				}
				fmt.Fprintln(w, "POSITION\tTIME\tWHAT\tACTOR\tTEXT")
				for i := range page.Data {
					e := &page.Data[i]
					what := e.Type
					if e.Kind == timeline.KindRefused {
						what = "✗ " + e.Type
					}
					fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", e.Position, short(e.Time), what, dash(e.Actor), e.Text)
				}
				defer r.more(page.NextCursor)
				return nil
			})
		},
	}
	filters(c, q, true, [2]string{"type", "types of events or commands, any of these"}, [2]string{"oldest-first", "true or false"}, [2]string{"min-position", "wait until the timeline has seen this position"})
	return c
}

func newOrdersStuck(r *remote) *cobra.Command {
	q := url.Values{}
	c := &cobra.Command{
		Use:     "stuck",
		Short:   "List orders that wait, what for, and what would move them on",
		Example: "  waybill orders stuck --older-than 3600",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			reply, err := api.Get(cmd.Context(), "/v1/stuck-orders", q)
			if err != nil {
				return explain(err)
			}
			return r.show(reply.Body, func(w io.Writer, body []byte) error {
				var page stuckorders.Page
				if err := json.Unmarshal(body, &page); err != nil {
					return err
				}
				fmt.Fprintln(w, "ORDER\tNUMBER\tLIFECYCLE\tWAITS\tWHY\tNEXT STEP")
				for i := range page.Data {
					o := &page.Data[i]
					why := ""
					if len(o.Reasons) > 0 {
						why = o.Reasons[0].Text
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", o.OrderID, o.Number, o.Lifecycle, age(time.Duration(o.AgeSeconds)*time.Second), why, o.NextStep.Text)
				}
				defer r.more(page.NextCursor)
				return nil
			})
		},
	}
	filters(c, q, true, [2]string{"older-than", "seconds that the order has waited, at least"}, [2]string{"lifecycle", "any of these"}, [2]string{"channel", "any of these"}, [2]string{"on-hold", "true or false"})
	return c
}
