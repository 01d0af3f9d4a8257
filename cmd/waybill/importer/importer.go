// Package importer turns a file of orders, CSV or JSON lines, into commands, and sends them.
//
// A file means more than orders: a row may cancel an earlier sale, correct the stock, or be something for which there
// is no command. What a row means is decided here ([Reader] and [Ledger]), and whatever has no meaning is reported
// with its line and the reason. Every command carries a key derived from the order's name upstream, so an import that
// was cut off, or is run a second time, changes nothing that is there already.
//
// It keeps one chunk of orders in memory, and of the earlier ones only what a cancellation may refer to. It knows
// nothing of files on disk or of terminals.
package importer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"waybill/api/wire"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/domain/stock"
)

// Sender sends commands and tells the verdicts, in order.
type Sender interface {
	// Send carries out the commands; verdicts has one entry for each, in order.
	Send(ctx context.Context, commands []Command) (verdicts []Verdict, err error)
}

// Command is one command to be sent, and the line of the file from which it comes.
type Command struct {
	Type string
	Key  string // idempotency key
	Data json.RawMessage
	Line int
	Ref  string // the order's name upstream
}

// Verdict is what became of a command.
type Verdict struct {
	Accepted bool
	Replayed bool   // it was there before
	Code     string // of a refusal
	Detail   string
	Position int64 // of the last event, if it was accepted
}

// Finding is something about a line that the reader of the report should know.
type Finding struct {
	Line   int    `json:"line"`
	Ref    string `json:"ref,omitempty"` // the order's name upstream
	Row    string `json:"row,omitempty"` // what stands there, in short
	Kind   string `json:"kind"`          // "mapped", "left out" or "refused"
	Reason string `json:"reason"`
	Amount string `json:"amount,omitempty"` // what the row is about in money, if anything
}

// The kinds of findings.
const (
	Mapped  = "mapped"   // it means something other than a sale, and was sent as that
	LeftOut = "left out" // it has no meaning here: nothing was sent
	Refused = "refused"  // it was sent, and the engine refused it
)

// Report is what an import did.
type Report struct {
	Rows         int       `json:"rows"`
	Orders       int       `json:"orders"`        // placed now
	Already      int       `json:"already_there"` // placed by an earlier import
	Cancelled    int       `json:"cancellations"` // commands that cancelled units of imported orders
	Adjusted     int       `json:"adjustments"`   // commands that corrected the stock
	Receipts     int       `json:"receipts"`      // commands that received stock for the orders
	Refused      int       `json:"refused"`       // commands that the engine refused
	LeftOut      int       `json:"left_out"`      // rows without a meaning
	Unread       int       `json:"unread"`        // of these, rows of which not even the amount is known: they are in no sum
	Held         int       `json:"held"`          // orders that were held back, because a row of them cannot stand in an order
	Sums         []Sum     `json:"sums"`          // by currency
	LastPosition int64     `json:"last_position"` // of the log, after the last command
	Findings     []Finding `json:"findings"`

	// Expected is what the file says of every order that is in the engine: by channel, then by its name upstream.
	Expected map[string]map[string]*Expected `json:"-"`
}

// Expected is what a file says of one order.
type Expected struct {
	Placed   money.Money // the grand total
	Credited int64       // of cancellations in the file: negative, minor units
}

// Sum is the money of the rows that could be read, in one currency and in minor units. Rows = Placed + Credited +
// LeftOut + Refused: every penny of theirs is in one of these.
type Sum struct {
	Currency money.Currency `json:"currency"`
	Rows     int64          `json:"rows"`     // quantity × price of every row that could be read
	Placed   int64          `json:"placed"`   // grand totals of the orders that are in the engine now
	Credited int64          `json:"credited"` // of cancellations that were carried out: negative
	LeftOut  int64          `json:"left_out"` // of rows without a meaning
	Refused  int64          `json:"refused"`  // of what the engine refused
}

// Agrees reports whether every penny is accounted for.
func (s Sum) Agrees() bool { return s.Rows == s.Placed+s.Credited+s.LeftOut+s.Refused }

// Config says how a file is imported.
type Config struct {
	// Channel is that of the orders; "import" if empty.
	Channel string
	// Location is where stock is received and taken from; "MAIN" if empty.
	Location string
	// Receive says that the stock which the orders need is received first, so that they can be confirmed.
	Receive bool
	// Chunk is how many orders are sent at once; 0 means 250.
	Chunk int
	// Progress, if set, is told how many rows were dealt with.
	Progress func(rows int)
}

