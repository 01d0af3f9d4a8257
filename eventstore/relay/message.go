package relay

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"waybill/eventstore"
)

// Partitions is the number of partitions. Events of one key always share one, so that consumers may divide the
// partitions among themselves and still see each key in order. It never changes: it is part of every subject.
const Partitions = 64

// subjectPrefix begins the subject of every event.
const subjectPrefix = "waybill.evt."

// Headers of a message. Those that begin with "ce-" are CloudEvents 1.0 attributes in the binary mode of the NATS
// binding; their values are percent-encoded as the binding asks. Ours are what an [eventstore.Event] needs beyond them.
const (
	headerSpecVersion   = "ce-specversion"
	headerID            = "ce-id"
	headerType          = "ce-type"
	headerSource        = "ce-source"
	headerSubject       = "ce-subject" // the stream
	headerTime          = "ce-time"    // when the log took it
	headerContentType   = "ce-datacontenttype"
	headerPosition      = "ce-position"
	headerVersion       = "ce-version"
	headerSchema        = "ce-schema"
	headerEpoch         = "ce-epoch"
	headerCorrelation   = "ce-correlationid"
	headerCausation     = "ce-causationid"
	headerTraceparent   = "traceparent"
	headerMeta          = "Waybill-Meta"         // base64
	headerMetaTrailer   = "Waybill-Meta-Trailer" // how many bytes at the end of the body are the metadata instead
	headerCommand       = "Waybill-Command"
	headerMsgID         = "Nats-Msg-Id"
	headerExpectLast    = "Nats-Expected-Last-Sequence"
	headerExpectStream  = "Nats-Expected-Stream"
	specVersion         = "1.0"
	source              = "waybill"
	contentType         = "application/msgpack"
	maxMetaHeader       = 32 << 10 // bytes of metadata; more would not fit the server's 64 KiB of headers
	maxOptionalHeader   = 1 << 10  // bytes; a longer correlation or causation stands in the metadata alone
	maxSubjectToken     = 64
	timeLayout          = time.RFC3339Nano
	maxHeaders          = 20
	estimatedHeaderSize = 512
)

// Partition returns the partition of a key, 0 to [Partitions]-1: FNV-1a, 64 bits, modulo.
func Partition(key string) int {
	h := fnv.New64a()
	_, _ = io.WriteString(h, key)      // a hash takes everything
	return int(h.Sum64() % Partitions) // below 64
}

// Subject returns the subject of the events of a type in a partition. Empty strings and a negative partition stand
// for any: Subject("order", "", -1) is every event of every order.
func Subject(aggregate, event string, partition int) string {
	if aggregate == "" {
		aggregate = "*"
	}
	if event == "" {
		event = "*"
	}
	last := "*"
	if partition >= 0 {
		last = strconv.Itoa(partition)
	}
	return subjectPrefix + aggregate + "." + event + "." + last
}

// Encode returns the message of e in the log of an epoch. [Decode] gives e back, byte for byte.
//
// Every event has a message, whatever its type and metadata are: the sequence has no room for an exception. So
// characters of a type that a subject cannot hold become "_" in the subject ("ce-type" has them all), an event whose
// metadata cannot be read is partitioned by its stream, and metadata too long for a header follow the body.
func Encode(e *eventstore.Event, epoch uuid.UUID) *nats.Msg {
	return newEncoder(StreamName, epoch).encode(e)
}

// Decode returns the event and the epoch that a message carries. An error says that it is not one of ours.
func Decode(h nats.Header, body []byte) (eventstore.Event, uuid.UUID, error) {
	d := decoder{header: h}
	e := eventstore.Event{
		Position:   d.int(headerPosition, 64),
		Stream:     d.text(headerSubject),
		Version:    d.int(headerVersion, 64),
		ID:         d.id(headerID),
		Type:       d.text(headerType),
		Schema:     int16(d.int(headerSchema, 16)), // parsed as 16 bits
		RecordedAt: d.time(headerTime),
	}
	epoch := d.id(headerEpoch)
	if len(h[headerCommand]) > 0 {
		e.CommandID = d.id(headerCommand)
	}
	e.Data, e.Meta = d.payload(body)
	if d.err == nil && (e.Position < 1 || e.Version < 1) {
		d.err = fmt.Errorf("position %d, version %d: both start at 1", e.Position, e.Version)
	}
	if d.err != nil {
		return eventstore.Event{}, uuid.Nil, fmt.Errorf("decode message: %w", d.err)
	}
	return e, epoch, nil
}

// decoder reads headers until the first that is not as it should be.
type decoder struct {
	header nats.Header
	err    error
}

func (d *decoder) fail(name string, err error) {
	if d.err == nil {
		d.err = fmt.Errorf("header %s: %w", name, err)
	}
}

var (
	errMissing = errors.New("is missing")
	errForm    = errors.New("is malformed")
)

func (d *decoder) raw(name string) string {
	v := d.header[name]
	if len(v) != 1 {
		d.fail(name, errMissing)
		return ""
	}
	return v[0]
}

func (d *decoder) text(name string) string {
	s, ok := unescape(d.raw(name))
	if !ok {
		d.fail(name, errForm)
	}
	return s
}

func (d *decoder) int(name string, bits int) int64 {
	v := d.raw(name)
	n, err := strconv.ParseInt(v, 10, bits)
	if err != nil || n < 0 {
		d.fail(name, errForm)
	}
	return n
}

func (d *decoder) id(name string) uuid.UUID {
	v := d.raw(name)
	id, err := uuid.Parse(v)
	if err != nil || len(v) != 36 {
		d.fail(name, errForm)
	}
	return id
}

func (d *decoder) time(name string) time.Time {
	t, err := time.Parse(timeLayout, d.raw(name))
	if err != nil {
		d.fail(name, errForm)
	}
	return t.UTC()
}

// payload parts the body into data and metadata.
func (d *decoder) payload(body []byte) (data, meta []byte) {
	if len(d.header[headerMetaTrailer]) > 0 {
		n := d.int(headerMetaTrailer, 32)
		if n > int64(len(body)) {
			d.fail(headerMetaTrailer, errForm)
			return nil, nil
		}
		cut := len(body) - int(n)
		return body[:cut:cut], body[cut:]
	}
	meta, err := base64.RawStdEncoding.Strict().DecodeString(d.raw(headerMeta))
	if err != nil {
		d.fail(headerMeta, errForm)
	}
	return body, meta
}

const upperHex = "0123456789ABCDEF"

// plain reports whether c stands for itself in a header value: printable ASCII but the space, the quote and the
// percent sign, as the CloudEvents bindings have it.
func plain(c byte) bool { return c > ' ' && c < 0x7f && c != '"' && c != '%' }

// appendEscaped percent-encodes what may not stand in a header.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

// unescape is the inverse of appendEscaped. It takes no other encoding of the same text.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := strings.IndexByte(upperHex, s[i+1]), strings.IndexByte(upperHex, s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b = append(b, byte(hi<<4|lo)) // both are below 16
		i += 2
	}
	return string(b), true
}
