package relay

import (
	"crypto/sha256"
	"encoding/binary"

	"waybill/eventstore"
)

// Hash returns the leaf hash of an event: SHA-256 over the byte 0x00 and the event's canonical form ([AppendCanonical]),
// as RFC 6962 hashes a leaf. Two events have one hash if, and only if, every field of theirs is the same.
func Hash(e *eventstore.Event) [sha256.Size]byte {
	const leaf = 0x00 // keeps a leaf apart from an inner node, which begins with 0x01
	b := make([]byte, 0, 1+canonicalFixed+len(e.Stream)+len(e.Type)+len(e.Data)+len(e.Meta))
	return sha256.Sum256(AppendCanonical(append(b, leaf), e))
}

// canonicalFixed is the size of the canonical form without its strings.
const canonicalFixed = 3*8 + 2 + 2*16 + 4*4

// AppendCanonical appends the canonical form of e: one sequence of bytes for each event, and none for two. Numbers are
// big-endian; a string is preceded by its length in bytes as 4 bytes.
//
//	position     8 bytes
//	stream       string
//	version      8 bytes
//	id          16 bytes
//	command id  16 bytes, zero if none
//	type         string
//	schema       2 bytes
//	data         string
//	meta         string
//	recorded at  8 bytes, microseconds since 1970 UTC
func AppendCanonical(b []byte, e *eventstore.Event) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(e.Position)) // the bits are what counts
	b = appendString(b, e.Stream)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Version))
	b = append(b, e.ID[:]...)
	b = append(b, e.CommandID[:]...)
	b = appendString(b, e.Type)
	b = binary.BigEndian.AppendUint16(b, uint16(e.Schema))
	b = appendString(b, e.Data)
	b = appendString(b, e.Meta)
	return binary.BigEndian.AppendUint64(b, uint64(e.RecordedAt.UnixMicro()))
}

func appendString[T string | []byte](b []byte, s T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s))) // an event is far below 4 GiB
	return append(b, s...)
}
