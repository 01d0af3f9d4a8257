package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	main "waybill/cmd/waybill"
)

// examples is where the examples of the help texts are run: a dev, and files of the names that they use.
type examples struct {
	*place
	dev     *dev
	url     string // of its database
	command string // the id of a command that was carried out
	held    string // an order with the hold fraud-1

	verifying sync.Mutex // one verification at a time
}

func newExamples(t *testing.T) *examples {
	t.Helper()
	p := newPlace(t)
	d := startDev(t, p)
	x := &examples{dev: d, place: d.at()}
	x.env = slices.DeleteFunc(x.env, func(v string) bool { return strings.HasPrefix(v, "PATH=") })
	x.env = append(x.env, "PATH="+filepath.Dir(waybill(t))+":"+os.Getenv("PATH"))
	x.url = regexp.MustCompile(`psql "(.*)"`).FindStringSubmatch(d.err.String())[1]
	order := orderOf("MUG-BLUE", 1)
	csv := "order,sku,title,quantity,placed_at,unit_price,customer_id,country\n%s-1,MUG-BLUE,Blue mug,2,2026-11-01T10:00:00Z,12.90,c-1,DE\n"
	for name, text := range map[string]string{
		"order.json":     order,
		"amendment.json": rebate,
		"address.json":   `{"lines":["2 Sample Street"],"city":"Hamburg","postcode":"20095","country":"DE"}`,
		"command.json":   fmt.Sprintf(`{"type":"order.place","data":%s}`, order),
		"commands.jsonl": fmt.Sprintf("{\"type\":\"order.place\",\"idempotency_key\":\"line-1\",\"data\":%s}\n", order),
		"orders.jsonl":   strings.Replace(strings.Replace(order, `{`, `{"source_ref":"jsonl-1",`, 1), `"web"`, `"import"`, 1) + "\n",
		"orders.csv":     fmt.Sprintf(csv, "csv"),
		"export.csv":     "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n77,MUG-RED,Red mug,1,2026-11-01T10:00:00Z,12.90,c-1,DE\n",
		"waybill.yaml":   fmt.Sprintf("database:\n  url: %q\nnats:\n  url: %q\n", x.url, "nats://"+d.nats),
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var held struct {
		Data []struct {
			OrderID string `json:"order_id"`
		} `json:"data"`
	}
	until(t, readyLimit, func() error {
		if err := json.Unmarshal([]byte(x.must("orders", "list", "--on-hold", "true", "-o", "json")), &held); err != nil || len(held.Data) == 0 {
			return fmt.Errorf("no order is on hold: %w", err)
		}
		return nil
	})
	x.held = held.Data[0].OrderID
	status, body, err := call(t.Context(), http.MethodPost, d.base+"/v1/orders/"+x.held+"/note", d.key(), `{"text":"x"}`)
	var note struct {
		CommandID string `json:"command_id"`
	}
	if err := errors.Join(err, json.Unmarshal(body, &note)); err != nil || status != http.StatusOK || note.CommandID == "" {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	x.command = note.CommandID
	aside := `{"bucket":"quality_control","quantity":5}`
	if status, body, err := call(t.Context(), http.MethodPost, d.base+"/v1/stock/MUG-BLUE/MAIN/make-unavailable", d.key(), aside); err != nil || status != http.StatusOK {
		t.Fatalf("put aside: %d %s %v", status, body, err)
	}
	return x
}

// line is an example with what it stands for filled in; every one gets an order of its own.
func (x *examples) line(t *testing.T, e main.Example) string {
	t.Helper()
	s := e.Line
	if strings.Contains(s, "ORDER") || strings.Contains(s, `"…"`) {
		order := x.held
		if !strings.Contains(s, "HOLD") {
			order = x.order(t)
		}
		switch e.Command {
		case "waybill orders archive": // only what is over is put away
			x.act(t, order, "cancel", `{}`)
		case "waybill orders accept-amendment", "waybill orders withdraw-amendment":
			x.act(t, order, "amend", rebate)
		}
		s = strings.ReplaceAll(strings.ReplaceAll(s, "ORDER", order), `"order_id":"…"`, `"order_id":"`+order+`"`)
	}
	s = strings.ReplaceAll(s, "HOLD", "fraud-1")
	s = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`).ReplaceAllStringFunc(s, func(id string) string {
		if e.Command == "waybill commands show" {
			return x.command
		}
		return id
	})
	s = strings.ReplaceAll(s, "/etc/", "")
	s = regexp.MustCompile(`--at \S+Z`).ReplaceAllString(s, "--at "+time.Now().UTC().Format(time.RFC3339Nano))
	s = regexp.MustCompile(`postgres://\S+`).ReplaceAllString(s, "'"+x.url+"'")
	s = regexp.MustCompile(`nats://\S+`).ReplaceAllString(s, "nats://"+x.dev.nats)
	switch e.Command {
	case "waybill events tail": // it has no end
		return s + " --from 1 --count 1"
	case "waybill dev":
		return s + " --http-addr " + address(t) + " --admin-addr " + address(t) + " --nats-addr " + address(t) + " --data-dir " + filepath.Join(x.dir, "of-example-"+port(t))
	case "waybill serve":
		return s + " --http-addr " + address(t) + " --admin-addr " + address(t)
	case "waybill bench": // here it is to run, not to measure
		return s + " --quick --rounds 1 --clients 1"
	case "waybill migrate":
		if !strings.Contains(s, "postgres://") {
			return "DATABASE_URL='" + x.url + "' " + s
		}
	}
	return s
}

// order places an order of one line, 1, of three units, which it receives before: there are more examples than demo stock.
func (x *examples) order(t *testing.T) string {
	t.Helper()
	body := `{"channel":"web","currency":"EUR","payment_terms":{"kind":"on_account"},"lines":[{"line_id":"1","sku":"TEA-MINT","quantity":3,"unit_price":"1.00","total":{"minor":300,"currency":"EUR"}}],
"totals":{"goods":{"minor":300,"currency":"EUR"},"grand":{"minor":300,"currency":"EUR"}}}`
	status, answer, err := call(t.Context(), http.MethodPost, x.dev.base+"/v1/stock/TEA-MINT/MAIN/receive", x.dev.key(), `{"quantity":3}`)
	if err != nil || status != http.StatusOK {
		t.Fatalf("receive: %d %s %v", status, answer, err)
	}
	status, answer, err = call(t.Context(), http.MethodPost, x.dev.base+"/v1/orders", x.dev.key(), body)
	if err != nil || status != http.StatusCreated {
		t.Fatalf("place: %d %s %v", status, answer, err)
	}
	id := orderID(t, answer)
	confirmed(t, x.dev.base, x.dev.key(), id)
	return id
}

// rebate is an amendment of such an order.
const rebate = `{"amendment_id":"rebate-1","base_version":1,"ops":[{"kind":"apply_discount","line":{"line_id":"1","sku":"TEA-MINT","quantity":3,
"unit_price":"1.00","discounts":[{"amount":{"minor":30,"currency":"EUR"}}],"total":{"minor":270,"currency":"EUR"}}}],
"totals":{"goods":{"minor":300,"currency":"EUR"},"discount":{"minor":30,"currency":"EUR"},"grand":{"minor":270,"currency":"EUR"}}}`

// act sends a command about an order.
func (x *examples) act(t *testing.T, order, path, body string) {
	t.Helper()
	status, answer, err := call(t.Context(), http.MethodPost, x.dev.base+"/v1/orders/"+order+"/"+path, x.dev.key(), body)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s %v", path, status, answer, err)
	}
}

// exitCodes are those of examples that cannot succeed here: there is nothing parked, nothing to roll back to, nobody to
// ask, no such key, and no money that an order knows to be captured.
func exitCodes() map[string]int {
	return map[string]int{
		"waybill projections skip": 3, "waybill projections retry": 3, "waybill projections rollback": 3, "waybill doctor --rebuild-stream": 2, "waybill keys revoke": 3,
		"waybill orders refund": 6,
	}
}

// TestHelp runs every example of every help text, and each command that has several forms of output in all of them.
func TestHelp(t *testing.T) {
	t.Parallel()
	helps, all := main.Tree()
	for _, h := range helps {
		if h.Example == "" || h.Short == "" {
			t.Errorf("%s: the help has no example, or no short text", h.Command)
		}
		if strings.HasSuffix(h.Short, ".") {
			t.Errorf("%s: %q ends with a full stop", h.Command, h.Short)
		}
	}
	x := newExamples(t)
	for i, e := range all {
		t.Run(fmt.Sprintf("%d %s", i, e.Line), func(t *testing.T) {
			t.Parallel()
			x.example(t, e)
		})
	}
}

func (x *examples) example(t *testing.T, e main.Example) {
	t.Helper()
	want := 0
	for prefix, code := range exitCodes() {
		if strings.HasPrefix(e.Line, prefix) {
			want = code
		}
	}
	if e.Command == "waybill dev" || e.Command == "waybill serve" {
		x.server(t, e)
		return
	}
	if e.Command == "waybill verify" {
		x.verifying.Lock()
		defer x.verifying.Unlock()
	}
	x.shell(t, x.line(t, e), want)
	if !e.Output || strings.Contains(e.Line, "--dry-run") && e.Command == "waybill migrate" || strings.Contains(e.Line, " > ") {
		return
	}
	line := regexp.MustCompile(` -o \w+`).ReplaceAllString(e.Line, "")
	if e.Command == "waybill migrate" && !strings.Contains(line, "--status") {
		return
	}
	forms := []string{"json", "jsonl"}
	if e.Command == "waybill bench" { // its result is one document
		forms = forms[:1]
	}
	for _, form := range forms {
		again := e
		again.Line = line
		out := x.shell(t, x.line(t, again)+" -o "+form, want)
		if want != 0 {
			continue
		}
		rows := []string{out}
		if form == "jsonl" || e.Command == "waybill events tail" || e.Command == "waybill commands batch" {
			rows = strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		}
		for _, row := range rows {
			if row == "" && form == "jsonl" { // no rows
				continue
			}
			if !json.Valid([]byte(row)) {
				t.Errorf("%s -o %s: not JSON: %s", line, form, tail(row))
			}
		}
	}
}

// shell runs a line as a person would, and returns what it wrote to standard output.
func (x *examples) shell(t *testing.T, line string, want int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	var out, said output
	c := exec.CommandContext(ctx, "bash", "-c", line)
	c.Dir, c.Env, c.Stdout, c.Stderr = x.dir, x.env, &out, &said
	err := c.Run()
	if code := c.ProcessState.ExitCode(); code != want {
		t.Errorf("%s\nexit code %d (%v), want %d\n%s%s", line, code, err, want, tail(out.String()), tail(said.String()))
	}
	if strings.Contains(out.String()+said.String(), "\x1b[") {
		t.Errorf("%s: colours where there is no terminal", line)
	}
	if strings.Contains(said.String(), "DATA RACE") {
		t.Errorf("%s\n%s", line, &said)
	}
	return out.String()
}

// server runs the example of a command that has no end until it is ready, and stops it.
func (x *examples) server(t *testing.T, e main.Example) {
	t.Helper()
	line := x.line(t, e)
	p := *x.place
	p.t = t
	c := p.with("DATABASE_URL="+x.url, "NATS_URL=nats://"+x.dev.nats).start("/bin/bash", "-c", "exec "+line)
	until(t, readyLimit, func() error {
		c.alive()
		if !strings.Contains(c.err.String(), "Ctrl-C stops everything") && !strings.Contains(c.err.String(), `"msg":"serving"`) {
			return errors.New("it is not ready: " + c.err.String())
		}
		return nil
	})
	if code := c.stop(syscall.SIGINT); code != 0 {
		t.Errorf("%s: exit code %d", line, code)
	}
}

// TestCompletion has bash complete commands, flags and values.
func TestCompletion(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	script := p.must("completion", "bash")
	if out, err := exec.CommandContext(t.Context(), "bash", "-n", "-c", script).CombinedOutput(); err != nil {
		t.Errorf("bash does not take the script: %s %v", out, err)
	}
	for _, tt := range []struct {
		words []string
		want  string
	}{
		{[]string{"ord"}, "orders"},
		{[]string{"orders", "tim"}, "timeline"},
		{[]string{"orders", "list", "--life"}, "--lifecycle"},
		{[]string{"orders", "list", "-o", ""}, "jsonl"},
		{[]string{"doctor", "-o", ""}, "jsonl"},
		{[]string{"projections", "rebuild", "order_l"}, "order_list"},
	} {
		if out := p.must(append([]string{"__complete"}, tt.words...)...); !strings.Contains(out, tt.want) {
			t.Errorf("%s: completed by %q, want %s", strings.Join(tt.words, " "), out, tt.want)
		}
	}
}

// TestExitCodes holds the commands to the codes that the help lists.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	d := startDev(t, p)
	at := d.at()
	list := at.must("orders", "list", "--lifecycle", "cancelled", "-o", "jsonl")
	var cancelled struct {
		OrderID string `json:"order_id"`
		Version int64  `json:"version"`
	}
	if err := json.Unmarshal([]byte(strings.SplitN(list, "\n", 2)[0]), &cancelled); err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(at.must("keys", "create", "reader", "--scopes", "orders:read"))
	id := cancelled.OrderID
	goesAway := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(goesAway.Close)
	gone := p.with("WAYBILL_SERVER="+goesAway.URL, "WAYBILL_KEY=x")
	keyed := filepath.Join(p.dir, "keyed.json")
	if err := os.WriteFile(keyed, []byte(`{"type":"order.place","idempotency_key":"own-1","data":`+orderOf("MUG-BLUE", 1)+`}`), 0o600); err != nil {
		t.Fatal(err)
	}
	at.must("commands", "send", keyed)
	ordered := filepath.Join(p.dir, "order.json")
	if err := os.WriteFile(ordered, []byte(orderOf("MUG-BLUE", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	at.must("commands", "show", "own-1")
	for name, tt := range map[string]struct {
		place *place
		args  []string
		code  int
		words []string
	}{
		"nobody there":     {p.with("WAYBILL_SERVER=http://" + address(t)), []string{"orders", "list"}, 1, []string{"no server answers", "next: waybill dev"}},
		"goes away":        {gone, []string{"orders", "list"}, 1, []string{"no server answers any more", "next: the same again"}},
		"cut off":          {gone, []string{"orders", "note", id, "--text", "x"}, 1, []string{"no server answers any more", "next: the same with --idempotency-key "}},
		"cut off, own key": {gone, []string{"commands", "send", keyed}, 1, []string{"next: the same with --idempotency-key own-1"}},
		"batch cut off":    {gone, []string{"commands", "batch", keyed}, 1, []string{"next: the same again", "idempotency_key"}},
		"wrong use":        {at, []string{"orders", "list", "--limit", "x"}, 2, []string{"--limit", "next: waybill orders list --help"}},
		"wrong output":     {at, []string{"orders", "list", "-o", "yaml"}, 2, []string{"table, json or jsonl"}},
		"no such order":    {at, []string{"orders", "show", "0198c5f0-7a3e-7c11-8a2b-9d4e5f607182"}, 3, []string{"next: waybill orders list"}},
		"no order id":      {at, []string{"orders", "show", "nope"}, 3, []string{"next: waybill orders list"}},
		"no timeline":      {at, []string{"orders", "timeline", "nope"}, 3, []string{"next: waybill orders list"}},
		"no such item":     {at, []string{"stock", "show", "a", "b"}, 3, []string{"next: waybill stock list"}},
		"nothing parked":   {at, []string{"projections", "retry", "order_list", "nope"}, 3, []string{"nope", "next: waybill projections parked order_list"}},
		"no programs":      {at, []string{"dev", "--pg-bindir", "/nope", "--http-addr", address(t), "--nats-addr", address(t), "--admin-addr", address(t)}, 2, []string{"/nope", "next: ", "--pg-bindir"}},
		"no folder":        {at, []string{"dev", "--data-dir", "/proc/x", "--http-addr", address(t), "--nats-addr", address(t), "--admin-addr", address(t)}, 1, []string{"/proc/x", "next: ", "--data-dir"}},
		"no such command":  {at, []string{"commands", "show", "nope"}, 3, []string{"next: waybill orders timeline ORDER"}},
		"no such file":     {at, []string{"orders", "place", "nothing.json"}, 2, []string{"nothing.json"}},
		"no JSON":          {at, []string{"orders", "change-shipping-address", id, "/dev/null"}, 2, []string{"/dev/null is not JSON"}},
		"no currency":      {at, []string{"orders", "refund", id, "--adjustment", "100"}, 2, []string{"--adjustment needs --currency"}},
		"unknown key":      {at.with("WAYBILL_KEY=wb_live_nobody"), []string{"orders", "list"}, 4, []string{"waybill keys create"}},
		"not for this":     {at.with("WAYBILL_KEY=" + key), []string{"orders", "note", id, "--text", "x"}, 4, []string{"orders:write"}},
		"another version":  {at, []string{"orders", "note", id, "--text", "x", "--if-version", "1"}, 5, []string{strconv.FormatInt(cancelled.Version, 10)}},
		"refused":          {at, []string{"orders", "hold", id, "--kind", "fraud", "--id", "h", "--blocks", "ship"}, 6, []string{"next: " + d.base + "/problems/"}},
		"not yet visible":  {at, []string{"orders", "list", "--min-position", "1000000"}, 7, []string{"next: the same again"}},
		"no such keys":     {at, []string{"keys", "revoke", "nobody"}, 3, []string{"next: waybill keys list"}},
		"unknown scope":    {at, []string{"keys", "create", "x", "--scopes", "orders:reed"}, 2, []string{"orders:write"}},
		"nothing to do it": {at, []string{"projections", "rebuild", "order_list"}, 2, []string{"--yes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := *tt.place
			q.t = t
			r := q.run(tt.args...)
			r.says(t, tt.code, append(tt.words, "waybill: ", "\nnext: ")...)
			if r.out != "" {
				t.Errorf("on standard output: %s", r.out)
			}
		})
	}
	t.Run("the key of a command that was cut off", func(t *testing.T) {
		r := gone.run("orders", "place", ordered)
		_, key, _ := strings.Cut(r.err, "--idempotency-key ")
		key, _, _ = strings.Cut(key, ":")
		for _, said := range []string{"", "sent before"} {
			again := at.run("orders", "place", ordered, "--idempotency-key", key)
			again.says(t, 0, said)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		c := at.start(waybill(t), "events", "tail", "--from", "1")
		until(t, readyLimit, func() error {
			if c.out.String() == "" {
				return errors.New("no event came")
			}
			return nil
		})
		if code := c.stop(os.Interrupt); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if !strings.Contains(c.err.String(), "go on with: waybill events tail --from ") {
			t.Errorf("it does not say where it stopped: %s", c.err)
		}
	})
}
