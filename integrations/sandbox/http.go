package sandbox

import (
	"crypto/subtle"
	"errors"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Handler returns the gateway as HTTP. The routes stand in the comment of the package.
func (g *Gateway) Handler() http.Handler {
	closed := http.NewServeMux() // asks for the API key
	closed.HandleFunc("POST /v1/payments", g.call(KindAuthorise))
	for path, kind := range map[string]Kind{"captures": KindCapture, "voids": KindVoid, "refunds": KindRefund, "cancel": KindCancel} {
		closed.HandleFunc("POST /v1/payments/{payment}/"+path, g.call(kind))
	}
	closed.HandleFunc("GET /v1/payments/{payment}", g.showPayment)
	closed.HandleFunc("GET /v1/operations/{operation}", g.showOperations)
	closed.HandleFunc("GET /v1/events", g.listEvents)
	closed.HandleFunc("GET /v1/capabilities", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, g.Capabilities()) })
	closed.HandleFunc("GET /control/scripts", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, Scripts()) })
	closed.HandleFunc("POST /control/faults", g.orderFault)
	closed.HandleFunc("POST /control/clock", g.moveClock)
	closed.HandleFunc("POST /control/events/{event}/send", g.sendAgain)
	closed.HandleFunc("POST /control/payments/{payment}/disputes", g.dispute)
	closed.HandleFunc("POST /control/disputes/{dispute}/close", g.endDispute)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /actions/{payment}", g.showAction)
	mux.HandleFunc("POST /actions/{payment}", g.takeAction)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		want := "Bearer " + g.cfg.APIKey
		if g.cfg.APIKey != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) != 1 {
			refused(w, &problem{status: http.StatusUnauthorized, Type: "unauthorised", Message: "the API key is missing or wrong"})
			return
		}
		closed.ServeHTTP(w, r)
	})
	return mux
}

func reply(w http.ResponseWriter, status int, v any) {
	write(w, answer{status: status, body: encode(v)})
}

func refused(w http.ResponseWriter, p *problem) { write(w, p.answer()) }

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	if a.replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a caller who has gone away needs no answer
}

func badRequest(err error) *problem {
	return &problem{status: http.StatusBadRequest, Type: "bad_request", Message: err.Error()}
}

func notFound(what string) *problem {
	return &problem{status: http.StatusNotFound, Type: "not_found", Message: "there is no such " + what}
}

// call serves calls of a kind.
func (g *Gateway) call(kind Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			refused(w, badRequest(err))
			return
		}
		req, err := decodeRequest(kind, body)
		key := r.Header.Get("Idempotency-Key")
		if err == nil && len(key) > maxID {
			err = errors.New("the idempotency key is too long")
		}
		if err != nil {
			refused(w, badRequest(err))
			return
		}
		defer g.rouse()
		a := g.perform(call{
			Request: req, kind: kind, payment: r.PathValue("payment"), key: key, body: string(body), base: "http://" + r.Host,
		})
		for _, d := range a.first {
			g.send(r.Context(), d)
		}
		if a.hang {
			g.rouse()
			timer := time.NewTimer(g.cfg.Hold)
			defer timer.Stop()
			select {
			case <-r.Context().Done():
			case <-timer.C:
			}
			a = (&problem{status: http.StatusGatewayTimeout, Type: "timeout", Message: "nobody knows what was done"}).answer()
		}
		write(w, a)
	}
}

// look returns the answer with what see finds or changes at one moment.
func (g *Gateway) look(see func() (any, *problem)) answer {
	defer g.rouse()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.catchUp()
	v, p := see()
	if p != nil {
		return p.answer()
	}
	return answer{status: http.StatusOK, body: encode(v)}
}

func (g *Gateway) showPayment(w http.ResponseWriter, r *http.Request) {
	write(w, g.look(func() (any, *problem) {
		if p := g.payments[r.PathValue("payment")]; p != nil {
			return p, nil
		}
		return nil, notFound("payment")
	}))
}

