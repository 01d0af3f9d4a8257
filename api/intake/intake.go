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
// subject of events or commands. The queue is the only copy of a command until then: where that matters, it must be on
// three servers, or on one that syncs always (see nats.conf).
//
// It speaks to JetStream itself rather than through Watermill: it needs to stay in order by lane, to extend the time
// of a message that is being retried, and to confirm its acknowledgements, none of which the router has; what is left is
// this one loop.
package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/api/auth"
	"waybill/api/dispatch"
	"waybill/api/problem"
	"waybill/api/service"
	"waybill/api/wire"
)

const (
	// StreamName is the work queue.
	StreamName = "WAYBILL_COMMANDS"
	// subjects are what it takes.
	subjects = "waybill.in.>"
	// consumer is the one durable consumer that all instances share.
	consumer = "intake"
	// finishTimeout bounds the storing of poison and the acknowledgement of a message.
	finishTimeout = 10 * time.Second
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
	}, []string{"outcome"})}
	if cfg.Registerer != nil {
		if err := cfg.Registerer.Register(i.messages); err != nil {
			return nil, fmt.Errorf("intake: register metrics: %w", err)
		}
	}
	return i, nil
}

// Run makes the queue if there is none and carries out what comes until ctx ends; then it finishes what it has begun,
// leaves the rest in the queue, and returns nil.
func (i *Intake) Run(ctx context.Context) error {
	c, err := i.setUp(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	messages, err := c.Messages(jetstream.PullMaxMessages(2 * i.cfg.Lanes))
	if err != nil {
		return fmt.Errorf("read the work queue: %w", err)
	}
	defer context.AfterFunc(ctx, messages.Drain)()
	defer messages.Stop()
	i.cfg.Logger.InfoContext(ctx, "carrying out commands of the durable intake", slog.String("stream", StreamName))
	var left leftover
	lanes := make([]chan jetstream.Msg, i.cfg.Lanes)
	var wg sync.WaitGroup
	for n := range lanes {
		lanes[n] = make(chan jetstream.Msg, 2)
		wg.Go(func() {
			for m := range lanes[n] {
				if !i.handle(ctx, m) {
					left.add(m)
				}
			}
		})
	}
	i.distribute(ctx, messages, lanes, &left)
	for _, l := range lanes {
		close(l)
	}
	wg.Wait()
	return left.giveBack(i.cfg.Conn)
}

// distribute hands the messages to their lanes, until the iterator is drained.
func (i *Intake) distribute(ctx context.Context, messages jetstream.MessagesContext, lanes []chan jetstream.Msg, left *leftover) {
	for {
		m, err := messages.Next()
		switch {
		case errors.Is(err, jetstream.ErrMsgIteratorClosed), err != nil && ctx.Err() != nil:
			return
		case err != nil:
			i.cfg.Logger.WarnContext(ctx, "work queue does not answer", slog.Any("error", err))
			if !pause(ctx, i.cfg.MaxPause) {
				return
			}
			continue
		case ctx.Err() != nil:
			left.add(m)
			continue
		}
		select {
		case lanes[i.lane(m)] <- m:
		case <-ctx.Done():
			left.add(m)
		}
	}
}

// leftover are messages that were taken and not carried out when the intake ended. They go back in their order, so that
// the next instance finds them in it.
type leftover struct {
	mu       sync.Mutex
	messages []jetstream.Msg
}

func (l *leftover) add(m jetstream.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, m)
}

func (l *leftover) giveBack(conn *nats.Conn) error {
	place := func(m jetstream.Msg) uint64 {
		md, err := m.Metadata()
		if err != nil {
			return 0
		}
		return md.Sequence.Stream
	}
	slices.SortFunc(l.messages, func(a, b jetstream.Msg) int { return cmp.Compare(place(a), place(b)) })
	for _, m := range l.messages {
		if err := m.Nak(); err != nil {
			return fmt.Errorf("give messages back to the work queue (they come again after AckWait): %w", err)
		}
	}
	if len(l.messages) == 0 {
		return nil
	}
	if err := conn.FlushTimeout(finishTimeout); err != nil {
		return fmt.Errorf("give messages back to the work queue (they come again after AckWait): %w", err)
	}
	return nil
}

func (i *Intake) setUp(ctx context.Context) (jetstream.Consumer, error) {
	s, err := i.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: StreamName, Description: "commands of outside systems that wait to be carried out by waybill", Subjects: []string{subjects},
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage, Replicas: i.cfg.Replicas, MaxBytes: i.cfg.MaxBytes,
		Discard: jetstream.DiscardNew, Duplicates: 2 * time.Minute, MaxMsgSize: int32(min(i.cfg.MaxBody+32<<10, 8<<20)), //nolint:gosec // bounded
	})
	if err != nil {
		return nil, fmt.Errorf("make the work queue %s: %w", StreamName, err)
	}
	c, err := s.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: i.cfg.AckWait, MaxDeliver: -1, MaxAckPending: 4 * i.cfg.Lanes,
	})
	if err != nil {
		return nil, fmt.Errorf("make the consumer of %s: %w", StreamName, err)
	}
	return c, nil
}

// lane picks the lane of a message: commands about one thing share one.
func (i *Intake) lane(m jetstream.Msg) int {
	lane := m.Subject()
	if v, p := dispatch.Read(&dispatch.Request{MediaType: m.Headers().Get("Content-Type"), Body: m.Data()}); p == nil && v.Lane() != "" {
		lane = v.Lane()
	} else if md, err := m.Metadata(); err == nil {
		lane = strconv.FormatUint(md.Sequence.Stream, 10)
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(lane)) // never fails
	return int(h.Sum32() % uint32(i.cfg.Lanes))
}

