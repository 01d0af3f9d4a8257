package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
	"waybill/eventstore/relay"
	"waybill/internal/devstack/devtest"
)

// cluster is a Postgres and a NATS with serve processes on them.
type cluster struct {
	*place
	broker *broker
	dsn    string
	key    string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	p := newPlace(t)
	c := &cluster{broker: startBroker(t, p), dsn: devtest.Database(t)}
	c.place = p.with(append(natsEnv(), "WAYBILL_NATS_URL="+c.broker.url, "DATABASE_URL="+c.dsn)...)
	c.key = strings.TrimSpace(c.must("keys", "create", "shop", "--scopes", "orders:read,orders:write,stock:read,stock:write,system:read"))
	return c
}

// server is one serve process and its address, which it keeps when it is started again.
type server struct {
	*process
	place *place
	base  string
	args  []string
}

func (c *cluster) serve(args ...string) *server {
	c.t.Helper()
	addr := address(c.t)
	s := &server{place: c.place, base: "http://" + addr}
	s.args = append([]string{"serve", "--http-addr", addr, "--admin-addr", address(c.t)}, args...)
	s.again()
	return s
}

func (s *server) again() {
	s.place.t.Helper()
	s.process = s.place.start(waybill(s.place.t), s.args...)
	s.ready(s.base)
}

// load are clients that place orders, each under a key of its own, and send each again until it is acknowledged.
type load struct {
	t     *testing.T
	wg    sync.WaitGroup
	stop  context.CancelFunc
	mu    sync.Mutex
	acked map[string]ack
}

// ack is what a client was told.
type ack struct{ order, body string }

