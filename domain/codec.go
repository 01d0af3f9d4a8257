package domain

import (
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Marshal returns the canonical msgpack form of v: maps with the fields in the order of the struct, integers and
// strings in their shortest form. Equal values give equal bytes, so maps in v may only be of the kinds whose keys are
// sorted here (string to string).
func Marshal(v any) ([]byte, error) {
	var w buffer
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(&w)
	enc.UseCompactInts(true)
	enc.SetSortMapKeys(true)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return w, nil
}

// Unmarshal reads data, which must be exactly one well-formed msgpack map, into the struct that v points to. Unknown fields are passed over.
// Truncated input, anything after the value, text that is not UTF-8 and lengths that the input cannot hold are errors; no
// input makes it panic or take memory out of proportion.
func Unmarshal(data []byte, v any) error {
	text := string(data)
	if err := check(text); err != nil {
		return err
	}
	dec := msgpack.GetDecoder()
	defer msgpack.PutDecoder(dec)
	dec.Reset(&reader{data: text})
	if code, err := dec.PeekCode(); err != nil || !isMap(code) {
		return fmt.Errorf("decode %T: not a map", v)
	}
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("decode %T: %w", v, err)
	}
	return nil
}

func isMap(code byte) bool { return code&0xf0 == 0x80 || code == 0xde || code == 0xdf }

// EncodeMsgpack implements msgpack.CustomEncoder with the envelope described at [Personal].
func (p Personal) EncodeMsgpack(enc *msgpack.Encoder) error {
	if p.alg == "" {
		return errors.Join(enc.EncodeMapLen(2), enc.EncodeString("alg"), enc.EncodeString(algNone),
			enc.EncodeString("text"), enc.EncodeString(p.text))
	}
	return errors.Join(enc.EncodeMapLen(3), enc.EncodeString("alg"), enc.EncodeString(p.alg),
		enc.EncodeString("key"), enc.EncodeString(p.key), enc.EncodeString("data"), enc.EncodeBytes([]byte(p.text)))
}

// DecodeMsgpack implements msgpack.CustomDecoder. An algorithm that is not known here stays sealed.
func (p *Personal) DecodeMsgpack(dec *msgpack.Decoder) error {
	n, err := dec.DecodeMapLen()
	if err != nil {
		return err
	}
	var alg, key, text, data string
	for range n {
		name, err := dec.DecodeString()
		if err != nil {
			return err
		}
		switch name {
		case "alg":
			alg, err = dec.DecodeString()
		case "key":
			key, err = dec.DecodeString()
		case "text":
			text, err = dec.DecodeString()
		case "data":
			data, err = dec.DecodeString()
		default:
			err = dec.Skip()
		}
		if err != nil {
			return err
		}
	}
	*p, err = fromEnvelope(alg, key, text, data)
	return err
}

// fromEnvelope returns the value that the fields of a stored envelope stand for.
func fromEnvelope(alg, key, text, data string) (Personal, error) {
	switch alg {
	case "":
		return Personal{}, errors.New("personal value without alg")
	case algNone:
		return Personal{text: text}, nil
	}
	return Personal{text: data, alg: alg, key: key}, nil
}
