package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/internal/devstack/devtest"
)

// broker is a nats-server process with the nats.conf of this repository.
type broker struct {
	*process
	url, store string
	again      func() *process // starts it again on what is in store
}

// natsUsers are the users of nats.conf.
func natsUsers() []string {
	return []string{"relay", "service", "intake", "consumer", "admin", "storefront", "sys"}
}

// natsEnv are the passwords that nats.conf reads, and the engine too.
func natsEnv() []string {
	env := make([]string, 0, len(natsUsers()))
	for _, u := range natsUsers() {
		env = append(env, "WAYBILL_NATS_"+strings.ToUpper(u)+"_PASSWORD=p-"+u)
	}
	return env
}

// startBroker starts it on a free port.
func startBroker(t *testing.T, p *place) *broker {
	t.Helper()
	shipped, err := os.ReadFile(filepath.Join("..", "..", "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{store: filepath.Join(p.dir, "jetstream")}
	// Where it keeps its files is all that differs, and the flags below say where it listens.
	text := strings.Replace(string(shipped), `"/var/lib/nats/waybill"`, fmt.Sprintf("%q", b.store), 1)
	config := filepath.Join(p.dir, "nats.conf")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	server := program(t, "github.com/nats-io/nats-server/v2", "nats-server")
	number := port(t)
	b.url = "nats://127.0.0.1:" + number
	b.again = func() *process {
		c := p.with(natsEnv()...).start(server, "-c", config, "-a", "127.0.0.1", "-p", number, "-m", port(t))
		until(t, readyLimit, func() error {
			c.alive()
			conn, err := nats.Connect(b.url, nats.UserInfo("sys", "p-sys"))
			if err == nil {
				conn.Close()
			}
			return err
		})
		b.process = c
		return c
	}
	b.again()
	return b
}

// login connects as a user of nats.conf.
func (b *broker) login(t *testing.T, user string) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(b.url, nats.UserInfo(user, "p-"+user), nats.CustomInboxPrefix("_INBOX."+user), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Errorf("%s: %v", user, err) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// emptyDatabase makes a database beside the one that the test was given, without a schema.
func emptyDatabase(t *testing.T) string {
	t.Helper()
	dsn := devtest.Database(t)
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := c.Database + "_empty"
	execute(t, dsn, "CREATE DATABASE "+name+" TEMPLATE template0")
	t.Cleanup(func() { execute(t, dsn, "DROP DATABASE "+name+" WITH (FORCE)") })
	return strings.Replace(dsn, c.Database, name, 1)
}

// execute runs statements on a connection of its own.
func execute(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	ctx := t.Context()
	if ctx.Err() != nil { // cleaning up
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// as returns dsn with another user.
func as(t *testing.T, dsn, user string) string {
	t.Helper()
	return strings.Replace(dsn, "postgres://postgres@", "postgres://"+user+"@", 1)
}

// TestUsers runs the engine as production does: a broker that knows users and lets each do only its own, a database user
// that owns nothing, and everything that speaks NATS.
func TestUsers(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	b := startBroker(t, p)
	owner := emptyDatabase(t)
	user := fmt.Sprintf("engine_%d", time.Now().UnixNano())
	execute(t, owner, "CREATE ROLE "+user+" LOGIN")
	t.Cleanup(func() { execute(t, owner, "DROP ROLE "+user) })
	engine := as(t, owner, user)

	p = p.with(append(natsEnv(), "WAYBILL_NATS_URL="+b.url)...)
	unready := p.with("DATABASE_URL="+engine).run("serve", "--http-addr", address(t), "--admin-addr", address(t))
	unready.says(t, 1, "next: waybill migrate")
	p.must("migrate", "--database-url", owner)
	execute(t, owner, "GRANT waybill_append, waybill_relay, waybill_project, waybill_process, waybill_read TO "+user)
	key := strings.TrimSpace(p.must("keys", "create", "shop", "--scopes", "orders:read,orders:write,stock:read,stock:write", "--database-url", owner))

	one, two := address(t), address(t)
	p = p.with("DATABASE_URL=" + engine)
	all := p.start(waybill(t), "serve", "--http-addr", one, "--admin-addr", address(t))
	all.ready("http://" + one)
	edge := p.start(waybill(t), "serve", "--roles", "api", "--http-addr", two, "--admin-addr", address(t))
	edge.ready("http://" + two)

	t.Run("HTTP", func(t *testing.T) {
		status, body, err := call(t.Context(), http.MethodPost, "http://"+one+"/v1/stock/MUG/MAIN/receive", key, `{"quantity":100}`)
		if err != nil || status != http.StatusOK {
			t.Fatalf("receive: %d %s %v", status, body, err)
		}
		confirmed(t, "http://"+two, key, placeHTTP(t, "http://"+one, key))
	})
	t.Run("wake-up of the relay of another process", func(t *testing.T) {
		wakes, err := b.login(t, "admin").SubscribeSync("waybill.wake")
		if err != nil {
			t.Fatal(err)
		}
		id := placeHTTP(t, "http://"+two, key)
		if _, err := wakes.NextMsg(10 * time.Second); err != nil {
			t.Errorf("the process without a relay told nobody: %v", err)
		}
		confirmed(t, "http://"+two, key, id)
	})
	t.Run("request and reply", func(t *testing.T) {
		out := b.login(t, "storefront")
		if _, err := out.Request("$SRV.INFO.waybill", nil, 10*time.Second); err != nil {
			t.Errorf("discover the service: %v", err)
		}
		m := &nats.Msg{Subject: "waybill.cmd.order.place", Data: []byte(orderOf("MUG", 2)), Header: nats.Header{"Authorization": {"Bearer " + key}, "Idempotency-Key": {"by-request"}}}
		reply, err := out.RequestMsg(m, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if code := reply.Header.Get("Nats-Service-Error"); code != "" {
			t.Fatalf("%s: %s", code, reply.Data)
		}
		confirmed(t, "http://"+one, key, orderID(t, reply.Data))
		// The key belongs to the principal, whichever way it comes.
		status, body, err := call(t.Context(), http.MethodPost, "http://"+one+"/v1/orders", key, orderOf("MUG", 2), "Idempotency-Key", "by-request")
		if err != nil || status != http.StatusCreated || string(body) != string(reply.Data) {
			t.Errorf("again over HTTP: %d %s, %v; over NATS it was %s", status, body, err, reply.Data)
		}
	})
	t.Run("durable intake", func(t *testing.T) {
		out := b.login(t, "storefront")
		js, err := jetstream.New(out)
		if err != nil {
			t.Fatal(err)
		}
		outcomes, err := out.SubscribeSync("waybill.outcome.storefront.>")
		if err != nil {
			t.Fatal(err)
		}
		m := &nats.Msg{Subject: "waybill.in.order.place", Data: []byte(orderOf("MUG", 3)), Header: nats.Header{
			"Authorization": {"Bearer " + key}, "Idempotency-Key": {"by-intake"}, "Waybill-Reply-To": {"waybill.outcome.storefront.1"},
		}}
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		outcome, err := outcomes.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if code := outcome.Header.Get("Status-Code"); code != "201" {
			t.Fatalf("outcome %s: %s", code, outcome.Data)
		}
		confirmed(t, "http://"+one, key, orderID(t, outcome.Data))
	})
	for _, c := range []*process{edge, all} {
		if code := c.stop(syscall.SIGTERM); code != 0 {
			t.Errorf("%s: exit code %d", c.name, code)
		}
		for _, objection := range []string{"Permissions Violation", "NATS objects", "permission denied", `"level":"ERROR"`} {
			if strings.Contains(c.err.String(), objection) {
				t.Errorf("%s: %q in the log", c.name, objection)
			}
		}
	}
	if said := b.err.String(); strings.Contains(said, "Violation") {
		t.Errorf("the broker refused something: %s", tail(said))
	}
	p.must("verify", "--database-url", owner)
}

// placeHTTP places an order of one mug.
func placeHTTP(t *testing.T, base, key string) string {
	t.Helper()
	status, body, err := call(t.Context(), http.MethodPost, base+"/v1/orders", key, orderOf("MUG", 1))
	if err != nil || status != http.StatusCreated {
		t.Fatalf("place: %d %s %v", status, body, err)
	}
	return orderID(t, body)
}

func orderID(t *testing.T, body []byte) string {
	t.Helper()
	var a struct {
		OrderID string `json:"order_id"`
	}
	if err := json.Unmarshal(body, &a); err != nil || a.OrderID == "" {
		t.Fatalf("%s: %v", body, err)
	}
	return a.OrderID
}

// TestNATSPasswords refuses what cannot be right.
func TestNATSPasswords(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	b := startBroker(t, p)
	p = p.with("WAYBILL_NATS_URL="+b.url, "DATABASE_URL="+devtest.Database(t))
	serve := []string{"serve", "--http-addr", address(t), "--admin-addr", address(t)}
	wrong := p.with(append(natsEnv(), "WAYBILL_NATS_RELAY_PASSWORD=other")...).run(serve...)
	wrong.says(t, 1, "as user relay", "Authorization Violation", "next: ")
	none := p.run(serve...)
	none.says(t, 1, "as relay with what nats.url has", "Authorization Violation")
	both := p.with(append(natsEnv(), "WAYBILL_NATS_RELAY_PASSWORD_FILE=/dev/null")...).run(serve...)
	both.says(t, 2, "WAYBILL_NATS_RELAY_PASSWORD_FILE")
}

// size is that of the largest event of a log, in bytes.
func size(t *testing.T, dsn string) (bytes int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), "SELECT max(length(data) + length(meta)) FROM waybill.events").Scan(&bytes); err != nil {
		t.Fatal(err)
	}
	return bytes
}
