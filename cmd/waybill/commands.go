package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"waybill/cmd/waybill/client"
)

func newCommands(a *app) *cobra.Command {
	r := &remote{app: a}
	c := &cobra.Command{Use: "commands", Short: "Send commands of any type, and ask what became of them"}
	r.flags(c)
	c.AddCommand(newCommandsShow(r), newCommandsSend(r), newCommandsBatch(r))
	return c
}

func newCommandsShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "show COMMAND",
		Short:   "Show the outcome of a command, also of a refused one",
		Example: "  waybill commands show 0198c5f0-7a3e-7c11-8a2b-9d4e5f607182",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			reply, err := api.Get(cmd.Context(), "/v1/commands/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return explain(err)
			}
			return r.show(reply.Body, func(w io.Writer, body []byte) error {
				var o struct {
					CommandID string          `json:"command_id"`
					Outcome   string          `json:"outcome"`
					Status    int             `json:"status"`
					Body      json.RawMessage `json:"body"`
				}
				if err := json.Unmarshal(body, &o); err != nil {
					return err
				}
				_, err := fmt.Fprintf(w, "%s\t%s\t%d\n%s", o.CommandID, o.Outcome, o.Status, indent(o.Body))
				return err
			})
		},
	}
}

func newCommandsSend(r *remote) *cobra.Command {
	var s sending
	c := &cobra.Command{
		Use:   "send FILE",
		Short: `Send the command in a JSON file: {"type": …, "data": {…}}`,
		Example: `  waybill commands send command.json
  echo '{"type":"order.tag","data":{"order_id":"…","tags":["vip"]}}' | waybill commands send -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := r.app.input(args[0])
			if err != nil {
				return err
			}
			var own struct {
				Key string `json:"idempotency_key"`
			}
			if err := json.Unmarshal(body, &own); err == nil { // what is wrong with it, the server says best
				s.key = firstOf(s.key, own.Key)
			}
			return r.send(cmd, s, "/v1/commands", body)
		},
	}
	s.flags(c)
	return c
}

func newCommandsBatch(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "batch FILE",
		Short: "Send many commands, one a line, and print a verdict a line",
		Long: `Batch sends envelopes as commands send takes them, one a line, and prints a verdict a line in the same order. Give
each line an idempotency_key: then a batch that was cut off can be sent again as a whole.`,
		Example: "  waybill commands batch commands.jsonl > verdicts.jsonl",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			lines := r.app.in
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fail(exitUsage, "", "%w", err)
				}
				defer f.Close()
				lines = f
			}
			refused, total := 0, 0
			err = api.Batch(cmd.Context(), lines, func(v client.Verdict) error {
				total++
				if v.Problem() != nil {
					refused++
				}
				b, err := json.Marshal(v)
				if err != nil {
					return err
				}
				_, err = r.app.out.Write(append(bytes.TrimSpace(b), '\n'))
				return err
			})
			if errors.Is(err, client.ErrCutOff) {
				return fail(exitError, "the same again: what has an idempotency_key and was carried out is not done twice", "%w", err)
			}
			if err != nil {
				return explain(err)
			}
			r.app.sayf("%d commands, %d not accepted", total, refused)
			if refused > 0 {
				return fail(exitRefused, "mend the lines whose verdict has a status of 400 or more, and send those again", "%d of %d commands were not accepted", refused, total)
			}
			return nil
		},
	}
}