// Import reads documents from r, sends what they mean, and reports.
func Import(ctx context.Context, r Reader, to Sender, config Config) (*Report, error) {
	config.Channel = cmp.Or(config.Channel, "import")
	config.Location = cmp.Or(config.Location, "MAIN")
	config.Chunk = cmp.Or(config.Chunk, 250)
	i := &importing{Config: config, to: to, ledger: Ledger{}, report: &Report{Findings: []Finding{}, Sums: []Sum{}, Expected: map[string]map[string]*Expected{}}}
	for {
		doc, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return i.report, err
		}
		i.take(doc)
		if len(i.place) >= config.Chunk || len(i.receive)+len(i.change) >= 40*config.Chunk {
			if err := i.flush(ctx); err != nil {
				return i.report, err
			}
		}
	}
	return i.report, i.flush(ctx)
}

// importing is an import on its way. A chunk is sent in the order in which its parts depend on one another: stock, then
// orders, then what changes orders and stock.
type importing struct {
	Config
	to     Sender
	ledger Ledger
	report *Report

	receive, place, change []pending
}

// pending is a command with what its verdict means for the report.
type pending struct {
	Command
	amount  money.Money // of the rows behind it
	finding *Finding    // to be reported if it is carried out
	channel string      // of the order that it places or cancels
	order   string      // name upstream of that order
}

// take adds what a document means to the chunk.
func (i *importing) take(d Document) {
	i.report.Rows += d.Rows
	i.report.Unread += d.Unread
	if d.Held {
		i.report.Held++
	}
	for _, f := range d.Findings {
		i.leaveOut(f.Finding, f.Amount)
	}
	for _, a := range d.Adjustments {
		i.adjust(a)
	}
	if d.Order != nil {
		i.sell(d)
	}
	if len(d.Cancelled) > 0 {
		i.cancel(d)
	}
}

// sell receives the stock of an order, and places it.
func (i *importing) sell(d Document) {
	o := *d.Order
	o.Channel, o.SourceRef = cmp.Or(o.Channel, i.Channel), d.Ref
	o.OrderID = cmp.Or(o.OrderID, orderID(o.Channel, d.Ref))
	grand := money.New(o.Totals.Grand.Minor, money.Currency(o.Totals.Grand.Currency))
	i.sum(grand.Currency).Rows += grand.Minor
	if i.Receive {
		need := map[string]int64{}
		var skus []string
		for _, l := range o.Lines {
			if l.RequiresShipping != nil && !*l.RequiresShipping {
				continue
			}
			at := key(cmp.Or(l.Location, i.Location), l.SKU)
			if need[at] == 0 {
				skus = append(skus, at)
			}
			need[at] += l.Quantity
		}
		for _, at := range skus {
			location, sku := unkey(at)
			i.receipt(d.Line, d.Ref, sku, location, need[at])
		}
	}
	i.place = append(i.place, pending{Command: i.command(order.CommandPlace, d.Line, d.Ref, "", o), amount: grand, channel: o.Channel, order: d.Ref})
	i.ledger.sold(d)
}

// receipt adds the receipt of units that a row needs.
func (i *importing) receipt(line int, ref, sku, location string, quantity int64) {
	c := i.command(stock.CommandReceive, line, ref, location+"/"+sku, wire.Receive{
		SKU: sku, Location: location, MovementID: derived("receive", i.Channel, ref, location, sku), Quantity: quantity, Reason: "import", Ref: ref,
	})
	i.receive = append(i.receive, pending{Command: c})
}

// adjust corrects the stock. What is taken away is received first, like what is sold.
func (i *importing) adjust(a Adjustment) {
	if a.Delta < 0 && i.Receive {
		i.receipt(a.Line, a.Ref, a.SKU, i.Location, -a.Delta)
	}
	c := i.command(stock.CommandAdjust, a.Line, a.Ref, i.Location+"/"+a.SKU, wire.Adjust{
		SKU: a.SKU, Location: i.Location, MovementID: derived("adjust", i.Channel, a.Ref, a.SKU), Delta: a.Delta, Reason: a.Reason, Ref: a.Ref,
	})
	i.change = append(i.change, pending{Command: c, finding: &Finding{
		Line: a.Line, Ref: a.Ref, Row: fmt.Sprintf("%+d %s", a.Delta, a.SKU), Kind: Mapped, Reason: "adjustment of the stock: " + a.Reason,
	}})
}

// cancel finds the sales that a document gives back, and cancels those units.
func (i *importing) cancel(d Document) {
	byOrder := map[string][]wire.LineQuantity{}
	amounts := map[string]money.Money{}
	var refs []string
	for _, c := range d.Cancelled {
		row := fmt.Sprintf("%d %s at %s", -c.Quantity, c.SKU, c.Price)
		sale, reason := i.ledger.find(c)
		if sale == nil {
			i.leaveOut(Finding{Line: c.Line, Ref: d.Ref, Row: row, Reason: reason}, c.Amount)
			continue
		}
		i.sum(c.Amount.Currency).Rows += c.Amount.Minor
		if _, ok := byOrder[sale.ref]; !ok {
			refs = append(refs, sale.ref)
			amounts[sale.ref] = money.New(0, c.Amount.Currency)
		}
		byOrder[sale.ref] = append(byOrder[sale.ref], wire.LineQuantity{LineID: sale.lineID, Quantity: c.Quantity})
		amounts[sale.ref] = money.New(amounts[sale.ref].Minor+c.Amount.Minor, c.Amount.Currency)
		i.report.Findings = append(i.report.Findings, Finding{
			Line: c.Line, Ref: d.Ref, Row: row, Kind: Mapped, Reason: "cancels units of " + sale.ref, Amount: c.Amount.String(),
		})
	}
	for _, ref := range refs {
		c := i.command(order.CommandCancel, d.Line, d.Ref, ref, wire.Cancel{
			OrderID: orderID(i.Channel, ref), CancellationID: d.Ref, Lines: merge(byOrder[ref]), Reason: "customer",
		})
		i.change = append(i.change, pending{Command: c, amount: amounts[ref], channel: i.Channel, order: ref})
	}
}

