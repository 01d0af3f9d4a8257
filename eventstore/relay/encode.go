package relay

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"waybill/eventstore"
	"waybill/internal/failpoint"
)

// encoder makes the messages of one stream and epoch, each in the place of the one before: a message lives until the next
// call. It is for one goroutine. The values of all headers are written behind one another into one buffer, and become
// one string.
type encoder struct {
	msg   nats.Msg
	buf   []byte
	names [maxHeaders]string // of the headers whose values are in buf
	ends  [maxHeaders]int    // where each of those values ends
	n     int
}

func newEncoder(stream string, epoch uuid.UUID) *encoder {
	c := &encoder{msg: nats.Msg{Header: make(nats.Header, maxHeaders)}, buf: make([]byte, 0, estimatedHeaderSize)}
	c.set(headerSpecVersion, specVersion)
	c.set(headerSource, source)
	c.set(headerContentType, contentType)
	c.set(headerEpoch, epoch.String())
	c.set(headerExpectStream, stream)
	return c
}

// optionalHeaders are those that not every message has.
func optionalHeaders() [6]string {
	return [...]string{headerCorrelation, headerCausation, headerTraceparent, headerCommand, headerMeta, headerMetaTrailer}
}

// set gives a header its value, in the place of the one that it had.
func (c *encoder) set(name, value string) {
	if v := c.msg.Header[name]; len(v) == 1 {
		v[0] = value
		return
	}
	c.msg.Header[name] = []string{value}
}

// put ends the value that was appended to the buffer, and names it.
func (c *encoder) put(name string) {
	c.names[c.n], c.ends[c.n] = name, len(c.buf)
	c.n++
}

func (c *encoder) putInt(name string, n int64) {
	c.buf = strconv.AppendInt(c.buf, n, 10)
	c.put(name)
}

func (c *encoder) putID(name string, id uuid.UUID) {
	c.buf = appendID(c.buf, id)
	c.put(name)
}

// putOptional leaves out what is empty or so long that it might not fit.
func (c *encoder) putOptional(name, value string) {
	if value == "" || len(value) > maxOptionalHeader {
		return
	}
	c.buf = appendEscaped(c.buf, value)
	c.put(name)
}

func (c *encoder) encode(e *eventstore.Event) *nats.Msg {
	c.buf, c.n = c.buf[:0], 0
	meta, err := e.Metadata()
	if err != nil || meta.Key == "" {
		meta.Key = e.Stream
	}
	c.buf = appendSubject(c.buf, e.Type, Partition(meta.Key))
	subject := len(c.buf)
	c.putID(headerID, e.ID)
	c.buf = appendEscaped(c.buf, e.Type)
	c.put(headerType)
	c.buf = appendEscaped(c.buf, e.Stream)
	c.put(headerSubject)
	c.buf = e.RecordedAt.UTC().AppendFormat(c.buf, timeLayout)
	c.put(headerTime)
	c.putInt(headerPosition, e.Position)
	if !failpoint.On(failpoint.BugNoExpectedSequence) {
		c.putInt(headerExpectLast, e.Position-1)
	}
	c.putInt(headerVersion, e.Version)
	c.putInt(headerSchema, int64(e.Schema))
	c.putOptional(headerCorrelation, meta.CorrelationID)
	c.putOptional(headerCausation, meta.CausationID)
	c.putOptional(headerTraceparent, meta.Traceparent)
	if e.CommandID != uuid.Nil {
		c.putID(headerCommand, e.CommandID)
	}
	body := e.Data
	if len(e.Meta) <= maxMetaHeader {
		c.buf = base64.RawStdEncoding.AppendEncode(c.buf, e.Meta)
		c.put(headerMeta)
	} else {
		c.putInt(headerMetaTrailer, int64(len(e.Meta)))
		body = append(append(make([]byte, 0, len(e.Data)+len(e.Meta)), e.Data...), e.Meta...)
	}
	return c.message(subject, body)
}

// message makes one string of the buffer and hands out its parts.
func (c *encoder) message(subject int, body []byte) *nats.Msg {
	text, names := string(c.buf), c.names[:c.n]
	for _, name := range optionalHeaders() {
		if !slices.Contains(names, name) {
			delete(c.msg.Header, name)
		}
	}
	start := subject
	for i, name := range names {
		c.set(name, text[start:c.ends[i]])
		start = c.ends[i]
	}
	c.set(headerMsgID, text[subject:c.ends[0]]) // the event id again
	c.msg.Subject, c.msg.Data = text[:subject], body
	return &c.msg
}

// appendID appends the usual form of id, without the allocation of its String method.
func appendID(b []byte, id uuid.UUID) []byte {
	text, _ := id.MarshalText() // never fails
	return append(b, text...)
}

// appendSubject appends the subject of an event of a type: the aggregate is what stands before its first dot.
func appendSubject(b []byte, typ string, partition int) []byte {
	aggregate, event, _ := strings.Cut(typ, ".")
	b = append(b, subjectPrefix...)
	b = append(appendToken(b, aggregate), '.')
	b = append(appendToken(b, event), '.')
	return strconv.AppendInt(b, int64(partition), 10)
}

// appendToken appends s as one token of a subject.
func appendToken(b []byte, s string) []byte {
	if s == "" {
		return append(b, '_')
	}
	for i := range min(len(s), maxSubjectToken) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b = append(b, c)
		default:
			b = append(b, '_')
		}
	}
	return b
}
