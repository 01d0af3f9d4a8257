package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"waybill/api/wire"
	"waybill/cmd/waybill/client"
)

func newEvents(a *app) *cobra.Command {
	r := &remote{app: a}
	c := &cobra.Command{Use: "events", Short: "Read the log, and follow it"}
	r.flags(c)
	c.AddCommand(newEventsList(r), newEventsTail(r))
	return c
}

func newEventsList(r *remote) *cobra.Command {
	q := url.Values{}
	c := &cobra.Command{
		Use:   "list",
		Short: "Page through the log",
		Example: `  waybill events list --from 100 --limit 20
  waybill events list --order ORDER -o jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			reply, err := api.Get(cmd.Context(), "/v1/events", q)
			if err != nil {
				return explain(err)
			}
			return r.show(reply.Body, func(w io.Writer, body []byte) error {
				var page struct {
					Data       []wire.Event `json:"data"`
					NextCursor string       `json:"next_cursor"`
				}
				if err := json.Unmarshal(body, &page); err != nil {
					return err
				}
				defer r.more(page.NextCursor)
				fmt.Fprintln(w, "POSITION\tTIME\tTYPE\tSTREAM\tVERSION\tACTOR")
				for i := range page.Data {
					e := &page.Data[i]
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Position, short(e.Time), e.Type, e.Subject, e.Sequence, dash(e.Actor))
				}
				return nil
			})
		},
	}
	filters(c, q, true, [2]string{"from", "position to begin with"}, [2]string{"type", "any of these; order. stands for all that begin with it"}, [2]string{"stream", "of one stream"},
		[2]string{"order", "all that belongs to an order"}, [2]string{"actor", "who asked"}, [2]string{"correlation-id", "what one request set off"})
	return c
}

func newEventsTail(r *remote) *cobra.Command {
	var from string
	var types []string
	var order, stream string
	var count int
	c := &cobra.Command{
		Use:   "tail",
		Short: "Follow the log: each event as it happens",
		Long: `Tail prints events as they happen, or from a position on and then live, without a gap. It resumes by itself when the
connection breaks.

With -o json, as with -o jsonl, each event is one line of JSON: what has no end is no document.`,
		Example: `  waybill events tail
  waybill events tail --from 1 --type order. -o jsonl
  waybill events tail --order ORDER`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			q := url.Values{}
			if len(types) > 0 {
				q.Set("types", strings.Join(types, ","))
			}
			for name, v := range map[string]string{"order": order, "stream": stream} {
				if v != "" {
					q.Set(name, v)
				}
			}
			begin, err := tailFrom(cmd.Context(), api, from)
			if err != nil {
				return err
			}
			return r.tail(cmd.Context(), api, q, begin, count)
		},
	}
	c.Flags().StringVar(&from, "from", "now", "position to begin with, or now")
	c.Flags().StringSliceVar(&types, "type", nil, "any of these; order. stands for all that begin with it")
	c.Flags().StringVar(&order, "order", "", "all that belongs to an order")
	c.Flags().StringVar(&stream, "stream", "", "of one stream")
	c.Flags().IntVar(&count, "count", 0, "end after so many events; 0: never")
	return c
}

// tailFrom is the position that --from means.
func tailFrom(ctx context.Context, api *client.Client, from string) (int64, error) {
	if from != "now" {
		position, err := strconv.ParseInt(from, 10, 64)
		if err != nil || position < 1 {
			return 0, fail(exitUsage, "", "--from %q is neither a position nor now", from)
		}
		return position, nil
	}
	reply, err := api.Get(ctx, "/v1/events", url.Values{"limit": {"1"}})
	if err != nil {
		return 0, explain(err)
	}
	var page struct {
		Head string `json:"head"`
	}
	if err := json.Unmarshal(reply.Body, &page); err != nil {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	head, err := strconv.ParseInt(page.Head, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	return head + 1, nil
}

var errEnough = errors.New("enough events")

func (r *remote) tail(ctx context.Context, api *client.Client, q url.Values, from int64, count int) error {
	seen, last := 0, from-1
	err := api.Stream(ctx, q, from, func(e client.Event) error {
		last = e.Position
		if r.output == asTable {
			var v wire.Event
			if err := json.Unmarshal(e.Data, &v); err != nil {
				return fmt.Errorf("read event %d: %w", e.Position, err)
			}
			fmt.Fprintf(r.app.out, "%8d  %s  %-32s %s v%s  %s\n", e.Position, short(v.Time), v.Type, v.Subject, v.Sequence, v.Actor)
		} else {
			fmt.Fprintln(r.app.out, oneLine(e.Data))
		}
		if seen++; count > 0 && seen == count {
			return errEnough
		}
		return nil
	})
	if ctx.Err() != nil {
		r.app.sayf("last position %d; go on with: waybill events tail --from %d", last, last+1)
		err = nil // ending it is what one does
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return explain(err)
}
