package processes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/commands"
	"waybill/internal/failpoint"
)

// permanentError is one that trying again cannot mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

func permanent(format string, args ...any) error {
	return &permanentError{fmt.Errorf(format, args...)}
}

// errBehind is the error of an input whose key is parked.
var errBehind = &permanentError{errors.New("an earlier input of the key is parked")}

func isPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	if ok {
		return true
	}
	_, ok = errors.AsType[middleware.RecoveredPanicError](err)
	return ok
}

// maxTurn bounds how many inputs may follow from one event or timer, so that a process that asks for ever is parked
// instead of asking for ever.
const maxTurn = 64

// handler handles one input at a time for a share: react, carry out, save.
type handler struct {
	*Config
	store   *store
	parking *parking
	metrics *metrics
	// fresh is where the log ended when this instance already led: no other one can have saved what came behind.
	fresh int64
	tried [Shares]int64 // last event that each share began to handle; each element is its share's own
}

// handle is the Watermill handler.
func (h *handler) handle(m *message.Message) error {
	t, err := triggerOf(m)
	if err != nil {
		return &permanentError{err}
	}
	ctx := m.Context()
	if h.parking.parked(t.key) {
		return errBehind
	}
	started := h.Now()
	inst, err := h.instance(ctx, t)
	if err != nil {
		return err
	}
	if t.event != nil && t.position <= inst.position {
		return nil // handled before
	}
	if t.event == nil {
		set, err := h.store.isSet(ctx, t)
		if err != nil || !set {
			return err // it was cancelled, moved, or handled meanwhile
		}
	}
	c, err := h.turn(ctx, inst, t)
	if err != nil {
		return err
	}
	if err := h.store.save(ctx, c); err != nil {
		return err
	}
	h.metrics.handled.WithLabelValues(t.name).Inc()
	h.metrics.duration.Observe(h.Now().Sub(started).Seconds())
	return nil
}

// instance returns what is kept of the instance that t is for. Postgres is not asked if nothing can be there: the event
// is one before which the instance has no input, it was recorded under this lead, and is handled for the first time.
func (h *handler) instance(ctx context.Context, t *trigger) (instance, error) {
	if t.event == nil {
		return h.store.load(ctx, t.key)
	}
	again := t.position <= h.tried[t.share]
	h.tried[t.share] = max(t.position, h.tried[t.share])
	if starter, ok := h.Process.(Starter); ok && !again && t.position > h.fresh && starter.Starts(t.name) {
		return instance{key: t.key}, nil
	}
	return h.store.load(ctx, t.key)
}

// turn lets the process react to t, and to what becomes of its commands, until it asks for nothing more.
func (h *handler) turn(ctx context.Context, inst instance, t *trigger) (change, error) {
	c := change{instance: inst, now: h.Now().UTC().Truncate(time.Microsecond)}
	c.position = max(c.position, t.position)
	id, first, err := h.input(t, c.now)
	if err != nil {
		return change{}, err
	}
	if fired, ok := first.(Fired); ok {
		c.fired = &fired
	}
	asked := map[string]bool{}
	for inputs := []Input{first}; len(inputs) > 0; {
		next, reaction, err := h.Process.React(c.state, inputs[0])
		if err != nil {
			return change{}, permanent("%s reacts to %s of %s: %w", h.Process.Name(), t.name, t.key, err)
		}
		inputs = inputs[1:]
		c.state, c.waiting, c.done = next, reaction.Waiting, reaction.Done
		c.remember(reaction)
		for _, cmd := range reaction.Commands {
			if asked[cmd.Step] || len(asked) >= maxTurn {
				return change{}, permanent("%s asks for step %s of %s again, or for more than %d", h.Process.Name(), cmd.Step, t.key, maxTurn)
			}
			asked[cmd.Step] = true
			answer, err := h.carryOut(ctx, id, t, cmd)
			if err != nil {
				return change{}, err
			}
			inputs = append(inputs, answer)
		}
	}
	return c, nil
}

// remember adds the timers of a reaction: the last word on each name counts.
func (c *change) remember(r Reaction) {
	for _, name := range r.Cancel {
		c.set = without(c.set, name)
		c.cancel = append(c.cancel, name)
	}
	for _, t := range r.Timers {
		c.set = append(without(c.set, t.Name), t)
	}
}

func without(timers []Timer, name string) []Timer {
	kept := timers[:0]
	for _, t := range timers {
		if t.Name != name {
			kept = append(kept, t)
		}
	}
	return kept
}

