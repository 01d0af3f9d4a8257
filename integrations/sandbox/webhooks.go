package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	lateBy      = 10 * time.Minute
	firstRetry  = 5 * time.Second // doubled each time
	maxAttempts = 10
)

// delivery is a webhook that is to be sent.
type delivery struct {
	event    *Event
	due      time.Time
	behind   bool // waits for the next event of the payment
	first    bool // goes out before the answer
	attempts int
	age      time.Duration // how long ago it says that it was signed
	forged   bool          // its signature is wrong
}

// tell records that something happened to p, and lets webhooks say so.
func (g *Gateway) tell(p *Payment, e *Event, how telling) {
	e.Currency, e.PaymentID, e.Metadata = p.Currency, p.ID, p.Metadata
	g.record(e, how)
	if how == tellAgain {
		again := *e
		g.record(&again, how)
	}
}

func (g *Gateway) record(e *Event, how telling) {
	g.sequence++
	e.Sequence, e.ID = g.sequence, g.newID("evt")
	g.events = append(g.events, e)
	g.events = g.events[max(0, len(g.events)-10*g.cfg.MaxPayments):]
	if g.signer == nil {
		return
	}
	d := delivery{event: e, due: g.now(), first: how == tellFirst}
	switch how {
	case tellNever:
		return
	case tellTwice:
		g.enqueue(d)
	case tellLate:
		d.due = d.due.Add(lateBy)
	case tellOutOfOrder:
		d.due, d.behind = d.due.Add(lateBy), true
	case tellOnce, tellAgain, tellFirst:
	}
	g.enqueue(d)
	if how != tellOutOfOrder {
		g.release(e.PaymentID)
	}
}

// enqueue adds a delivery, and gives up the oldest if there are too many: the list of events has what it says.
func (g *Gateway) enqueue(d delivery) {
	g.queue = append(g.queue, d)
	g.queue = g.queue[max(0, len(g.queue)-10*g.cfg.MaxPayments):]
}

// release lets the webhooks of a payment go that waited for another one, which stands in the queue now.
func (g *Gateway) release(payment string) {
	var waited []delivery
	g.queue = slices.DeleteFunc(g.queue, func(d delivery) bool {
		if !d.behind || d.event.PaymentID != payment {
			return false
		}
		d.behind, d.due = false, g.now()
		waited = append(waited, d)
		return true
	})
	g.queue = append(g.queue, waited...)
}

// takeFirst takes the webhooks out of the queue that are sent before an answer.
func (g *Gateway) takeFirst() (first []delivery) {
	g.queue = slices.DeleteFunc(g.queue, func(d delivery) bool {
		if d.first {
			first = append(first, d)
		}
		return d.first
	})
	return first
}

// Run sends webhooks until ctx ends: one at a time, in the order in which they are due. One that is not answered with 2xx is
// sent again, ten times in all over 43 minutes.
func (g *Gateway) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		d, wait, ok := g.next()
		if ok {
			g.send(ctx, d)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-g.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// next takes the delivery that is due first, or says how long to wait: a second at most, since the clock may be moved.
func (g *Gateway) next() (d delivery, wait time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.catchUp()
	first := -1
	for i := range g.queue {
		if first < 0 || g.queue[i].due.Before(g.queue[first].due) {
			first = i
		}
	}
	wait = time.Second
	if first >= 0 {
		wait = min(wait, g.queue[first].due.Sub(g.now()))
	}
	if len(g.tasks) > 0 {
		wait = min(wait, g.tasks[0].due.Sub(g.now()))
	}
	if first < 0 || g.queue[first].due.After(g.now()) {
		return delivery{}, max(wait, time.Millisecond), false
	}
	d = g.queue[first]
	g.queue = slices.Delete(g.queue, first, first+1)
	return d, 0, true
}

// rouse tells Run that there may be something to send.
func (g *Gateway) rouse() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// send sends a delivery, and puts it back for later if it does not arrive.
func (g *Gateway) send(ctx context.Context, d delivery) {
	err := g.post(ctx, &d)
	if err == nil {
		return
	}
	g.cfg.Logger.WarnContext(ctx, "webhook not delivered", slog.String("event", d.event.ID), slog.Int("attempt", d.attempts+1), slog.Any("error", err))
	g.mu.Lock()
	defer g.mu.Unlock()
	d.first, d.due = false, g.now().Add(firstRetry<<d.attempts)
	if d.attempts++; d.attempts < maxAttempts {
		g.enqueue(d)
	}
}

// post sends a delivery, signed as Standard Webhooks has it. It is signed at the time on the wall, however far the clock of
// the gateway was moved: receivers refuse what was signed in another week.
func (g *Gateway) post(ctx context.Context, d *delivery) error {
	body := encode(d.event)
	at := g.cfg.Clock().Add(-d.age)
	signature, err := g.signer.Sign(d.event.ID, at, body)
	if err != nil {
		return fmt.Errorf("sign event %s: %w", d.event.ID, err)
	}
	if d.forged {
		body = append(body, ' ')
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.cfg.WebhookURL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post event %s: %w", d.event.ID, err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Webhook-Id", d.event.ID)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("Webhook-Signature", signature)
	resp, err := g.cfg.Client.Do(r)
	if err != nil {
		return fmt.Errorf("post event %s: %w", d.event.ID, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("post event %s: the receiver answered %s", d.event.ID, resp.Status)
	}
	return nil
}
