package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/eventstore"
	"waybill/internal/failpoint"
)

// view is what a look at the stream and at the log found: nothing that stands in the way.
type view struct {
	head    eventstore.Head
	last    int64 // the stream's last sequence: publish from last + 1
	holes   int
	created bool
}

// Look compares the stream with the log and makes the stream if there is none. It returns a [*ForkError] if they
// differ, a [*ConfigError] if the stream must not be written to. It publishes nothing.
//
// It compares the last message, and before it as many as a relay that died may have had in flight: one that slipped in
// between two of them would be followed by messages that look right.
func (r *Relay) Look(ctx context.Context) error {
	_, err := r.look(ctx, unknown)
	return err
}

// unknown is the confirmed position of a relay that has not published yet.
const unknown = -1

// look compares the stream with the log, from the first message that this relay does not know to be right.
func (r *Relay) look(ctx context.Context, confirmed int64) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	stream, err := findStream(ctx, r.js, r.cfg.Stream.Name)
	if err != nil {
		return view{}, err
	}
	// The log is asked after the stream: whatever was in the stream by then was in the log before.
	head, err := r.cfg.Log.Head(ctx)
	if err != nil {
		return view{}, fmt.Errorf("find the end of the log: %w", err)
	}
	if stream == nil {
		return r.create(ctx, head)
	}
	info := stream.CachedInfo()
	last := position(info.State.LastSeq)
	v := view{head: head, last: last, holes: info.State.NumDeleted}
	fork := ForkError{Head: head.Position, Last: last, LogEpoch: head.Epoch, Epoch: streamEpoch(info)}
	if fork.Epoch != uuid.Nil && fork.Epoch != head.Epoch {
		fork.Reason = "the log was restored and began another epoch"
		return view{}, &fork
	}
	if last > head.Position {
		fork.Position, fork.Reason = head.Position+1, "the stream is ahead of the log, as after a restore of the log to an earlier point, or a message of somebody else"
		return view{}, &fork
	}
	for _, part := range suspects(confirmed, firstPosition(info), last, int64(r.cfg.Window)) {
		if err := r.compare(ctx, stream, part[0], part[1], fork); err != nil {
			return view{}, err
		}
	}
	return v, r.settle(ctx, info, head.Epoch)
}

// suspects are the positions to compare, as ranges from and to, both included: those that this relay may have had in
// flight without an answer, and the last. A relay that does not know takes as many of the last as may have been in
// flight when another died. What somebody else's message displaced is among them: the relay that meant to publish there
// was refused, and no relay gets further ahead than its window.
func suspects(confirmed, first, last, window int64) [][2]int64 {
	if last < first || failpoint.On(failpoint.BugNoForkCheck) {
		return nil
	}
	if confirmed == unknown {
		return [][2]int64{{max(last-window+1, first), last}}
	}
	from, to := max(confirmed+1, first), min(confirmed+window, last)
	switch {
	case from > to: // everything was confirmed, or is gone
		return [][2]int64{{last, last}}
	case to < last:
		return [][2]int64{{from, to}, {last, last}}
	default:
		return [][2]int64{{from, to}}
	}
}

// create makes the stream that is missing, and leaves its filling to the publishing that follows.
func (r *Relay) create(ctx context.Context, head eventstore.Head) (view, error) {
	first := int64(1)
	if r.cfg.Reseed > 0 {
		first = max(1, head.Position-r.cfg.Reseed+1)
	}
	if _, err := createStream(ctx, r.js, &r.cfg.Stream, head.Epoch, first); err != nil {
		return view{}, err
	}
	r.cfg.Logger.LogAttrs(ctx, levelNotice, "event stream created", attrStream(r.cfg.Stream.Name), attrPosition("first", first), attrPosition("head", head.Position))
	return view{head: head, last: first - 1, created: true}, nil
}