// input makes what the process sees of t, and the id of the turn.
func (h *handler) input(t *trigger, now time.Time) (uuid.UUID, Input, error) {
	if t.event == nil {
		return timerTrigger(h.Process.Name(), t.key, t.name, t.due), Fired{Key: t.key, Name: t.name, Due: t.due, Now: now}, nil
	}
	body, err := decode(t.event)
	if err != nil {
		return uuid.Nil, nil, permanent("event %d: %w", t.position, err)
	}
	return eventTrigger(h.Process.Name(), t.event.ID), Event{Event: *t.event, Meta: t.meta, Body: body, Now: now}, nil
}

// carryOut sends one command and says what became of it. Any other failure is an error, and the whole turn is done
// again: the commands that were carried out before it answer the same then.
func (h *handler) carryOut(ctx context.Context, trigger uuid.UUID, t *trigger, cmd Command) (Input, error) {
	c := commands.Command{
		ID: commandID(trigger, cmd.Step), Type: cmd.Type, Steps: cmd.Steps, Key: t.key,
		Actor: "process:" + h.Process.Name(), Channel: t.meta.Channel,
		CorrelationID: t.meta.CorrelationID, Traceparent: t.meta.Traceparent, CausationID: trigger.String(),
	}
	if t.event != nil {
		c.CausationID = t.event.ID.String()
	}
	if err := failpoint.Hit(ctx, failpoint.ProcessBeforeCommand); err != nil {
		return nil, err
	}
	result, err := h.Bus.Execute(ctx, c)
	if err := failpoint.Hit(ctx, failpoint.ProcessAfterCommand); err != nil {
		return nil, err
	}
	if err == nil {
		h.metrics.commands.WithLabelValues(cmd.Type, "accepted").Inc()
		return Accepted{Key: t.key, Step: cmd.Step, Now: h.Now(), Result: result}, nil
	}
	if refusal, ok := errors.AsType[*commands.Refused](err); ok {
		h.metrics.commands.WithLabelValues(cmd.Type, "refused").Inc()
		return Refused{Key: t.key, Step: cmd.Step, Now: h.Now(), Refusal: refusal}, nil
	}
	if errors.Is(err, commands.ErrInvalid) || errors.Is(err, commands.ErrKeyReused) {
		return nil, permanent("carry out %s for %s: %w", cmd.Type, t.key, err)
	}
	return nil, fmt.Errorf("carry out %s for %s: %w", cmd.Type, t.key, err)
}

// Publish implements [message.Publisher] for the router's poison queue: what is poison is parked in Postgres.
func (h *handler) Publish(_ string, messages ...*message.Message) error {
	for _, m := range messages {
		t, err := triggerOf(m)
		if err != nil {
			return err
		}
		reason := m.Metadata.Get(middleware.ReasonForPoisonedKey)
		if reason == errBehind.Error() {
			reason = ""
		} else {
			h.Logger.ErrorContext(m.Context(), "an input cannot be handled and is parked", slog.String("process", h.Process.Name()),
				slog.String("key", t.key), slog.String("input", t.name), slog.Int64("position", t.position), slog.String("reason", reason))
		}
		if err := h.parking.park(context.WithoutCancel(m.Context()), t, reason); err != nil {
			return err
		}
		h.metrics.parked.Set(float64(h.parking.count()))
	}
	return nil
}

// Close implements [message.Publisher].
func (h *handler) Close() error { return nil }

// isSet reports whether the timer still stands as it was read.
func (s *store) isSet(ctx context.Context, t *trigger) (bool, error) {
	var one int
	err := s.pool.QueryRow(ctx, `SELECT 1 FROM processes.timers WHERE process = $1 AND key = $2 AND name = $3 AND due_at = $4`, s.process, t.key, t.name, t.due).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for timer %s of %s: %w", t.name, t.key, err)
	}
	return true, nil
}

// metrics are those of one runner.
type metrics struct {
	handled  *prometheus.CounterVec
	commands *prometheus.CounterVec
	duration prometheus.Histogram
	parked   prometheus.Gauge
	pending  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, process string) (*metrics, error) {
	labels := prometheus.Labels{"process": process}
	m := &metrics{
		handled:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_process_inputs_total", Help: "Events and timers that a process has handled.", ConstLabels: labels}, []string{"input"}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_process_commands_total", Help: "Commands that a process has sent.", ConstLabels: labels}, []string{"command", "outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "waybill_process_input_duration_seconds", Help: "Time to handle one input, with its commands.", ConstLabels: labels, Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
		parked:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "waybill_process_parked_keys", Help: "Keys whose inputs are parked.", ConstLabels: labels}),
		pending:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "waybill_process_pending", Help: "Instances that are not done.", ConstLabels: labels}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.handled, m.commands, m.duration, m.parked, m.pending} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("metrics of process %s: %w", process, err)
		}
	}
	return m, nil
}
