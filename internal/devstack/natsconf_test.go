package devstack_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
)

const (
	eventSubject = "waybill.evt.order.placed.1"
	netLimit     = 5 * time.Second
)

// production runs a server with the nats.conf of this repository; only where it listens and writes is another place.
func production(t *testing.T) *server.Server {
	t.Helper()
	for _, user := range []string{"relay", "service", "intake", "consumer", "admin", "storefront", "sys"} {
		t.Setenv("WAYBILL_NATS_"+strings.ToUpper(user)+"_PASSWORD", "p-"+user)
	}
	opts, err := server.ProcessConfigFile(filepath.Join("..", "..", "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	opts.Port, opts.HTTPPort, opts.StoreDir, opts.NoSigs = server.RANDOM_PORT, 0, t.TempDir(), true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(netLimit) {
		t.Fatal("the server is not ready")
	}
	return s
}

func login(t *testing.T, s *server.Server, user string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(user, "p-"+user), nats.CustomInboxPrefix("_INBOX."+user),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // the tests ask for LastError
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// refused reports whether the server objected to what was sent on the connection since it was opened.
func refused(t *testing.T, nc *nats.Conn) bool {
	t.Helper()
	if err := nc.FlushTimeout(netLimit); err != nil {
		t.Fatal(err)
	}
	err := nc.LastError()
	if err != nil && !errors.Is(err, nats.ErrPermissionViolation) {
		t.Fatal(err)
	}
	return err != nil
}

func TestNATSConfPermissions(t *testing.T) {
	s := production(t)
	all := []string{"relay", "service", "intake", "consumer", "admin", "storefront"}
	for _, tt := range []struct {
		verb, subject string
		may           []string
	}{
		{"publish", eventSubject, []string{"relay"}},
		{"publish", "waybill.cmd.order.place", []string{"admin", "storefront"}},
		{"publish", "waybill.in.order.place", []string{"admin", "storefront"}},
		{"publish", "waybill.wake", []string{"relay", "service", "intake", "consumer", "admin"}},
		{"publish", "waybill.outcome.order.place", []string{"intake", "admin"}},
		{"publish", "anything.else", []string{"admin"}},
		{"publish", "_R_.x", []string{"service", "admin"}},
		{"publish", "_INBOX.relay.x", []string{"admin"}},
		{"publish", "_INBOX.consumer.x", []string{"admin"}},
		{"publish", "$SRV.PING", []string{"admin", "storefront"}},
		{"publish", "$JS.API.STREAM.CREATE.WAYBILL_EVENTS", []string{"relay", "admin"}},
		{"publish", "$JS.API.STREAM.CREATE.OTHER", []string{"admin"}},
		{"publish", "$JS.API.STREAM.DELETE.WAYBILL_EVENTS", []string{"admin"}},
		{"publish", "$JS.API.STREAM.PURGE.WAYBILL_EVENTS", []string{"admin"}},
		{"publish", "$JS.API.STREAM.MSG.DELETE.WAYBILL_EVENTS", []string{"admin"}},
		{"publish", "$JS.API.STREAM.INFO.WAYBILL_EVENTS", []string{"relay", "consumer", "admin"}},
		{"publish", "$JS.API.CONSUMER.CREATE.WAYBILL_EVENTS.x", []string{"consumer", "admin"}},
		{"publish", "$JS.API.CONSUMER.MSG.NEXT.WAYBILL_EVENTS.x", []string{"consumer", "admin"}},
		{"publish", "$JS.API.CONSUMER.CREATE.WAYBILL_COMMANDS.x", []string{"intake", "admin"}},
		{"publish", "$JS.API.STREAM.CREATE.WAYBILL_COMMANDS", []string{"intake", "admin"}},
		{"publish", "$JS.ACK.WAYBILL_COMMANDS.x.1.1.1.1.0", []string{"intake", "admin"}},
		{"subscribe", "waybill.evt.>", []string{"admin"}},
		{"subscribe", "waybill.cmd.>", []string{"service", "admin"}},
		{"subscribe", "waybill.in.>", []string{"admin"}},
		{"subscribe", "waybill.wake", []string{"relay", "service", "consumer", "admin"}},
		{"subscribe", "waybill.outcome.>", []string{"admin"}},
		{"subscribe", "waybill.outcome.storefront.>", []string{"admin", "storefront"}},
		{"subscribe", "_INBOX.>", []string{"admin"}},
		{"subscribe", "_INBOX.relay.>", []string{"relay", "admin"}},
		{"subscribe", "_INBOX.storefront.>", []string{"storefront", "admin"}},
		{"subscribe", "$JS.API.>", []string{"admin"}},
		{"subscribe", ">", []string{"admin"}},
	} {
		for _, user := range all {
			nc := login(t, s, user)
			var err error
			if tt.verb == "publish" {
				err = nc.Publish(tt.subject, nil)
			} else {
				_, err = nc.SubscribeSync(tt.subject)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, want := !refused(t, nc), slices.Contains(tt.may, user); got != want {
				t.Errorf("%s may %s %s: %v, want %v", user, tt.verb, tt.subject, got, want)
			}
			nc.Close()
		}
	}
}

func TestNATSConfTurnsStrangersAway(t *testing.T) {
	s := production(t)
	for name, opt := range map[string]nats.Option{
		"nobody":         nats.Name("nobody"),
		"wrong password": nats.UserInfo("relay", "p-admin"),
		"unknown user":   nats.UserInfo("root", "p-admin"),
	} {
		if nc, err := nats.Connect(s.ClientURL(), opt); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v, want %v", name, err, nats.ErrAuthorization)
			nc.Close()
		}
	}
}

// streams has the relay and the intake make theirs, as they do in production, each with its own user.
func streams(t *testing.T, s *server.Server) (events, commands jetstream.Stream) {
	t.Helper()
	make1 := func(user string, cfg jetstream.StreamConfig) jetstream.Stream {
		js, err := jetstream.New(login(t, s, user))
		if err != nil {
			t.Fatal(err)
		}
		stream, err := js.CreateStream(t.Context(), cfg)
		if err != nil {
			t.Fatalf("%s creates its stream: %v", user, err)
		}
		return stream
	}
	events = make1("relay", jetstream.StreamConfig{Name: "WAYBILL_EVENTS", Subjects: []string{"waybill.evt.>"}, DenyDelete: true, DenyPurge: true})
	commands = make1("intake", jetstream.StreamConfig{Name: "WAYBILL_COMMANDS", Subjects: []string{"waybill.in.>"}, Retention: jetstream.WorkQueuePolicy})
	return events, commands
}

// TestNATSConfLetsTheEngineWork goes the way of a command and an event, each part with its own user.
func TestNATSConfLetsTheEngineWork(t *testing.T) {
	s := production(t)
	events, commands := streams(t, s)
	service(t, s)

	out := login(t, s, "storefront")
	reply, err := out.Request("waybill.cmd.order.place", []byte("{}"), netLimit)
	if err != nil || string(reply.Data) != "done" {
		t.Fatalf("request from outside: %v, %v", reply, err)
	}
	if _, err := out.Request("$SRV.INFO.waybill", nil, netLimit); err != nil {
		t.Errorf("discover the service from outside: %v", err)
	}
	js, err := jetstream.New(out)
	if err != nil {
		t.Fatal(err)
	}
	if ack, err := js.Publish(t.Context(), "waybill.in.order.place", []byte("{}")); err != nil || ack.Stream != "WAYBILL_COMMANDS" {
		t.Fatalf("publish to the intake from outside: %+v, %v", ack, err)
	}

	intake, err := commands.CreateOrUpdateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "intake", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	msg, err := intake.Next(jetstream.FetchMaxWait(netLimit))
	if err != nil {
		t.Fatal(err)
	}
	if err := msg.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	outcomes, err := out.SubscribeSync("waybill.outcome.storefront.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := out.FlushTimeout(netLimit); err != nil {
		t.Fatal(err)
	}
	if err := login(t, s, "intake").Publish("waybill.outcome.storefront.1", []byte("done")); err != nil {
		t.Fatal(err)
	}
	if got, err := outcomes.NextMsg(netLimit); err != nil || string(got.Data) != "done" {
		t.Errorf("the outcome from the intake: %v, %v", got, err)
	}

	relay, err := jetstream.New(login(t, s, "relay"))
	if err != nil {
		t.Fatal(err)
	}
	const largest = 1<<20 + 512<<10 // an event of 1 MiB, and as much in headers as it may have
	for last := range uint64(3) {
		if _, err := relay.Publish(t.Context(), eventSubject, make([]byte, largest), jetstream.WithExpectLastSequence(last)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := events.GetMsg(t.Context(), 3); err != nil {
		t.Errorf("the relay reads its last message: %v", err)
	}
	reader, err := jetstream.New(login(t, s, "consumer"))
	if err != nil {
		t.Fatal(err)
	}
	ordered, err := reader.OrderedConsumer(t.Context(), "WAYBILL_EVENTS", jetstream.OrderedConsumerConfig{OptStartSeq: 2, DeliverPolicy: jetstream.DeliverByStartSequencePolicy})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ordered.Next(jetstream.FetchMaxWait(netLimit))
	if err != nil {
		t.Fatal(err)
	}
	if meta, err := got.Metadata(); err != nil || meta.Sequence.Stream != 2 {
		t.Errorf("the consumer starts at %+v, %v", meta, err)
	}
	durable, err := reader.CreateOrUpdateConsumer(t.Context(), "WAYBILL_EVENTS", jetstream.ConsumerConfig{Durable: "processes", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	if got, err = durable.Next(jetstream.FetchMaxWait(netLimit)); err != nil {
		t.Fatal(err)
	}
	if err := got.DoubleAck(t.Context()); err != nil {
		t.Error(err)
	}
}

// service answers every command with "done".
func service(t *testing.T, s *server.Server) *nats.Conn {
	t.Helper()
	nc := login(t, s, "service")
	svc, err := micro.AddService(nc, micro.Config{Name: "waybill", Version: "1.0.0", Endpoint: &micro.EndpointConfig{
		Subject: "waybill.cmd.>",
		Handler: micro.HandlerFunc(func(r micro.Request) { _ = r.Respond([]byte("done")) }), // an error is the server's refusal, which the test looks for
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := svc.Stop(); err != nil {
			t.Error(err)
		}
	})
	if refused(t, nc) {
		t.Fatal("the service may not listen")
	}
	return nc
}

// TestNATSConfConfusedDeputy sends messages whose reply subject is that of an event: neither the service that answers
// nor JetStream that acknowledges may be made to write there.
func TestNATSConfConfusedDeputy(t *testing.T) {
	s := production(t)
	events, commands := streams(t, s)
	responder := service(t, s)
	last := func(stream jetstream.Stream) uint64 {
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.LastSeq
	}

	out := login(t, s, "storefront")
	for _, subject := range []string{"waybill.cmd.order.place", "waybill.in.order.place", "$SRV.PING"} {
		if err := out.PublishRequest(subject, eventSubject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	// A request that is answered comes after those, on the same connection to the same responder.
	if _, err := out.Request("waybill.cmd.order.place", nil, netLimit); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return last(commands) == 1 })
	if n := last(events); n != 0 {
		t.Errorf("%d messages in the event stream, written by another's hand from outside", n)
	}
	if refused(t, responder) {
		t.Error("the border let a reply subject through: the responder tried to write to it")
	}

	// Behind the border the responder's own permissions hold.
	admin := login(t, s, "admin")
	if err := admin.PublishRequest("waybill.cmd.order.place", eventSubject, nil); err != nil {
		t.Fatal(err)
	}
	if err := admin.FlushTimeout(netLimit); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return refused(t, responder) })
	if n := last(events); n != 0 {
		t.Errorf("%d messages in the event stream, written by the responder", n)
	}

	// A consumer whose delivery subject is an event's: the server sees the circle.
	js, err := jetstream.New(login(t, s, "consumer"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = js.CreatePushConsumer(t.Context(), "WAYBILL_EVENTS", jetstream.ConsumerConfig{DeliverSubject: eventSubject})
	if err == nil || !strings.Contains(err.Error(), "cycle") {
		t.Errorf("a consumer that delivers into the event stream: %v", err)
	}

	// The positive control: without the border, JetStream's acknowledgement does land there. Were this to change, the
	// first part of this test would prove nothing.
	if err := admin.PublishRequest("waybill.in.order.place", eventSubject, nil); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return last(events) == 1 })
}

// until waits for the condition.
func until(t *testing.T, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), netLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatal("the condition never held")
		case <-tick.C:
		}
	}
}
