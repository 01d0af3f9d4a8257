package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"waybill/domain"
	"waybill/eventstore"
)

// storedVerdict is the form in which Data of an [eventstore.Verdict] is kept: a JSON object, so that a timeline can show
// a refusal without knowing this package. Exactly one field besides V is set. A changed form gets a new V.
type storedVerdict struct {
	V         int             `json:"v"`
	Refusal   *Refused        `json:"refusal,omitempty"`
	Unchanged []StreamVersion `json:"unchanged,omitempty"` // nothing was left to do on these streams
	SameAs    *uuid.UUID      `json:"same_as,omitempty"`   // the outcome is that of another command, which had done the same
}

const verdictVersion = 1

// verdict makes the outcome of a commit that adds nothing.
func (p *plan) verdict(code string, v storedVerdict) (*eventstore.Verdict, error) {
	v.V = verdictVersion
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode verdict: %w", err)
	}
	key := p.key()
	meta, err := p.meta(key)
	if err != nil {
		return nil, err
	}
	return &eventstore.Verdict{Refused: v.Refusal != nil, Code: code, Key: key, Type: p.cmd.Type, Data: data, Meta: meta}, nil
}

// newRefused makes of a refusal of the domain what the sender of the command gets.
func newRefused(id uuid.UUID, cause domain.Refusal) (*Refused, error) {
	values, err := json.Marshal(cause)
	if err != nil {
		return nil, fmt.Errorf("encode refusal %s: %w", cause.RefusalCode(), err)
	}
	if string(values) == "{}" {
		values = nil
	}
	return &Refused{CommandID: id, Code: cause.RefusalCode(), Detail: cause.Error(), Values: values}, nil
}

// settled answers a command that has an outcome already.
func (b *Bus) settled(ctx context.Context, c *Command, o *eventstore.Outcome, replayed bool) (Result, error) {
	if !sameFingerprint(c.Fingerprint, o.Fingerprint) {
		return Result{}, ErrKeyReused
	}
	r, err := b.replay(ctx, c.ID, o)
	if replayed {
		return r, err
	}
	r.Replayed = false
	if refused, ok := err.(*Refused); ok { //nolint:errorlint // made by replay, never wrapped
		refused.Replayed = false
	}
	return r, err
}

// sameFingerprint tells whether two commands ask for the same; a missing fingerprint matches everything.
func sameFingerprint(a, b []byte) bool {
	return len(a) == 0 || len(b) == 0 || bytes.Equal(a, b)
}

// replay rebuilds the answer of command id from its stored outcome.
func (b *Bus) replay(ctx context.Context, id uuid.UUID, o *eventstore.Outcome) (Result, error) {
	if o.Verdict == nil {
		return b.replayEvents(ctx, id, o.Receipt)
	}
	v, err := decodeVerdict(o.Verdict)
	if err != nil {
		return Result{}, fmt.Errorf("outcome of command %s: %w", o.CommandID, err)
	}
	switch {
	case v.Refusal != nil:
		v.Refusal.CommandID, v.Refusal.Position, v.Refusal.Replayed = id, o.Receipt.Last, true
		return Result{}, v.Refusal
	case v.SameAs != nil:
		return b.replayOriginal(ctx, id, *v.SameAs)
	}
	return Result{CommandID: id, Position: o.Receipt.Last, Epoch: o.Receipt.Epoch, Streams: v.Unchanged, Replayed: true}, nil
}

// replayOriginal answers id with what became of the command that had done the same before.
func (b *Bus) replayOriginal(ctx context.Context, id, original uuid.UUID) (Result, error) {
	o, ok, err := b.log.Outcome(ctx, original)
	if err != nil {
		return Result{}, fmt.Errorf("outcome of command %s: %w", original, err)
	}
	if !ok || o.Verdict != nil {
		return Result{}, fmt.Errorf("outcome of command %s points to command %s, which added no events: the log is damaged", id, original)
	}
	return b.replayEvents(ctx, id, o.Receipt)
}

// replayEvents rebuilds the result of an accepted command from its events.
func (b *Bus) replayEvents(ctx context.Context, id uuid.UUID, receipt eventstore.Receipt) (Result, error) {
	n := int(receipt.Last - receipt.First + 1)
	events, err := b.log.ReadLog(ctx, receipt.First, n)
	if err != nil {
		return Result{}, fmt.Errorf("events of command %s: %w", id, err)
	}
	if len(events) != n {
		return Result{}, fmt.Errorf("events of command %s: positions %d to %d hold %d: the log is damaged", id, receipt.First, receipt.Last, len(events))
	}
	r := Result{CommandID: id, Position: receipt.Last, Epoch: receipt.Epoch, Events: make([]Caused, n), Replayed: true}
	for i := range events {
		e := &events[i]
		event, err := b.kinds.decode(e)
		if err != nil {
			return Result{}, fmt.Errorf("event %d: %w", e.Position, err)
		}
		r.Events[i] = Caused{Position: e.Position, Stream: e.Stream, Version: e.Version, ID: e.ID, Type: e.Type, Schema: e.Schema, Event: event}
		if last := len(r.Streams) - 1; last >= 0 && r.Streams[last].Stream == e.Stream {
			r.Streams[last].Version = e.Version
		} else {
			r.Streams = append(r.Streams, StreamVersion{Stream: e.Stream, Version: e.Version})
		}
	}
	return r, nil
}

func decodeVerdict(v *eventstore.Verdict) (storedVerdict, error) {
	var s storedVerdict
	if err := json.Unmarshal(v.Data, &s); err != nil {
		return storedVerdict{}, fmt.Errorf("decode verdict: %w", err)
	}
	switch {
	case s.V != verdictVersion:
		return storedVerdict{}, fmt.Errorf("decode verdict: form %d is not known here", s.V)
	case v.Refused != (s.Refusal != nil), !v.Refused && s.SameAs == nil && len(s.Unchanged) == 0:
		return storedVerdict{}, fmt.Errorf("decode verdict: refused is %t, data says otherwise", v.Refused)
	}
	return s, nil
}
