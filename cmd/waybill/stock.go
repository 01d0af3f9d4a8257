package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"waybill/projections/stocklevels"
)

func newStock(a *app) *cobra.Command {
	r := &remote{app: a}
	c := &cobra.Command{Use: "stock", Short: "List, show and change stock"}
	r.flags(c)
	movement := []flag{{"movement-id", "movement_id", "name of the movement: the same one is recorded once"}, {"reason", "reason", "why"}, {"ref", "ref", "such as the delivery note"}}
	why := movement[1:]
	bucket := flag{"bucket", "bucket", "damaged, quality_control or other"}
	transfer := slices.Concat([]flag{{"transfer-id", "transfer_id", "name of the transfer, the same at both locations"}}, why)
	c.AddCommand(
		newStockList(r), newStockShow(r), newStockReservations(r),
		newAct(r, act{
			use: "receive SKU LOCATION", short: "Receive units", example: "  waybill stock receive MUG-BLUE MAIN --quantity 24", path: "receive", stock: true,
			numbers: []flag{{"quantity", "quantity", "units"}}, flags: movement,
		}),
		newAct(r, act{
			use: "adjust SKU LOCATION", short: "Change the units by a difference", example: `  waybill stock adjust MUG-BLUE MAIN --delta -2 --reason "broken"`, path: "adjust", stock: true,
			numbers: []flag{{"delta", "delta", "units, of either sign"}}, flags: movement,
		}),
		newAct(r, act{
			use: "count SKU LOCATION", short: "Record what was found on the shelf", example: "  waybill stock count MUG-BLUE MAIN --counted 57", path: "count", stock: true,
			numbers: []flag{{"counted", "counted", "units that are there"}}, flags: movement,
		}),
		newAct(r, act{
			use: "make-unavailable SKU LOCATION", short: "Put units aside that cannot be sold", example: "  waybill stock make-unavailable MUG-BLUE MAIN --bucket damaged --quantity 2", path: "make-unavailable", stock: true,
			numbers: []flag{{"quantity", "quantity", "units"}}, flags: slices.Concat(movement, []flag{bucket}),
		}),
		newAct(r, act{
			use: "make-available SKU LOCATION", short: "Sell units after all that were put aside", example: "  waybill stock make-available MUG-BLUE MAIN --bucket quality_control --quantity 1", path: "make-available", stock: true,
			numbers: []flag{{"quantity", "quantity", "units"}}, flags: slices.Concat(movement, []flag{bucket}),
		}),
		newAct(r, act{
			use: "transfer-out SKU LOCATION", short: "Send units to another location", example: "  waybill stock transfer-out MUG-BLUE MAIN --to HAM2 --quantity 5 --transfer-id truck-7", path: "transfer-out", stock: true,
			numbers: []flag{{"quantity", "quantity", "units"}}, flags: slices.Concat(transfer, []flag{{"to", "to", "the other location"}}),
		}),
		newAct(r, act{
			use: "transfer-in SKU LOCATION", short: "Receive units from another location", example: "  waybill stock transfer-in MUG-BLUE HAM2 --from MAIN --quantity 5 --transfer-id truck-7", path: "transfer-in", stock: true,
			numbers: []flag{{"quantity", "quantity", "units"}}, flags: slices.Concat(transfer, []flag{{"from", "from", "the other location"}}),
		}),
		newAct(r, act{
			use: "threshold SKU LOCATION", short: "Say below how many available units an item is low", example: "  waybill stock threshold TEAPOT MAIN --quantity 10", path: "threshold", stock: true,
			numbers: []flag{{"quantity", "quantity", "units, 0 for none"}},
		}),
		newAct(r, act{
			use: "backorder-policy SKU LOCATION", short: "Say how many units may be promised beyond what is there", example: "  waybill stock backorder-policy KETTLE MAIN --max 10", path: "backorder-policy", stock: true,
			numbers: []flag{{"max", "limit", "units, 0 for none"}},
		}),
		newAct(r, act{
			use: "safety-stock SKU LOCATION", short: "Say how many units are kept back", example: "  waybill stock safety-stock TEAPOT MAIN --quantity 2", path: "safety-stock", stock: true,
			numbers: []flag{{"quantity", "quantity", "units"}},
		}),
	)
	return c
}