// handle carries out one message, again and again while it fails for the moment. It is false if ctx ended first.
func (i *Intake) handle(ctx context.Context, m jetstream.Msg) bool {
	md, err := m.Metadata()
	if err != nil {
		i.cfg.Logger.ErrorContext(ctx, "message is not of the work queue", slog.String("subject", m.Subject()), slog.Any("error", err))
		return true
	}
	work := context.WithoutCancel(ctx) // what was begun is finished
	for attempt := 0; ; attempt++ {
		if ctx.Err() != nil {
			return false
		}
		reply, principal := i.attempt(work, m, md)
		if !transient(&reply) {
			err := i.finish(work, m, md, &reply, principal)
			if err == nil {
				return true
			}
			i.cfg.Logger.WarnContext(ctx, "outcome of intake not confirmed", slog.Uint64("sequence", md.Sequence.Stream), slog.Any("error", err))
		} else if attempt == 0 {
			i.cfg.Logger.WarnContext(ctx, "command of intake has to wait", slog.Uint64("sequence", md.Sequence.Stream), slog.String("code", reply.Problem.Code))
		}
		i.messages.WithLabelValues("retried").Inc()
		if err := m.InProgress(); err != nil {
			i.cfg.Logger.DebugContext(ctx, "time of message not extended", slog.Any("error", err))
		}
		if !pause(ctx, min(i.cfg.MinPause<<min(attempt, 16), i.cfg.MaxPause, i.cfg.AckWait/3)) {
			return false
		}
	}
}

func (i *Intake) attempt(ctx context.Context, m jetstream.Msg, md *jetstream.MsgMetadata) (reply dispatch.Reply, principal string) {
	req, p := service.Request(ctx, i.cfg.Auth, m.Headers(), i.cfg.Logger)
	if req.Principal != nil {
		principal = req.Principal.Name
	}
	if p == nil && len(m.Data()) > i.cfg.MaxBody {
		p = problem.New(problem.TooLarge, "the body is larger than %d bytes", i.cfg.MaxBody)
	}
	if p != nil {
		return dispatch.Reply{Status: p.Status, Problem: p, Body: p.JSON()}, principal
	}
	req.Key = cmp.Or(req.Key, m.Headers().Get(nats.MsgIdHdr), StreamName+":"+strconv.FormatInt(md.Timestamp.UnixNano(), 36)+":"+strconv.FormatUint(md.Sequence.Stream, 10))
	req.Type, req.Body = strings.TrimPrefix(m.Subject(), "waybill.in."), m.Data()
	return i.cfg.Dispatcher.Do(ctx, &req), principal
}

// transient tells whether another attempt may have another outcome, without anybody changing the message.
func transient(r *dispatch.Reply) bool { return r.Problem != nil && !r.Stored && r.Problem.Retryable }

// finish stores poison, tells who wants to know, and takes the message off the queue.
func (i *Intake) finish(ctx context.Context, m jetstream.Msg, md *jetstream.MsgMetadata, reply *dispatch.Reply, principal string) error {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	outcome := "accepted"
	switch {
	case reply.Problem != nil && reply.Stored:
		outcome = "refused"
	case reply.Problem != nil:
		outcome = "poison"
		headers := maps.Clone(map[string][]string(m.Headers()))
		maps.DeleteFunc(headers, func(name string, _ []string) bool { return strings.EqualFold(name, "Authorization") })
		if err := i.cfg.Poison.AddPoison(ctx, Poison{
			Sequence: md.Sequence.Stream, ReceivedAt: md.Timestamp.UTC(), Subject: m.Subject(), Principal: principal,
			Code: reply.Problem.Code, Problem: reply.Body, Headers: headers, Body: m.Data(),
		}); err != nil {
			return err
		}
		i.cfg.Logger.WarnContext(ctx, "poison in the intake", slog.Uint64("sequence", md.Sequence.Stream), slog.String("subject", m.Subject()),
			slog.String("principal", principal), slog.String("code", reply.Problem.Code))
	}
	i.tell(ctx, m, reply)
	if err := m.DoubleAck(ctx); err != nil {
		return fmt.Errorf("take message %d off the work queue: %w", md.Sequence.Stream, err)
	}
	i.messages.WithLabelValues(outcome).Inc()
	return nil
}

// tell publishes the outcome to whoever asked for it. It is a courtesy: the outcome can be asked for at any time.
func (i *Intake) tell(ctx context.Context, m jetstream.Msg, reply *dispatch.Reply) {
	to := m.Headers().Get(ReplyTo)
	if to == "" {
		return
	}
	if !mayTell(to) {
		i.cfg.Logger.WarnContext(ctx, "outcome not sent: its subject is not one for replies", slog.String("subject", m.Subject()))
		return
	}
	out := &nats.Msg{Subject: to, Data: reply.Body, Header: service.ReplyHeader(reply)}
	out.Header.Set("Status-Code", strconv.Itoa(reply.Status))
	if err := i.cfg.Conn.PublishMsg(out); err != nil {
		i.cfg.Logger.WarnContext(ctx, "outcome not sent", slog.Any("error", err))
	}
}

// mayTell tells whether a subject that a message names may be published to: an inbox, or one for outcomes, without
// wildcards.
func mayTell(subject string) bool {
	return (strings.HasPrefix(subject, "_INBOX") || strings.HasPrefix(subject, "waybill.outcome.")) && !strings.ContainsAny(subject, "*> \t\r\n")
}

// pause waits, or reports that ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
