// Package apitest brings up the edges for tests, on real servers: the log on Postgres, the bus, all read models with their
// runners, HTTP on a real listener and, if asked for, NATS. Nothing in it is a stand-in.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/api"
	"waybill/api/auth"
	"waybill/api/dispatch"
	"waybill/api/intake"
	"waybill/api/tail"
	"waybill/api/wire"
	"waybill/commands"
	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
	"waybill/projections"
	"waybill/projections/orderdetail"
	"waybill/projections/orderlist"
	"waybill/projections/stocklevels"
	"waybill/projections/stuckorders"
	"waybill/projections/timeline"
)

// Migrate brings a database to the schema that the stack needs; give it to devtest.Main.
func Migrate(ctx context.Context, dsn string) error {
	keys, err := auth.Migrations()
	poison, poisonErr := intake.Migrations()
	if err := errors.Join(err, poisonErr); err != nil {
		return err
	}
	return eventstore.Migrate(ctx, dsn, projections.Migrations(), eventstore.MigrationSet{Name: "api", FS: keys}, eventstore.MigrationSet{Name: "intake", FS: poison})
}

// Stack is everything behind one HTTP address.
type Stack struct {
	TB         testing.TB
	DSN        string
	Log        *eventstore.Postgres
	Bus        *commands.Bus
	Dispatcher *dispatch.Dispatcher
	Keys       *auth.Keys
	KeyStore   *auth.PostgresStore // of the owner of the schema: may add and revoke
	Append     *pgxpool.Pool       // with the role waybill_append
	Server     *api.Server
	Config     api.Config // of the server
	Registry   *prometheus.Registry
	URL        string // of the HTTP server
	Key        string // an API key with all scopes
	Logger     *slog.Logger
	Client     *http.Client
}

// Option changes the configuration of the server before it is made.
type Option func(*api.Config)

// WithoutProjections leaves the runners out: read models stay empty.
func WithoutProjections(c *api.Config) { c.Checkpoints = nil }

// New brings up a stack that ends with the test.
func New(tb testing.TB, options ...Option) *Stack {
	tb.Helper()
	s := &Stack{TB: tb, DSN: devtest.Database(tb), Registry: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
	log, err := eventstore.OpenPostgres(tb.Context(), eventstore.PostgresConfig{DSN: s.DSN, Logger: s.Logger})
	s.must(err)
	s.Log = log
	tb.Cleanup(log.Close)
	s.run("log", log.Run)
	s.Append = s.pool(eventstore.RoleAppend)
	reads := s.pool(eventstore.RoleRead)
	s.Bus, err = commands.New(commands.Config{Log: log, Snapshots: log, Numbers: commands.NewBlocks(eventstore.NewCounters(s.Append)), Logger: s.Logger})
	s.must(err)
	s.run("bus", s.Bus.Run)
	s.addKeys()
	table, err := wire.NewTable()
	s.must(err)
	s.Dispatcher, err = dispatch.New(dispatch.Config{Bus: s.Bus, Table: table, Logger: s.Logger})
	s.must(err)
	follower, err := tail.New(tail.Config{Log: log, Logger: s.Logger, Poll: 5 * time.Millisecond, Keep: 256})
	s.must(err)
	s.run("tail", follower.Run)
	checkpoints := projections.NewCheckpoints(reads)
	cfg := api.Config{
		Dispatcher: s.Dispatcher, Auth: s.Keys, Log: log, Tail: follower, Reads: reads, Refused: log, Checkpoints: checkpoints, Logger: s.Logger,
		Checks: []api.Check{{Name: "database", Do: reads.Ping}}, Registerer: s.Registry, Gatherer: s.Registry, Address: "127.0.0.1:0",
	}
	for _, o := range options {
		o(&cfg)
	}
	if cfg.Checkpoints == nil {
		cfg.Checkpoints = checkpoints
	} else {
		s.project()
	}
	s.Config = cfg
	s.Server, err = api.NewServer(cfg)
	s.must(err)
	address, err := s.Server.Listen(tb.Context())
	s.must(err)
	s.URL = "http://" + address
	s.Client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}}
	s.run("HTTP", s.Server.Run)
	tb.Cleanup(s.Client.CloseIdleConnections)
	return s
}

