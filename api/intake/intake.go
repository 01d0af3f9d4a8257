// Package intake takes commands that survive our downtime: published to waybill.in.<aggregate>.<command>, they wait in
// the JetStream work queue WAYBILL_COMMANDS until an instance carries them out.
//
// A message is acknowledged only when its outcome is in the log, so it may be delivered twice and still counts once: the
// key is its Idempotency-Key, else its Nats-Msg-Id, else its place in the queue. What fails for the moment is tried again,
// with growing pauses, for as long as it takes. What can never be carried out (it cannot be decoded, nobody vouches for
// it, its key belongs to another command) is poison: it is stored in the table intake.poison, counted and logged, and
// the queue goes on. A refusal by the domain is no poison but an outcome.
//
// Commands about one order or stock item are carried out in the order of the queue, by one instance at a time; commands
// about different ones side by side. That holds through retries and orderly restarts. Several instances share the queue,
// and then it holds only within each; after a crash, what was taken comes again after AckWait, behind what was not. Who
// depends on more says so by Expected-Version.
//
// GET /v1/commands/{key} tells the outcome. Whoever wants it as a message names a subject in the header
// Waybill-Reply-To: an inbox, or one that begins with waybill.outcome. Nothing else is ever published to, least of all a
// subject of events or commands.
//
// A Watermill router carries the commands out: the subscriber of package wmjetstream keeps the lanes, and hands out again
// what failed for the moment; a panic is recovered, and its command is poison; poison goes to the router's poison queue,
// which is the table.
//
// The queue is the only copy of a command until its outcome is in the log. Where that matters, it must be on three
// servers, or on one that syncs always (see nats.conf): on a damaged disk commands are gone, and no server says so. The
// intake goes on behind them, and what it can find out it logs and counts in waybill_intake_lost_messages_total. Whoever
// must know asks for the outcome, and sends again what has none.
package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/api/auth"
	"waybill/api/dispatch"
	"waybill/api/wire"
	"waybill/internal/wmjetstream"
)

const (
	// StreamName is the work queue.
	StreamName = "WAYBILL_COMMANDS"
	// subjects are what it takes.
	subjects = "waybill.in.>"
	// consumer is the one durable consumer that all instances share.
	consumer = "intake"
	// grace is how long the end waits for commands that have begun: longer than one and the storing of poison take.
	grace = 30 * time.Second
	// ReplyTo is the header that names where the outcome is to be sent.
	ReplyTo = "Waybill-Reply-To"
)

// Config configures [New]. The first block is required; the zero value of everything else is a default.
type Config struct {
	Conn       *nats.Conn
	Dispatcher *dispatch.Dispatcher // carries out commands
	Auth       auth.Authenticator   // finds the principal of every message
	Poison     PoisonStore          // where poison goes
	Logger     *slog.Logger

	// Registerer takes the metrics; nil keeps them to ourselves.
	Registerer prometheus.Registerer
	// Replicas is on how many servers the queue is kept; 1 by default.
	Replicas int
	// MaxBytes bounds the queue; 1 GiB by default. A full queue refuses what is published.
	MaxBytes int64
	// Lanes is how many commands are carried out side by side; 32 by default.
	Lanes int
	// AckWait is how long a message may take before the queue hands it out again; 30 s by default. It is extended
	// while a message is tried again.
	AckWait time.Duration
	// MinPause and MaxPause bound the pause before a command is tried again; 50 ms and 5 s by default.
	MinPause, MaxPause time.Duration
	// MaxBody bounds a body, in bytes; 256 KiB by default.
	MaxBody int
}

// Intake carries out what waits in the work queue.
type Intake struct {
	cfg      Config
	js       jetstream.JetStream
	messages *prometheus.CounterVec
	lost     prometheus.Counter
}

// New returns an intake that has not begun.
func New(cfg Config) (*Intake, error) {
	for _, required := range []struct {
		name    string
		missing bool
	}{
		{"Conn", cfg.Conn == nil}, {"Dispatcher", cfg.Dispatcher == nil}, {"Auth", cfg.Auth == nil}, {"Poison", cfg.Poison == nil}, {"Logger", cfg.Logger == nil},
	} {
		if required.missing {
			return nil, fmt.Errorf("intake: %s is missing", required.name)
		}
	}
	cfg.Replicas = cmp.Or(cfg.Replicas, 1)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, 1<<30)
	cfg.Lanes = cmp.Or(cfg.Lanes, 32)
	cfg.AckWait = cmp.Or(cfg.AckWait, 30*time.Second)
	cfg.MinPause = cmp.Or(cfg.MinPause, 50*time.Millisecond)
	cfg.MaxPause = cmp.Or(cfg.MaxPause, 5*time.Second)
	cfg.MaxBody = cmp.Or(cfg.MaxBody, wire.MaxBody)
	if cfg.Lanes < 1 || cfg.AckWait < time.Second || cfg.MinPause < 0 || cfg.MaxPause < cfg.MinPause || cfg.MaxBody < 1 {
		return nil, fmt.Errorf("intake: Lanes %d, AckWait %s, MinPause %s, MaxPause %s, MaxBody %d: want at least one lane, a second of AckWait, MinPause up to MaxPause, and a positive MaxBody",
			cfg.Lanes, cfg.AckWait, cfg.MinPause, cfg.MaxPause, cfg.MaxBody)
	}
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("intake: %w", err)
	}
	i := &Intake{cfg: cfg, js: js, messages: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "waybill_intake_messages_total", Help: "Messages of the durable intake, by what became of them.",
	}, []string{"outcome"}), lost: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "waybill_intake_lost_messages_total", Help: "Messages that the work queue was found to have lost, as far as its numbers show.",
	})}
	if cfg.Registerer != nil {
		if err := errors.Join(cfg.Registerer.Register(i.messages), cfg.Registerer.Register(i.lost)); err != nil {
			return nil, fmt.Errorf("intake: register metrics: %w", err)
		}
	}
	return i, nil
}

