package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"waybill/api/wire"
	"waybill/domain/money"
)

// maxLine bounds a line of JSON, in bytes.
const maxLine = 4 << 20

// JSONL reads a file with an order a line, in the shape that POST /v1/orders takes. Every order needs a source_ref: it
// is what makes a second import harmless.
type JSONL struct {
	in   *bufio.Reader
	line int
}

// NewJSONL returns a reader of r.
func NewJSONL(r io.Reader) *JSONL { return &JSONL{in: bufio.NewReaderSize(r, 64<<10)} }

// Next implements [Reader].
func (j *JSONL) Next() (Document, error) {
	for {
		line, long, err := j.read()
		if err != nil {
			return Document{}, err
		}
		if long {
			return j.unusable("", fmt.Sprintf("is longer than %d bytes", maxLine)), nil
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return j.order(line), nil
		}
	}
}

// read returns the next line; one that is too long is passed over.
func (j *JSONL) read() (line []byte, long bool, err error) {
	j.line++
	for {
		part, err := j.in.ReadSlice('\n')
		switch {
		case len(line)+len(part) > maxLine:
			line, long = nil, true
		case !long:
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if len(line) == 0 && !long {
				return nil, false, io.EOF
			}
			return line, long, nil
		case err != nil:
			return nil, false, fmt.Errorf("read line %d: %w", j.line, err)
		}
		return line, long, nil
	}
}

func (j *JSONL) order(line []byte) Document {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var o wire.Place
	if err := d.Decode(&o); err != nil {
		return j.unusable("", "is not an order: "+err.Error())
	}
	if d.More() {
		return j.unusable(o.SourceRef, "has more behind the order")
	}
	if o.SourceRef == "" {
		return j.unusable("", "has no source_ref, without which a second import would place it again")
	}
	if _, err := money.ParseCurrency(o.Totals.Grand.Currency); err != nil {
		return j.unusable(o.SourceRef, "has a grand total without a currency of ISO 4217")
	}
	return Document{Line: j.line, Ref: o.SourceRef, Rows: 1, Order: &o}
}

func (j *JSONL) unusable(ref, why string) Document {
	return Document{Line: j.line, Ref: ref, Rows: 1, Unread: 1, Findings: []AmountFinding{{Finding: Finding{Line: j.line, Ref: ref, Reason: why}}}}
}