func (s *Stack) must(err error) {
	s.TB.Helper()
	if err != nil {
		s.TB.Fatal(err)
	}
}

func (s *Stack) run(name string, run func(context.Context) error) { Run(s.TB, name, run) }

// Run runs a part until the test ends.
func Run(tb testing.TB, name string, run func(context.Context) error) {
	tb.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run(ctx); err != nil {
			tb.Errorf("run %s: %v", name, err)
		}
	})
	tb.Cleanup(func() {
		stop()
		wg.Wait()
	})
}

func (s *Stack) pool(role eventstore.Role) *pgxpool.Pool {
	s.TB.Helper()
	p, err := eventstore.NewPool(s.TB.Context(), s.DSN, eventstore.PoolConfig{Role: role})
	s.must(err)
	s.TB.Cleanup(p.Close)
	return p
}

func (s *Stack) addKeys() {
	s.TB.Helper()
	owner, err := pgxpool.New(s.TB.Context(), s.DSN)
	s.must(err)
	s.TB.Cleanup(owner.Close)
	s.KeyStore = auth.NewPostgresStore(owner)
	s.Keys, err = auth.NewKeys(auth.KeysConfig{Store: auth.NewPostgresStore(s.Append), Staleness: 500 * time.Millisecond})
	s.must(err)
	s.Key = s.AddKey("tester", auth.Scopes()...)
}

// AddKey makes an API key.
func (s *Stack) AddKey(name string, scopes ...auth.Scope) string {
	s.TB.Helper()
	secret, err := auth.NewSecret("test")
	s.must(err)
	_, err = s.KeyStore.AddKey(s.TB.Context(), secret, name, scopes, nil)
	s.must(err)
	return secret
}

func (s *Stack) project() {
	s.TB.Helper()
	pool := s.pool(eventstore.RoleProject)
	for _, p := range []projections.Projection{orderlist.Projection{}, orderdetail.Projection{}, timeline.Projection{}, stocklevels.Projection{}, stuckorders.Projection{}} {
		r, err := projections.New(projections.Config{Projection: p, Pool: pool, Log: s.Log, Logger: s.Logger, PollInterval: 10 * time.Millisecond})
		s.must(err)
		s.run(p.Name(), r.Run)
	}
}

// Answer is what came back over HTTP.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode reads the body as JSON.
func (a *Answer) Decode(tb testing.TB, into any) {
	tb.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		tb.Fatalf("body %q: %v", a.Body, err)
	}
}

// Code returns the code of a problem, or "".
func (a *Answer) Code() string {
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.Body, &p) // what is no problem has no code
	return p.Code
}

// Do sends a request with the stack's key and the headers given as name, value, name, value.
func (s *Stack) Do(method, path, body string, headers ...string) Answer {
	s.TB.Helper()
	a, err := s.Try(s.TB.Context(), method, path, body, headers...)
	s.must(err)
	return a
}

// Try is [Stack.Do] for tests where the request may fail.
func (s *Stack) Try(ctx context.Context, method, path, body string, headers ...string) (Answer, error) {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, in)
	if err != nil {
		return Answer{}, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
		}
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("send request: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: b.Bytes()}, nil
}

// Eventually waits until cond holds, and fails the test after ten seconds.
func Eventually(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline.C:
			tb.Fatalf("did not come true: %s", what)
		case <-tick.C:
		}
	}
}

// Order is the body of an order with n lines of one unit each.
func Order(n int, fields ...string) string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf(`{"sku":"SKU-%d","quantity":1,"unit_price":"1.00","total":{"minor":100,"currency":"EUR"}}`, i))
	}
	var extra strings.Builder
	for _, f := range fields {
		extra.WriteString("," + f)
	}
	return fmt.Sprintf(`{"channel":"web","currency":"EUR","lines":[%s],"totals":{"goods":{"minor":%d,"currency":"EUR"},"grand":{"minor":%d,"currency":"EUR"}}%s}`,
		strings.Join(lines, ","), 100*n, 100*n, extra.String())
}