// showOperations lists what was done under an id of the caller: nothing, one operation, or several if keys were not used.
func (g *Gateway) showOperations(w http.ResponseWriter, r *http.Request) {
	write(w, g.look(func() (any, *problem) {
		found := []*Operation{}
		for _, id := range g.order {
			for _, op := range g.payments[id].Operations {
				if op.OperationID == r.PathValue("operation") {
					found = append(found, op)
				}
			}
		}
		return map[string]any{"operations": found}, nil
	}))
}

// listEvents lists events after a sequence number, or since a time.
func (g *Gateway) listEvents(w http.ResponseWriter, r *http.Request) {
	number := func(name string, otherwise int64) (int64, error) {
		if text := r.FormValue(name); text != "" {
			return strconv.ParseInt(text, 10, 64)
		}
		return otherwise, nil
	}
	after, err := number("after", 0)
	limit, err2 := number("limit", 100)
	since, err3 := time.Parse(time.RFC3339, r.FormValue("since"))
	if r.FormValue("since") == "" {
		err3 = nil
	}
	if err != nil || err2 != nil || err3 != nil || limit < 1 || limit > 1000 {
		refused(w, &problem{status: http.StatusBadRequest, Type: "bad_request", Message: "after and limit (1 to 1000) are numbers, since is a time"})
		return
	}
	write(w, g.look(func() (any, *problem) {
		found, next := []*Event{}, after
		for _, e := range g.events {
			if e.Sequence <= after || int64(len(found)) == limit {
				continue
			}
			next = e.Sequence
			if !e.OccurredAt.Before(since) {
				found = append(found, e)
			}
		}
		return map[string]any{"events": found, "next": next}, nil
	}))
}

func actionPage() *template.Template {
	return template.Must(template.New("action").Parse(`<!DOCTYPE html>
<html lang="en"><title>Sandbox bank</title><h1>Sandbox bank</h1>
{{if .Open}}<p>Do you want to pay {{.Amount}} {{.Currency}} (in minor units)?</p>
<form method="post"><button name="result" value="complete">Yes</button> <button name="result" value="fail">No</button></form>
{{else}}<p>There is nothing to do: the payment is {{.Status}}.</p>{{end}}</html>
`))
}

func (g *Gateway) showAction(w http.ResponseWriter, r *http.Request) {
	type view struct {
		Open             bool
		Amount           int64
		Currency, Status string
	}
	g.mu.Lock()
	g.catchUp()
	p := g.payments[r.PathValue("payment")]
	var v view
	if p != nil {
		v = view{p.Action != nil, p.Amount, p.Currency, p.Status}
	}
	g.mu.Unlock()
	if p == nil {
		refused(w, notFound("payment"))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := actionPage().Execute(w, v); err != nil {
		return // the customer has gone away
	}
}

// takeAction is the customer who does what a payment requires, or does not.
func (g *Gateway) takeAction(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	result := r.FormValue("result")
	if !slices.Contains([]string{"complete", "fail"}, result) {
		refused(w, &problem{status: http.StatusBadRequest, Type: "bad_request", Message: "result is neither complete nor fail"})
		return
	}
	returnURL := ""
	a := g.look(func() (any, *problem) {
		p := g.payments[r.PathValue("payment")]
		if p == nil {
			return nil, notFound("payment")
		}
		if p.Action == nil {
			return nil, refuse("no_action", "the payment is "+p.Status)
		}
		op := p.Operations[0]
		if result == "complete" {
			g.settle(p, op, StatusSucceeded, &Script{}, g.now())
		} else {
			g.settle(p, op, StatusFailed, &Script{decline: "action_failed", retryable: true}, g.now())
		}
		returnURL = p.returnURL
		return p, nil
	})
	if returnURL != "" {
		http.Redirect(w, r, returnURL, http.StatusSeeOther)
		return
	}
	write(w, a)
}
