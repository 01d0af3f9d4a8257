// Package service takes commands by request and reply over NATS, as the micro service "waybill".
//
// Every command of the table has an endpoint, waybill.cmd.<aggregate>.<command>, that takes the body that the HTTP route
// takes and answers with the same bytes. Errors stand in the headers of the micro protocol (Nats-Service-Error has the
// code, Nats-Service-Error-Code the status), with the problem document as the body. $SRV.INFO.waybill documents it all.
//
// Who asks is said by an API key in the header Authorization; the subject permissions of the NATS server are a second
// fence, not the first. The package does not take commands durably: package intake does.
package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/api/auth"
	"waybill/api/dispatch"
	"waybill/api/problem"
	"waybill/api/wire"
)

// flushTimeout bounds the wait for the server to know the subscriptions.
const flushTimeout = 10 * time.Second

// Name is that of the micro service, and of its queue group.
const Name = "waybill"

// Config configures [New]. The first block is required; the zero value of everything else is a default.
type Config struct {
	Conn       *nats.Conn           // without allow_responses: see Service
	Dispatcher *dispatch.Dispatcher // carries out commands
	Auth       auth.Authenticator   // finds the principal of every request
	Logger     *slog.Logger

	// Registerer takes the metrics; nil keeps them to ourselves.
	Registerer prometheus.Registerer
	// Version is that of the service, as SemVer; 0.0.0 by default.
	Version string
	// SchemaURL is where the OpenAPI document is served; "/openapi.json" by default.
	SchemaURL string
	// MaxInFlight bounds requests that are worked on; 512 by default. Those beyond get the problem overloaded.
	MaxInFlight int
	// MaxBody bounds a body, in bytes; 256 KiB by default.
	MaxBody int
}