// settle brings harmless settings of the stream in line.
func (r *Relay) settle(ctx context.Context, info *jetstream.StreamInfo, epoch uuid.UUID) error {
	want := r.cfg.Stream.settings(epoch, position(info.Config.FirstSeq))
	changed, err := drift(&info.Config, &want)
	if err != nil || !changed {
		return err
	}
	if _, err := r.js.UpdateStream(ctx, merged(info.Config, want)); err != nil {
		return fmt.Errorf("bring the settings of stream %s in line: %w", r.cfg.Stream.Name, err)
	}
	r.cfg.Logger.LogAttrs(ctx, levelNotice, "event stream settings updated", attrStream(r.cfg.Stream.Name))
	return nil
}

// compare reads the stream's messages at positions from to last and holds each to the log. A message that is not there
// is a hole, and no fork: consumers fill it from the log.
func (r *Relay) compare(ctx context.Context, stream jetstream.Stream, from, last int64, fork ForkError) error {
	differ := func(pos int64, reason string, err error) error {
		fork.Position, fork.Reason, fork.Underlying = pos, reason, err
		return &fork
	}
	for from <= last {
		page, err := r.cfg.Log.ReadLog(ctx, from, int(min(last-from+1, int64(r.cfg.Page))))
		if err != nil {
			return fmt.Errorf("compare stream and log from %d: %w", from, err)
		}
		if len(page) == 0 {
			return differ(from, "the log has no such event", nil)
		}
		for i := range page {
			want := &page[i]
			if want.Position != from+int64(i) {
				return &holeError{want: from + int64(i), got: want.Position}
			}
			msg, err := stream.GetMsg(ctx, sequence(want.Position))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read position %d from stream %s: %w", want.Position, r.cfg.Stream.Name, err)
			}
			got, epoch, err := Decode(msg.Header, msg.Data)
			switch {
			case err != nil:
				return differ(want.Position, "the message is no event of the log: somebody else published it, or it was damaged", err)
			case epoch != fork.LogEpoch:
				fork.Epoch = epoch
				return differ(want.Position, "the message is of another epoch", nil)
			case Hash(&got) != Hash(want):
				return differ(want.Position, "the message is another event than the log has there", nil)
			}
		}
		from += int64(len(page))
	}
	return nil
}

// holeError says that the log broke its first promise. It is never true of a sound log.
type holeError struct{ want, got int64 }

func (e *holeError) Error() string {
	return fmt.Sprintf("log returned position %d where %d comes next: run `%s`", e.got, e.want, doctor)
}

// Run returns the command that helps.
func (e *holeError) Run() string { return doctor }

// Rebuild deletes the stream and makes it anew, empty, for the log as it is now: the way out of a fork. The relay that
// runs, here or elsewhere, fills it. Consumers are given an [EpochError] if the epoch is another, and go on otherwise.
//
// It needs the right to delete the stream, which the relay's own NATS user should not have. Everything in the stream
// is lost, so keep a copy first if somebody else's messages in it matter.
func (r *Relay) Rebuild(ctx context.Context) error {
	head, err := r.cfg.Log.Head(ctx)
	if err != nil {
		return fmt.Errorf("rebuild stream %s: find the end of the log: %w", r.cfg.Stream.Name, err)
	}
	if err := r.js.DeleteStream(ctx, r.cfg.Stream.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("rebuild stream %s: delete it: %w", r.cfg.Stream.Name, err)
	}
	_, err = r.create(ctx, head)
	for tries := 0; busy(err) && tries < 10 && sleep(ctx, 100*time.Millisecond) == nil; tries++ {
		_, err = r.create(ctx, head)
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return nil // the relay that runs was faster
	}
	if err != nil {
		return fmt.Errorf("rebuild: %w", err)
	}
	r.Wake()
	return nil
}

// busy tells whether the server could not make the store of a stream: so it is for a moment while it still removes the
// one that was deleted, or makes one for the relay that runs.
func busy(err error) bool {
	const streamCreateFailed = 10049 // JSStreamCreateErrF of nats-server
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == streamCreateFailed
}
