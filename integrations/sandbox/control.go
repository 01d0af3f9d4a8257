package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// control reads the body of a control call.
func control[T any](w http.ResponseWriter, r *http.Request) (v T, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = decodeStrictly(body, &v)
	}
	if err != nil {
		refused(w, badRequest(err))
	}
	return v, err == nil
}

// orderFault lets the next call of a kind play a script.
func (g *Gateway) orderFault(w http.ResponseWriter, r *http.Request) {
	type order struct {
		Operation Kind   `json:"operation"`
		Script    string `json:"script"`
		Times     int    `json:"times,omitempty"` // once by default
	}
	o, ok := control[order](w, r)
	if !ok {
		return
	}
	s, ok := scriptNamed(o.Script, o.Operation)
	o.Times = cmp.Or(o.Times, 1)
	if !ok || o.Times < 1 || o.Times > maxFaults {
		refused(w, badRequest(fmt.Errorf("no call %q plays %q, or not %d times", o.Operation, o.Script, o.Times)))
		return
	}
	write(w, g.look(func() (any, *problem) {
		if len(g.faults[o.Operation])+o.Times > maxFaults {
			return nil, refuse("too_many_faults", "so many calls are not waiting")
		}
		g.faults[o.Operation] = append(g.faults[o.Operation], slices.Repeat([]Script{s}, o.Times)...)
		return map[string]int{"waiting": len(g.faults[o.Operation])}, nil
	}))
}

// maxAdvance is how far one call moves the clock.
const maxAdvance = 366 * 24 * time.Hour

// moveClock moves the clock of the gateway ahead.
func (g *Gateway) moveClock(w http.ResponseWriter, r *http.Request) {
	type move struct {
		Advance string `json:"advance"` // as Go writes durations: 90s, 24h
	}
	m, ok := control[move](w, r)
	if !ok {
		return
	}
	by, err := time.ParseDuration(m.Advance)
	if err != nil || by < 0 || by > maxAdvance {
		refused(w, badRequest(errors.New("advance is not a time between 0s and 8784h")))
		return
	}
	write(w, g.look(func() (any, *problem) {
		g.ahead += by
		g.catchUp()
		return map[string]time.Time{"now": g.now()}, nil
	}))
}

// sendAgain sends the webhook of an event once more: as it was, signed a while ago, or with a wrong signature.
func (g *Gateway) sendAgain(w http.ResponseWriter, r *http.Request) {
	type again struct {
		AgeSeconds int64 `json:"age_seconds,omitempty"`
		Forged     bool  `json:"forged,omitempty"`
	}
	a, ok := control[again](w, r)
	if !ok {
		return
	}
	if age := time.Duration(a.AgeSeconds) * time.Second; a.AgeSeconds < 0 || age > maxAdvance || age < 0 {
		refused(w, badRequest(errors.New("age_seconds is not between 0 and a year")))
		return
	}
	write(w, g.look(func() (any, *problem) {
		i := slices.IndexFunc(g.events, func(e *Event) bool { return e.ID == r.PathValue("event") })
		switch {
		case i < 0:
			return nil, notFound("event")
		case g.signer == nil:
			return nil, refuse("no_receiver", "the gateway was started without a webhook URL")
		}
		g.enqueue(delivery{event: g.events[i], due: g.now(), age: time.Duration(a.AgeSeconds) * time.Second, forged: a.Forged})
		return g.events[i], nil
	}))
}

// dispute is a customer who complains to the bank.
func (g *Gateway) dispute(w http.ResponseWriter, r *http.Request) {
	type complaint struct {
		Amount int64  `json:"amount"`
		Reason string `json:"reason,omitempty"` // fraudulent by default
	}
	c, ok := control[complaint](w, r)
	if !ok {
		return
	}
	write(w, g.look(func() (any, *problem) {
		p := g.payments[r.PathValue("payment")]
		switch {
		case p == nil:
			return nil, notFound("payment")
		case c.Amount < 1 || c.Amount > p.Captured-p.Disputed || len(c.Reason) > maxID || len(p.Disputes) >= maxOperations:
			return nil, refuse("amount_exceeds_captured", "more than was captured and is not in dispute, or nothing")
		}
		return g.openDispute(p, c.Amount, cmp.Or(c.Reason, "fraudulent"), g.now()), nil
	}))
}

// endDispute is the bank that decides.
func (g *Gateway) endDispute(w http.ResponseWriter, r *http.Request) {
	type decision struct {
		Outcome string `json:"outcome"` // won or lost, as the shop sees it
	}
	o, ok := control[decision](w, r)
	if !ok {
		return
	}
	if o.Outcome != disputeWon && o.Outcome != disputeLost {
		refused(w, badRequest(errors.New("outcome is neither won nor lost")))
		return
	}
	write(w, g.look(func() (any, *problem) {
		for _, p := range g.payments {
			for _, d := range p.Disputes {
				if d.ID != r.PathValue("dispute") {
					continue
				}
				if d.Status != disputeOpen {
					return nil, refuse("dispute_closed", "the dispute is "+d.Status)
				}
				g.closeDispute(p, d, o.Outcome, g.now())
				return d, nil
			}
		}
		return nil, notFound("dispute")
	}))
}