// Service is the micro service.
//
// A reply subject is chosen by whoever asks, so a request could make us write where the asker may not. Replies go to
// inboxes only; the server's permissions should say the same.
type Service struct {
	cfg      Config
	slots    chan struct{}
	draining atomic.Bool
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// New returns a service that has not begun to listen.
func New(cfg Config) (*Service, error) {
	for _, required := range []struct {
		name    string
		missing bool
	}{
		{"Conn", cfg.Conn == nil}, {"Dispatcher", cfg.Dispatcher == nil}, {"Auth", cfg.Auth == nil}, {"Logger", cfg.Logger == nil},
	} {
		if required.missing {
			return nil, fmt.Errorf("nats service: %s is missing", required.name)
		}
	}
	cfg.Version = cmp.Or(cfg.Version, "0.0.0")
	cfg.SchemaURL = cmp.Or(cfg.SchemaURL, "/openapi.json")
	cfg.MaxInFlight = cmp.Or(cfg.MaxInFlight, 512)
	cfg.MaxBody = cmp.Or(cfg.MaxBody, wire.MaxBody)
	if cfg.MaxInFlight < 1 || cfg.MaxBody < 1 {
		return nil, fmt.Errorf("nats service: MaxInFlight %d and MaxBody %d must be positive", cfg.MaxInFlight, cfg.MaxBody)
	}
	s := &Service{
		cfg: cfg, slots: make(chan struct{}, cfg.MaxInFlight),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waybill_nats_requests_total", Help: "Commands taken by request over NATS, by command and status.",
		}, []string{"command", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "waybill_nats_request_duration_seconds", Help: "Time from taking a request over NATS to its answer, by command.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"command"}),
	}
	if cfg.Registerer != nil {
		if err := errors.Join(cfg.Registerer.Register(s.requests), cfg.Registerer.Register(s.duration)); err != nil {
			return nil, fmt.Errorf("nats service: register metrics: %w", err)
		}
	}
	return s, nil
}

// Run answers requests until ctx ends; then it takes no more, finishes those in flight, and returns nil.
func (s *Service) Run(ctx context.Context) error {
	svc, err := micro.AddService(s.cfg.Conn, micro.Config{
		Name: Name, Version: s.cfg.Version, Description: "Commands of the Waybill order processing engine", QueueGroup: Name,
		Metadata: map[string]string{"openapi": s.cfg.SchemaURL},
	})
	if err != nil {
		return fmt.Errorf("start nats service: %w", err)
	}
	// Handlers are not cancelled when we stop: what was begun is finished, within the dispatcher's time.
	work := context.WithoutCancel(ctx)
	for i := range s.cfg.Dispatcher.Table().Specs {
		spec := &s.cfg.Dispatcher.Table().Specs[i]
		if err := svc.AddEndpoint(strings.ReplaceAll(spec.Type, ".", "-"), s.endpoint(work, spec), micro.WithEndpointSubject(spec.Subject()),
			micro.WithEndpointMetadata(map[string]string{
				"summary": spec.Summary, "note": spec.Note, "scope": string(spec.Scope), "schema": s.cfg.SchemaURL + "#/paths/" + strings.ReplaceAll(spec.Path, "/", "~1") + "/post",
				"content-types": dispatch.JSON + ", " + dispatch.Msgpack, "example": spec.Example,
			})); err != nil {
			return errors.Join(fmt.Errorf("add endpoint %s: %w", spec.Subject(), err), svc.Stop())
		}
	}
	flush, cancel := context.WithTimeout(ctx, flushTimeout) // the client insists on a deadline
	err = s.cfg.Conn.FlushWithContext(flush)
	cancel()
	if err != nil && ctx.Err() == nil {
		return errors.Join(fmt.Errorf("start nats service: %w", err), svc.Stop())
	}
	s.cfg.Logger.InfoContext(ctx, "serving commands over NATS", slog.Int("endpoints", len(s.cfg.Dispatcher.Table().Specs)))
	<-ctx.Done()
	s.draining.Store(true)
	err = svc.Stop()
	for range cap(s.slots) { // all of them are free when all handlers have ended
		s.slots <- struct{}{}
	}
	if err != nil && !s.cfg.Conn.IsClosed() {
		return fmt.Errorf("stop nats service: %w", err)
	}
	return nil
}

// endpoint answers one command. The callback runs on the one goroutine that delivers the endpoint's messages, so the
// work is done on another.
func (s *Service) endpoint(ctx context.Context, spec *wire.Spec) micro.HandlerFunc {
	return func(r micro.Request) {
		if !inbox(r.Reply()) {
			s.cfg.Logger.WarnContext(ctx, "request with a reply subject that is no inbox was not carried out", slog.String("subject", r.Subject()))
			return
		}
		select {
		case s.slots <- struct{}{}:
		default:
			code := problem.Overloaded
			if s.draining.Load() {
				code = problem.Draining
			}
			p := problem.New(code, "this instance takes no more requests at the moment")
			s.answer(ctx, spec, r, &dispatch.Reply{Status: p.Status, Problem: p, Body: p.JSON()})
			return
		}
		go func() { // waited for by Run, which takes back all slots
			defer func() { <-s.slots }()
			start := time.Now() //nolint:forbidigo // measures, decides nothing
			reply := s.handle(ctx, spec, r)
			s.answer(ctx, spec, r, &reply)
			s.duration.WithLabelValues(spec.Type).Observe(time.Since(start).Seconds())
		}()
	}
}

// inbox tells whether a reply subject is one that the server or a client library made for replies.
func inbox(subject string) bool {
	return strings.HasPrefix(subject, "_INBOX") || strings.HasPrefix(subject, "_R_.")
}

func (s *Service) handle(ctx context.Context, spec *wire.Spec, r micro.Request) dispatch.Reply {
	h := nats.Header(r.Headers())
	req, p := Request(ctx, s.cfg.Auth, h, s.cfg.Logger)
	if p == nil && len(r.Data()) > s.cfg.MaxBody {
		p = problem.New(problem.TooLarge, "the body is larger than %d bytes", s.cfg.MaxBody)
	}
	if p != nil {
		return dispatch.Reply{Status: p.Status, Problem: p, Body: p.JSON()}
	}
	req.Type, req.Body = spec.Type, r.Data()
	return s.cfg.Dispatcher.Do(ctx, &req)
}

func (s *Service) answer(ctx context.Context, spec *wire.Spec, r micro.Request, reply *dispatch.Reply) {
	s.requests.WithLabelValues(spec.Type, strconv.Itoa(reply.Status)).Inc()
	header := ReplyHeader(reply)
	if reply.Problem != nil {
		header.Set(micro.ErrorCodeHeader, strconv.Itoa(reply.Status))
		header.Set(micro.ErrorHeader, reply.Problem.Code)
	}
	// Not r.Respond or r.Error: they write into r what the service reads as soon as the handler has returned.
	err := s.cfg.Conn.PublishMsg(&nats.Msg{Subject: r.Reply(), Header: header, Data: reply.Body})
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "reply over NATS not sent", slog.String("command", spec.Type), slog.Any("error", err))
	}
}