// merge adds up what several rows take from one line.
func merge(lines []wire.LineQuantity) []wire.LineQuantity {
	at := map[string]int{}
	var merged []wire.LineQuantity
	for _, l := range lines {
		if n, ok := at[l.LineID]; ok {
			merged[n].Quantity += l.Quantity
			continue
		}
		at[l.LineID] = len(merged)
		merged = append(merged, l)
	}
	return merged
}

func (i *importing) leaveOut(f Finding, amount money.Money) {
	f.Kind = LeftOut
	if amount.Currency != "" {
		f.Amount = amount.String()
		s := i.sum(amount.Currency)
		s.Rows += amount.Minor
		s.LeftOut += amount.Minor
	}
	i.report.LeftOut++
	i.report.Findings = append(i.report.Findings, f)
}

// command makes a command whose key says where it comes from.
func (i *importing) command(typ string, line int, ref, part string, data any) Command {
	b, err := json.Marshal(data)
	if err != nil {
		panic(fmt.Sprintf("importer: %T cannot be written as JSON: %v", data, err)) // the shapes are ours
	}
	return Command{Type: typ, Key: derived(typ, i.Channel, ref, part), Data: b, Line: line, Ref: ref}
}

// flush sends the chunk.
func (i *importing) flush(ctx context.Context) error {
	for _, stage := range []struct {
		commands *[]pending
		count    func(pending, Verdict)
	}{
		{&i.receive, func(_ pending, v Verdict) { i.report.Receipts += fresh(v) }},
		{&i.place, func(p pending, v Verdict) {
			i.sum(p.amount.Currency).Placed += p.amount.Minor
			i.report.Orders += fresh(v)
			i.report.Already += 1 - fresh(v)
			if i.report.Expected[p.channel] == nil {
				i.report.Expected[p.channel] = map[string]*Expected{}
			}
			i.report.Expected[p.channel][p.order] = &Expected{Placed: p.amount}
		}},
		{&i.change, func(p pending, v Verdict) {
			if p.Type != order.CommandCancel {
				i.report.Adjusted += fresh(v)
				return
			}
			i.report.Cancelled += fresh(v)
			i.sum(p.amount.Currency).Credited += p.amount.Minor
			if e := i.report.Expected[p.channel][p.order]; e != nil {
				e.Credited += p.amount.Minor
			}
		}},
	} {
		if err := i.send(ctx, *stage.commands, stage.count); err != nil {
			return err
		}
		*stage.commands = nil
	}
	if i.Progress != nil {
		i.Progress(i.report.Rows)
	}
	return nil
}

// fresh counts a command that was not carried out before.
func fresh(v Verdict) int {
	if v.Replayed {
		return 0
	}
	return 1
}

func (i *importing) send(ctx context.Context, all []pending, count func(pending, Verdict)) error {
	if len(all) == 0 {
		return nil
	}
	commands := make([]Command, len(all))
	for n := range all {
		commands[n] = all[n].Command
	}
	verdicts, err := i.to.Send(ctx, commands)
	if err != nil {
		return err
	}
	for n, v := range verdicts {
		p := all[n]
		i.report.LastPosition = max(i.report.LastPosition, v.Position)
		if v.Accepted {
			count(p, v)
			if p.finding != nil {
				i.report.Findings = append(i.report.Findings, *p.finding)
			}
			continue
		}
		i.report.Refused++
		f := Finding{Line: p.Line, Ref: p.Ref, Row: p.Type, Kind: Refused, Reason: v.Code + ": " + v.Detail}
		if p.amount.Currency != "" {
			f.Amount = p.amount.String()
			i.sum(p.amount.Currency).Refused += p.amount.Minor
		}
		i.report.Findings = append(i.report.Findings, f)
	}
	return nil
}

func (i *importing) sum(c money.Currency) *Sum {
	for n := range i.report.Sums {
		if i.report.Sums[n].Currency == c {
			return &i.report.Sums[n]
		}
	}
	i.report.Sums = append(i.report.Sums, Sum{Currency: c})
	return &i.report.Sums[len(i.report.Sums)-1]
}