// Run makes the queue if there is none and carries out what comes until ctx ends; then it finishes what it has begun,
// leaves the rest in the queue, and returns nil.
func (i *Intake) Run(ctx context.Context) error {
	err := i.run(ctx)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was told to end
	}
	return err
}

func (i *Intake) run(ctx context.Context) error {
	if err := i.makeQueue(ctx); err != nil {
		return err
	}
	sub, err := wmjetstream.NewSubscriber(wmjetstream.SubscriberConfig{
		JetStream: i.js, Stream: StreamName, MakeStream: i.makeQueue, Group: consumer, Durable: consumer, AckWait: i.cfg.AckWait, Lanes: i.cfg.Lanes, Lane: lane,
		NakDelay: i.cfg.MinPause, MaxNakDelay: i.cfg.MaxPause, Grace: grace, Logger: i.cfg.Logger,
		OnLoss: func(count uint64) { i.lost.Add(float64(count)) },
	})
	if err != nil {
		return fmt.Errorf("intake: %w", err)
	}
	defer sub.Close()
	router, err := i.router(sub)
	if err != nil {
		return err
	}
	i.cfg.Logger.InfoContext(ctx, "carrying out commands of the durable intake", slog.String("stream", StreamName))
	if err := router.Run(ctx); err != nil {
		return fmt.Errorf("intake: %w", err)
	}
	return nil
}

// router is Watermill's. There is no retry in it: to try again is a nack, and the subscriber's patience has no end. Nor
// does it log what fails, since it would at every attempt; the handler does, once.
func (i *Intake) router(sub message.Subscriber) (*message.Router, error) {
	quiet := watermill.NewSlogLoggerWithLevelMapping(i.cfg.Logger, map[slog.Level]slog.Level{slog.LevelError: slog.LevelDebug, slog.LevelInfo: slog.LevelDebug})
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: grace}, quiet)
	if err != nil {
		return nil, fmt.Errorf("intake: make the router: %w", err)
	}
	h := &handler{Config: &i.cfg, messages: i.messages}
	poison, err := middleware.PoisonQueueWithFilter(h, "intake.poison", isPoison)
	if err != nil {
		return nil, fmt.Errorf("intake: make the router: %w", err)
	}
	router.AddMiddleware(poison, middleware.Recoverer)
	router.AddConsumerHandler(consumer, subjects, sub, h.handle)
	return router, nil
}

func (i *Intake) makeQueue(ctx context.Context) error {
	_, err := i.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: StreamName, Description: "commands of outside systems that wait to be carried out by waybill", Subjects: []string{subjects},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Replicas: i.cfg.Replicas, MaxBytes: i.cfg.MaxBytes,
		Discard: jetstream.DiscardNew, Duplicates: 2 * time.Minute, MaxMsgSize: int32(min(i.cfg.MaxBody+32<<10, 8<<20)), //nolint:gosec // bounded
	})
	if err != nil {
		return fmt.Errorf("make the work queue %s: %w", StreamName, err)
	}
	return nil
}

// lane names the lane of a message: commands about one thing share one, and a command that names none has its own.
func lane(m *message.Message) string {
	d, ok := wmjetstream.DeliveryOf(m)
	if !ok {
		return m.UUID
	}
	v, p := dispatch.Read(&dispatch.Request{MediaType: d.Header.Get("Content-Type"), Body: m.Payload})
	if p == nil && v.Lane() != "" {
		return v.Lane()
	}
	return strconv.FormatUint(d.Sequence, 10)
}

// mayTell tells whether a subject that a message names may be published to: an inbox, or one for outcomes, without
// wildcards.
func mayTell(subject string) bool {
	return (strings.HasPrefix(subject, "_INBOX") || strings.HasPrefix(subject, "waybill.outcome.")) && !strings.ContainsAny(subject, "*> \t\r\n")
}