func startLoad(t *testing.T, clients int, key string, bases ...string) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{t: t, stop: stop, acked: map[string]ack{}}
	for n := range clients {
		l.wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				l.place(ctx, fmt.Sprintf("client-%d-%d", n, i), key, bases, n+i)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

// place sends one order until some server acknowledges it.
func (l *load) place(ctx context.Context, idempotency, key string, bases []string, turn int) {
	for ; ctx.Err() == nil; turn++ {
		status, body, err := call(ctx, http.MethodPost, bases[turn%len(bases)]+"/v1/orders", key, orderOf("MUG", 1), "Idempotency-Key", idempotency)
		switch {
		case err != nil, status >= 500, status == http.StatusConflict, status == http.StatusTooManyRequests:
			continue // not known what became of it: the same again, to another server
		case status != http.StatusCreated:
			l.t.Errorf("%s: %d %s", idempotency, status, body)
			return
		}
		l.mu.Lock()
		l.acked[idempotency] = ack{orderID(l.t, body), string(body)}
		l.mu.Unlock()
		return
	}
}

func (l *load) end() {
	l.stop()
	l.wg.Wait()
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// more waits until n more orders were acknowledged.
func (l *load) more(n int) {
	l.t.Helper()
	want := l.count() + n
	until(l.t, readyLimit, func() error {
		if got := l.count(); got < want {
			return fmt.Errorf("%d orders acknowledged, want %d", got, want)
		}
		return nil
	})
}

// holds ends the load and wants every acknowledged order to be there, once, with the answer that the client was given,
// and every order confirmed.
func (l *load) holds(c *cluster, base string) {
	l.t.Helper()
	l.end()
	ids := map[string]string{}
	for key, a := range l.acked {
		if other, twice := ids[a.order]; twice {
			l.t.Errorf("order %s answered both %s and %s", a.order, key, other)
		}
		ids[a.order] = key
		status, body, err := call(l.t.Context(), http.MethodPost, base+"/v1/orders", c.key, orderOf("MUG", 1), "Idempotency-Key", key)
		if err != nil || status != http.StatusCreated || string(body) != a.body {
			l.t.Errorf("%s was acknowledged with %s, and now the answer is %d %s, %v", key, a.body, status, body, err)
		}
	}
	until(l.t, readyLimit, func() error {
		var page struct {
			Data []json.RawMessage `json:"data"`
		}
		if err := get(l.t.Context(), base+"/v1/orders?lifecycle=pending&limit=200", c.key, &page); err != nil {
			return err
		}
		if n := len(page.Data); n > 0 {
			return fmt.Errorf("%d orders are still pending", n)
		}
		return nil
	})
	l.t.Log(c.must("verify"))
	if r := c.run("doctor"); r.code != 0 {
		l.t.Errorf("doctor: %d\n%s%s", r.code, r.out, r.err)
	}
}

func (c *cluster) stock(base string) {
	c.t.Helper()
	if status, body, err := call(c.t.Context(), http.MethodPost, base+"/v1/stock/MUG/MAIN/receive", c.key, `{"quantity":1000000}`); err != nil || status != http.StatusOK {
		c.t.Fatalf("receive: %d %s %v", status, body, err)
	}
}

// TestServeKilled runs two processes with all roles under load and kills one of them, as often as not the one that has
// the leases.
func TestServeKilled(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	servers := []*server{c.serve(), c.serve()}
	c.stock(servers[0].base)
	l := startLoad(t, 4, c.key, servers[0].base, servers[1].base)
	const kills = 4
	for n := range kills {
		l.more(20 + rand.IntN(40))
		s := servers[rand.IntN(len(servers))]
		s.kill()
		l.more(10) // the other goes on alone
		s.again()
		t.Logf("kill %d: %d orders acknowledged", n+1, l.count())
	}
	l.holds(c, servers[1].base)
	for _, s := range servers {
		if code := s.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
}

// TestJetStreamWiped takes the disk of JetStream away under load.
func TestJetStreamWiped(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.serve()
	c.stock(s.base)
	l := startLoad(t, 4, c.key, s.base)
	for range 2 {
		l.more(50)
		c.broker.kill()
		l.more(10) // orders are taken without NATS
		if err := os.RemoveAll(c.broker.store); err != nil {
			t.Fatal(err)
		}
		c.broker.again()
		l.more(50)
	}
	l.holds(c, s.base)
	if code := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestServeRefuses(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	serve := []string{"serve"}
	file := filepath.Join(p.dir, "waybill.yaml")
	if err := os.WriteFile(file, []byte("databse:\n  url: postgres://x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		env   []string
		args  []string
		code  int
		words []string
	}{
		"no database":      {nil, serve, 2, []string{"database.url is not set", "DATABASE_URL", "next: waybill dev"}},
		"unknown key":      {nil, append(serve, "--config", file), 2, []string{"databse.url", "did you mean database.url?", "next: waybill config show"}},
		"unknown variable": {[]string{"WAYBILL_DATABSE_URL=x"}, serve, 2, []string{"WAYBILL_DATABSE_URL", "did you mean WAYBILL_DATABASE_URL?"}},
		"unknown role":     {nil, append(serve, "--roles", "api,rely", "--database-url", "postgres://x"), 2, []string{`"rely"`, "did you mean relay?"}},
		"unknown flag":     {nil, append(serve, "--htp-addr", "x"), 2, []string{"--htp-addr", "next: waybill serve --help"}},
		"unknown command":  {nil, []string{"ordres"}, 2, []string{"ordres", "did you mean orders?", "next: waybill --help"}},
		"unknown verb":     {nil, []string{"orders", "lits"}, 2, []string{"orders lits", "did you mean list?", "next: waybill orders --help"}},
		"missing argument": {nil, []string{"orders", "show"}, 2, []string{"accepts 1 arg", "next: waybill orders show --help"}},
		"missing flag":     {nil, []string{"stock", "receive", "A", "B"}, 2, []string{"quantity", "next: waybill stock receive --help"}},
		"no server":        {nil, append(serve, "--database-url", "postgres://nobody@127.0.0.1:1/x"), 1, []string{"127.0.0.1", "next: "}},
		"no broker":        {[]string{"WAYBILL_NATS_URL=nats://127.0.0.1:1"}, append(serve, "--database-url", devtest.Database(t)), 1, []string{"connect to NATS at nats://127.0.0.1:1", "next: "}},
		"no schema":        {nil, append(serve, "--database-url", emptyDatabase(t)), 1, []string{"next: waybill migrate"}},
		"config says so":   {nil, []string{"config", "validate", "--roles", "x", "--database-url", "postgres://x"}, 2, []string{"roles"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := p.with(tt.env...)
			q.t = t
			args := tt.args
			if args[0] == "serve" { // some get as far as to listen
				args = append(slices.Clone(args), "--http-addr", address(t), "--admin-addr", address(t))
			}
			r := q.run(args...)
			r.says(t, tt.code, tt.words...)
			if r.out != "" {
				t.Errorf("on standard output: %s", r.out)
			}
		})
	}
}

func TestServeRefusesALossyDatabase(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	pg := devtest.Cluster(t, map[string]string{"fsync": "off"})
	dsn := pg.URL("postgres")
	p.must("migrate", "--database-url", dsn)
	b := startBroker(t, p)
	p = p.with(append(natsEnv(), "WAYBILL_NATS_URL="+b.url, "DATABASE_URL="+dsn)...)
	serve := []string{"serve", "--http-addr", address(t), "--admin-addr", address(t)}
	r := p.run(serve...)
	r.says(t, 1, "fsync is off", "--allow-data-loss")
	d := p.run("doctor")
	if d.code != 1 || !strings.Contains(d.out, "fsync is off") || !regexp.MustCompile(`next: psql -h \S+ -p \d+ -U SUPERUSER -d postgres -c '`).MatchString(d.out) {
		t.Errorf("doctor: exit code %d\n%s", d.code, d.out)
	}
	base := "http://" + serve[2]
	c := p.start(waybill(t), append(serve, "--allow-data-loss")...)
	c.ready(base)
	if !strings.Contains(c.err.String(), "not durable, as allowed") {
		t.Errorf("it says nothing of what was allowed: %s", c.err)
	}
	if code := c.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p = p.with("DATABASE_URL=" + emptyDatabase(t))
	status := func(pending bool) {
		t.Helper()
		var rows []struct {
			Set     string `json:"set"`
			Applied string `json:"applied_at"`
		}
		if err := json.Unmarshal([]byte(p.must("migrate", "--status", "-o", "json")), &rows); err != nil || len(rows) < 5 {
			t.Fatalf("%d migrations, %v", len(rows), err)
		}
		for _, r := range rows {
			if (r.Applied == "") != pending {
				t.Errorf("migration of %s: applied at %q, want it pending: %v", r.Set, r.Applied, pending)
			}
		}
	}
	status(true)
	sql := p.must("migrate", "--dry-run")
	if !strings.Contains(sql, "CREATE TABLE waybill.events") || !strings.Contains(sql, "CREATE TABLE intake.poison") {
		t.Errorf("the dry run does not print all that would run:\n%s", tail(sql))
	}
	status(true)
	var both sync.WaitGroup
	for range 2 { // at once
		both.Go(func() { p.must("migrate") })
	}
	both.Wait()
	status(false)
	r := p.run("migrate")
	r.says(t, 0, "0 migrations applied")
	if sql := p.must("migrate", "--dry-run"); sql != "" {
		t.Errorf("nothing is pending, and the dry run prints\n%s", sql)
	}
}

// TestDoctor sees what is wrong, and the repairs that it names mend it.
func TestDoctor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	s := c.serve()
	c.stock(s.base)
	for range 5 {
		confirmed(t, s.base, c.key, placeHTTP(t, s.base, c.key))
	}
	if r := c.run("doctor"); r.code != 0 {
		t.Fatalf("doctor finds problems in a sound system:\n%s%s", r.out, r.err)
	}

	// Somebody publishes into the stream. The relay stops, and says what to run.
	conn := c.broker.login(t, "relay")
	if _, err := conn.Request("waybill.evt.order.placed.1", []byte("forged"), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	until(t, readyLimit, func() error {
		status, body, err := call(t.Context(), http.MethodGet, s.base+"/readyz?verbose", "", "")
		if err != nil || !strings.Contains(string(body), "run `waybill doctor`") {
			return fmt.Errorf("the relay has not noticed: %d %s, %w", status, body, err)
		}
		return nil
	})
	c.finds("waybill doctor --rebuild-stream")
	// What the relay had under way lands behind it: the last message is as it should be.
	c.relaysOne(conn, s.base)
	c.finds("waybill doctor --rebuild-stream")
	refused := c.run("doctor", "--rebuild-stream")
	refused.says(t, 2, "--yes")
	c.must("doctor", "--rebuild-stream", "--yes")
	confirmed(t, s.base, c.key, placeHTTP(t, s.base, c.key))
	c.heals()

	// The database is restored to an earlier point: the stream knows more than the log.
	running := c.run("doctor", "--new-epoch", "--yes")
	running.says(t, 5, "the engine still runs", "stop every waybill serve")
	s.stop(syscall.SIGTERM)
	backup := c.backup()
	s.again()
	for range 3 {
		confirmed(t, s.base, c.key, placeHTTP(t, s.base, c.key))
	}
	until(t, readyLimit, func() error {
		if out := c.must("doctor"); !strings.Contains(out, ", 0 behind the log") {
			return fmt.Errorf("the relay is behind: %s", out)
		}
		return nil
	})
	s.stop(syscall.SIGTERM)
	c.dsn, c.place = backup, c.with("DATABASE_URL="+backup)
	s.place = c.place
	c.finds("waybill doctor --new-epoch")
	edge := c.serve("--roles", "api") // it holds no lease, so nobody knows of it
	c.must("doctor", "--new-epoch", "--yes")
	if status, body, err := call(t.Context(), http.MethodPost, edge.base+"/v1/orders", c.key, orderOf("MUG", 1)); err == nil && status < 500 {
		t.Errorf("a process of the old epoch took an order: %d %s", status, body)
	}
	if code := edge.wait(readyLimit); code != 1 || !strings.Contains(edge.err.String(), "restart this process") {
		t.Errorf("a process that was fenced ends with %d: %s", code, tail(edge.err.String()))
	}
	s.again()
	confirmed(t, s.base, c.key, placeHTTP(t, s.base, c.key))
	c.heals()
	t.Log(c.must("verify"))

	// What keeps the log append-only is gone, and a role may do too much.
	execute(t, c.dsn, "ALTER TABLE waybill.claims DISABLE TRIGGER append_only", "GRANT DELETE ON waybill.events TO waybill_process")
	c.finds("ALTER TABLE waybill.claims ENABLE ALWAYS TRIGGER append_only")
	c.finds("REVOKE DELETE ON waybill.events FROM waybill_process")
	execute(t, c.dsn, "ALTER TABLE waybill.claims ENABLE ALWAYS TRIGGER append_only", "REVOKE DELETE ON waybill.events FROM waybill_process")

	// A read model that nobody folds.
	c.must("projections", "rebuild", "stock_levels", "--yes")
	c.heals()
	if code := s.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	wrong := c.with("WAYBILL_NATS_RELAY_PASSWORD=other").run("doctor")
	if wrong.code != 1 || !strings.Contains(wrong.out, "user relay") {
		t.Errorf("a wrong password: exit code %d\n%s", wrong.code, wrong.out)
	}
	nobody := c.with("DATABASE_URL=postgres://x@127.0.0.1:1/x", "WAYBILL_NATS_URL=nats://127.0.0.1:1").run("doctor")
	if nobody.code != 1 || strings.Count(nobody.out, "problem") < 2 {
		t.Errorf("without servers: exit code %d\n%s", nobody.code, nobody.out)
	}
}

// relaysOne publishes the event that belongs behind the end of the stream.
func (c *cluster) relaysOne(conn *nats.Conn, base string) {
	c.t.Helper()
	log, err := eventstore.OpenPostgres(c.t.Context(), eventstore.PostgresConfig{DSN: c.dsn})
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		c.t.Fatal(err)
	}
	stream, err := js.Stream(c.t.Context(), relay.StreamName)
	if err != nil {
		c.t.Fatal(err)
	}
	next := int64(stream.CachedInfo().State.LastSeq) + 1 //nolint:gosec // a position
	placeHTTP(c.t, base, c.key)
	placeHTTP(c.t, base, c.key)
	events, err := log.ReadLog(c.t.Context(), next, 1)
	if err != nil || len(events) != 1 {
		c.t.Fatalf("event %d: %v, %v", next, events, err)
	}
	head, err := log.Head(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	ack, err := js.PublishMsg(c.t.Context(), relay.Encode(&events[0], head.Epoch))
	if err != nil || int64(ack.Sequence) != next { //nolint:gosec // a position
		c.t.Fatalf("event %d became message %v: %v", next, ack, err)
	}
}

// finds wants doctor to name a command.
func (c *cluster) finds(command string) {
	c.t.Helper()
	r := c.run("doctor", "-o", "json")
	if r.code != 1 || !strings.Contains(r.out, command) {
		c.t.Errorf("doctor does not name %q: exit code %d\n%s%s", command, r.code, r.out, r.err)
	}
}

// heals waits until doctor finds nothing.
func (c *cluster) heals() {
	c.t.Helper()
	until(c.t, readyLimit, func() error {
		if r := c.run("doctor"); r.code != 0 {
			return fmt.Errorf("%s%s", r.out, r.err)
		}
		return nil
	})
}

// backup copies the database, to which nobody may be connected, and returns where the copy is.
func (c *cluster) backup() string {
	c.t.Helper()
	config, err := pgx.ParseConfig(c.dsn)
	if err != nil {
		c.t.Fatal(err)
	}
	name, copied := config.Database, config.Database+"_backup"
	other := strings.Replace(c.dsn, "/"+name, "/postgres", 1)
	until(c.t, readyLimit, func() error { // the server may not have noticed yet that everybody has gone
		conn, err := pgx.Connect(c.t.Context(), other)
		if err != nil {
			return err
		}
		_, err = conn.Exec(c.t.Context(), "CREATE DATABASE "+copied+" TEMPLATE "+name)
		return errors.Join(err, conn.Close(c.t.Context()))
	})
	c.t.Cleanup(func() { execute(c.t, other, "DROP DATABASE "+copied+" WITH (FORCE)") })
	return strings.Replace(c.dsn, "/"+name, "/"+copied, 1)
}
