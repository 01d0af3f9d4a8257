package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// StreamName is the JetStream stream that the relay writes and consumers read.
const StreamName = "WAYBILL_EVENTS"

// epochKey is where the stream's own metadata say of which epoch it is.
const epochKey = "waybill-epoch"

// duplicateWindow is short on purpose. The expected sequence refuses every duplicate already; the server's own window
// costs memory for each message in it, and while it remembers the id of a message that it has lost, it would answer a
// second delivery with "duplicate" and store nothing.
const duplicateWindow = time.Second

// Stream says how the stream is kept. It is a cache: what it no longer has is read from the log.
type Stream struct {
	Name     string        // default [StreamName]
	Replicas int           // servers that hold it; default 1
	MaxAge   time.Duration // older messages are dropped; default 7 days, negative: never
	MaxBytes int64         // the oldest messages are dropped beyond this size; default 0: no limit
}

// settings are those of a stream for the log of an epoch, with first as its first sequence.
func (s *Stream) settings(epoch uuid.UUID, first int64) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        s.Name,
		Description: "every event of the waybill log: sequence is position; written by the relay alone",
		Subjects:    []string{subjectPrefix + ">"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld, // "new" would let a full stream stop the relay
		DenyDelete:  true,
		DenyPurge:   true,
		Duplicates:  duplicateWindow,
		Replicas:    s.Replicas,
		MaxAge:      max(s.MaxAge, 0),
		MaxBytes:    noLimit(s.MaxBytes),
		MaxMsgs:     noLimit(0),
		FirstSeq:    sequence(first),
		Metadata:    map[string]string{epochKey: epoch.String()},

		MaxMsgsPerSubject: noLimit(0),
		MaxMsgSize:        -1,
		MaxConsumers:      -1,
	}
}

// noLimit spells 0 as the server does.
func noLimit(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}

// drift compares the settings that a stream has with those that it should have. What is only another choice comes back
// as changed, to be updated; what would break a promise comes back as an error.
func drift(has, want *jetstream.StreamConfig) (changed bool, err error) {
	var bad []string
	deny := func(broken bool, format string, args ...any) {
		if broken {
			bad = append(bad, fmt.Sprintf(format, args...))
		}
	}
	deny(!slices.Equal(has.Subjects, want.Subjects), "subjects are %q, not %q: sequence is position only if every event and nothing else is stored", has.Subjects, want.Subjects)
	deny(has.Storage != want.Storage, "storage is %s, not %s", has.Storage, want.Storage)
	deny(has.Retention != want.Retention, "retention is %s, not %s: consumers must not remove messages", has.Retention, want.Retention)
	deny(has.PersistMode != jetstream.DefaultPersistMode, "persist_mode is %s: a message would be confirmed before it is written", has.PersistMode)
	deny(has.NoAck, "no_ack is set: the relay would never know")
	deny(has.Sealed, "it is sealed")
	deny(has.AllowRollup, "roll-ups are allowed: one message could remove all others")
	deny(has.AllowMsgTTL, "messages may expire one by one")
	deny(has.AllowMsgCounter, "it is a counter")
	deny(has.AllowMsgSchedules, "messages may be scheduled")
	deny(has.Mirror != nil || len(has.Sources) > 0, "it takes messages from other streams")
	deny(has.SubjectTransform != nil, "subjects are transformed")
	deny(has.MaxMsgsPerSubject > 0, "max_msgs_per_subject is %d: messages would go missing in the middle", has.MaxMsgsPerSubject)
	deny(has.MaxMsgSize > 0, "max_msg_size is %d: a larger event could not be published", has.MaxMsgSize)
	if len(bad) > 0 {
		return false, &ConfigError{Stream: want.Name, Drift: bad}
	}
	return has.Discard != want.Discard || has.DenyDelete != want.DenyDelete || has.DenyPurge != want.DenyPurge ||
		has.Duplicates != want.Duplicates || has.Replicas != want.Replicas || has.MaxAge != want.MaxAge ||
		has.MaxBytes != want.MaxBytes || has.MaxMsgs != want.MaxMsgs || has.Metadata[epochKey] != want.Metadata[epochKey], nil
}

// merged is has with the settings of want that may be changed in place.
func merged(has, want jetstream.StreamConfig) jetstream.StreamConfig {
	has.Discard, has.DenyDelete, has.DenyPurge = want.Discard, want.DenyDelete, want.DenyPurge
	has.Duplicates, has.Replicas = want.Duplicates, want.Replicas
	has.MaxAge, has.MaxBytes, has.MaxMsgs = want.MaxAge, want.MaxBytes, want.MaxMsgs
	has.Metadata = maps.Clone(has.Metadata)
	if has.Metadata == nil {
		has.Metadata = map[string]string{}
	}
	has.Metadata[epochKey] = want.Metadata[epochKey]
	return has
}

// createStream makes the stream, empty, with first as its next sequence.
func createStream(ctx context.Context, js jetstream.JetStream, s *Stream, epoch uuid.UUID, first int64) (jetstream.Stream, error) {
	stream, err := js.CreateStream(ctx, s.settings(epoch, first))
	if err != nil {
		return nil, fmt.Errorf("create stream %s from sequence %d: %w", s.Name, first, err)
	}
	return stream, nil
}

// findStream returns the stream with fresh information, or nil if there is none.
func findStream(ctx context.Context, js jetstream.JetStream, name string) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil // no stream is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", name, err)
	}
	return stream, nil
}

// streamEpoch is the epoch that the stream was made for; zero if it does not say.
func streamEpoch(info *jetstream.StreamInfo) uuid.UUID {
	epoch, err := uuid.Parse(info.Config.Metadata[epochKey])
	if err != nil {
		return uuid.Nil
	}
	return epoch
}

// firstPosition is the first position that the stream still has, or would get next if it is empty.
func firstPosition(info *jetstream.StreamInfo) int64 {
	if info.State.Msgs == 0 {
		return position(info.State.LastSeq) + 1
	}
	return position(info.State.FirstSeq)
}

// position is the position of the message with a sequence: the same number.
func position(seq uint64) int64 { return int64(seq) } // a log does not reach 2^63 events

// sequence is the inverse of position; positions are never negative.
func sequence(pos int64) uint64 { return uint64(max(pos, 0)) } // not negative
