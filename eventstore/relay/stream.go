package relay

import (
	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// StreamName is the JetStream stream that the relay writes and consumers read.
const StreamName = "WAYBILL_EVENTS"

// epochKey is where the stream's own metadata say of which epoch it is.
const epochKey = "waybill-epoch"

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
func position(seq uint64) int64 { return int64(seq) } //nolint:gosec // a log does not reach 2^63 events

// sequence is the inverse of position; positions are never negative.
func sequence(pos int64) uint64 { return uint64(max(pos, 0)) } //nolint:gosec // not negative
