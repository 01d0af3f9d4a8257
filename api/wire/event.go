package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"waybill/eventstore"
)

// What stands in place of personal text.
const (
	redacted = `"[personal]"`
	sealed   = `"[sealed]"`
)

// Event is an event of the log in the JSON form of CloudEvents 1.0. Positions and versions are strings, as CloudEvents
// integers have 32 bits only; whole numbers within data are JSON numbers of up to 64 bits, so read them with a parser
// that keeps them exact. Instants within data are microseconds since 1970.
type Event struct {
	SpecVersion     string          `json:"specversion" example:"1.0"`
	ID              string          `json:"id" doc:"Names the event for ever"`
	Source          string          `json:"source" example:"/waybill"`
	Type            string          `json:"type" example:"order.placed"`
	Subject         string          `json:"subject" doc:"The stream"`
	Time            time.Time       `json:"time" doc:"When the log took it"`
	DataContentType string          `json:"datacontenttype" example:"application/json"`
	SchemaVersion   string          `json:"schemaversion" doc:"Number of the form of data within the type"`
	Position        string          `json:"position" doc:"Place in the log"`
	Sequence        string          `json:"sequence" doc:"Place in the stream"`
	Key             string          `json:"key,omitempty" doc:"What it belongs to: the order, or the stream"`
	CommandID       string          `json:"commandid,omitempty" doc:"On the first event of a commit"`
	Command         string          `json:"command,omitempty" doc:"Type of the command that caused it"`
	Actor           string          `json:"actor,omitempty"`
	Channel         string          `json:"channel,omitempty"`
	CorrelationID   string          `json:"correlationid,omitempty"`
	CausationID     string          `json:"causationid,omitempty"`
	Traceparent     string          `json:"traceparent,omitempty"`
	Data            json.RawMessage `json:"data"`
}

// NewEvent renders an event. Personal data shows only if reveal is true.
func NewEvent(e *eventstore.Event, m *eventstore.Meta, reveal bool) (Event, error) {
	data, err := DataJSON(e.Data, reveal)
	if err != nil {
		return Event{}, fmt.Errorf("render event %d: %w", e.Position, err)
	}
	out := Event{
		SpecVersion: "1.0", ID: e.ID.String(), Source: "/waybill", Type: e.Type, Subject: e.Stream, Time: e.RecordedAt.UTC(),
		DataContentType: "application/json", SchemaVersion: strconv.Itoa(int(e.Schema)), Position: strconv.FormatInt(e.Position, 10),
		Sequence: strconv.FormatInt(e.Version, 10), Key: m.Key, Command: m.Command, Actor: m.Actor, Channel: m.Channel,
		CorrelationID: m.CorrelationID, CausationID: m.CausationID, Traceparent: m.Traceparent, Data: data,
	}
	if e.CommandID != [16]byte{} {
		out.CommandID = e.CommandID.String()
	}
	return out, nil
}

// DataJSON turns the msgpack of an event into JSON without knowing its type: 64-bit integers stay exact, binary becomes
// base64, and every personal value becomes a mark, or its text if reveal is true.
func DataJSON(data []byte, reveal bool) (json.RawMessage, error) {
	v, p := ParseMsgpack(data)
	if p != nil {
		return nil, p
	}
	return appendJSON(make([]byte, 0, len(data)*2), &v, reveal), nil
}

func appendJSON(b []byte, v *Value, reveal bool) []byte {
	switch v.kind {
	case kindNull:
		return append(b, "null"...)
	case kindBool:
		return strconv.AppendBool(b, v.num == 1)
	case kindInt:
		return strconv.AppendInt(b, v.num, 10)
	case kindFraction:
		return appendString(b, v.text)
	case kindText:
		return appendString(b, v.text)
	case kindBinary:
		return appendString(b, base64.StdEncoding.EncodeToString([]byte(v.text)))
	case kindList:
		b = append(b, '[')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, &v.items[i], reveal)
		}
		return append(b, ']')
	case kindMap:
		if mark, ok := envelope(v, reveal); ok {
			return append(b, mark...)
		}
		b = append(b, '{')
		for i := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, v.fields[i]), ':')
			b = appendJSON(b, &v.items[i], reveal)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// appendString writes text as JSON does, so that it may also stand in a page.
func appendString(b []byte, s string) []byte {
	j, err := json.Marshal(s)
	if err != nil { // a string always can
		return append(b, `""`...)
	}
	return append(b, j...)
}

// envelope recognises the stored form of a personal value ({"alg", "text"} in clear, {"alg", "key", "data"} sealed) and
// returns what is shown for it. A field "alg" is nothing else in any event: the codecs of the domain see to that.
func envelope(v *Value, reveal bool) (string, bool) {
	alg, ok := v.Field("alg")
	if !ok || alg.kind != kindText {
		return "", false
	}
	text, ok := v.Field("text")
	switch {
	case alg.text != "none":
		return sealed, true
	case !ok || text.text == "":
		return `""`, true
	case reveal:
		return string(appendString(nil, text.text)), true
	}
	return redacted, true
}