func newStockList(r *remote) *cobra.Command {
	q := url.Values{}
	c := &cobra.Command{
		Use:   "list",
		Short: "List stock levels, by SKU and location",
		Example: `  waybill stock list --available-below 5
  waybill stock list --sku-prefix MUG --location MAIN`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			reply, err := api.Get(cmd.Context(), "/v1/stock", q)
			if err != nil {
				return explain(err)
			}
			return r.show(reply.Body, func(w io.Writer, body []byte) error {
				var page stocklevels.Page
				if err := json.Unmarshal(body, &page); err != nil {
					return err
				}
				defer r.more(page.NextCursor)
				printLevels(w, page.Data...)
				return nil
			})
		},
	}
	filters(c, q, true, [2]string{"sku-prefix", "SKUs that begin so"}, [2]string{"location", "any of these"}, [2]string{"available-below", "fewer units than this are available"},
		[2]string{"oversold", "true or false"}, [2]string{"backordered", "true or false"}, [2]string{"min-position", "wait until the list has seen this position"})
	return c
}

func printLevels(w io.Writer, levels ...stocklevels.Level) {
	fmt.Fprintln(w, "SKU\tLOCATION\tON HAND\tUNAVAILABLE\tHELD\tCONFIRMED\tALLOCATED\tBACKORDERED\tAVAILABLE\tUPDATED")
	for _, l := range levels {
		note := ""
		if l.Oversold {
			note = fmt.Sprintf("\toversold by %d", l.Short)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s%s\n", l.SKU, l.Location, l.OnHand, l.Unavailable, l.Held, l.Confirmed, l.Allocated, l.Backordered, l.Available, short(l.UpdatedAt), note)
	}
}

func newStockShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "show SKU LOCATION",
		Short:   "Show the stock of one SKU at one location",
		Example: "  waybill stock show MUG-BLUE MAIN",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			reply, err := api.Get(cmd.Context(), "/v1/stock/"+url.PathEscape(args[0])+"/"+url.PathEscape(args[1]), nil)
			if err != nil {
				return explain(err)
			}
			return r.show(reply.Body, func(w io.Writer, body []byte) error {
				var l stocklevels.Level
				if err := json.Unmarshal(body, &l); err != nil {
					return err
				}
				printLevels(w, l)
				return nil
			})
		},
	}
}

func newStockReservations(r *remote) *cobra.Command {
	q := url.Values{}
	c := &cobra.Command{
		Use:     "reservations",
		Short:   "List what is set aside, of an order or of a SKU",
		Example: "  waybill stock reservations --order-id ORDER\n  waybill stock reservations --sku MUG-BLUE",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			reply, err := api.Get(cmd.Context(), "/v1/reservations", q)
			if err != nil {
				return explain(err)
			}
			return r.show(reply.Body, func(w io.Writer, body []byte) error {
				var page stocklevels.ReservationPage
				if err := json.Unmarshal(body, &page); err != nil {
					return err
				}
				defer r.more(page.NextCursor)
				fmt.Fprintln(w, "RESERVATION\tSKU\tLOCATION\tSTATE\tUNITS\tBACKORDERED\tEXPIRES")
				for i := range page.Data {
					x := &page.Data[i]
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", x.ReservationID, x.SKU, x.Location, x.State, x.Quantity, x.Backordered, short(x.ExpiresAt))
				}
				return nil
			})
		},
	}
	filters(c, q, true, [2]string{"order-id", "of this order"}, [2]string{"sku", "of this SKU"}, [2]string{"location", "at this location"}, [2]string{"ended", "true: also those that are over"})
	return c
}
