package domain

import "fmt"

// What a printed Personal shows in place of its text.
const (
	redacted = "[personal]"
	sealed   = "[sealed]"
)

// algNone marks a personal value that is stored in clear.
const algNone = "none"

// Personal is a piece of text about a person: a name, an address line, a phone number, a note. It prints, logs and
// marshals to JSON as a mark only; whoever needs the text must ask for it by [Personal.Reveal].
//
// In an event it is an envelope from the first stored byte: {"alg": "none", "text": …} in clear, or
// {"alg": …, "key": …, "data": …} when sealed with a key of the person's own. Sealing replaces values of events (see
// MapPersonal of the aggregate packages) and changes no stored schema. A Personal is comparable; its zero value is
// "not given" and is stored as an empty text.
type Personal struct {
	text string // the clear text, or the ciphertext when alg is set
	alg  string // "" in clear
	key  string // name of the key that seals it, "" in clear
}

// NewPersonal marks text as personal.
func NewPersonal(text string) Personal { return Personal{text: text} }

// SealedPersonal returns a value that holds only ciphertext: alg names how it was sealed, key with which key.
// Its text can no longer be revealed here. An empty alg, or "none", would pass for clear text and is an error.
func SealedPersonal(alg, key string, ciphertext []byte) (Personal, error) {
	if alg == "" || alg == algNone {
		return Personal{}, fmt.Errorf("seal personal value: %q is no algorithm", alg)
	}
	return Personal{text: string(ciphertext), alg: alg, key: key}, nil
}

// Reveal returns the clear text; ok is false for a sealed value.
func (p Personal) Reveal() (text string, ok bool) {
	if p.alg != "" {
		return "", false
	}
	return p.text, true
}

// Sealed returns what a sealed value holds; ok is false for one in clear.
func (p Personal) Sealed() (alg, key string, ciphertext []byte, ok bool) {
	if p.alg == "" {
		return "", "", nil, false
	}
	return p.alg, p.key, []byte(p.text), true
}

// IsZero reports whether no value was given.
func (p Personal) IsZero() bool { return p == Personal{} }

// String returns "[personal]", "[sealed]", or "" for the zero value: never the text.
func (p Personal) String() string {
	switch {
	case p.alg != "":
		return sealed
	case p.text != "":
		return redacted
	}
	return ""
}

// GoString implements fmt.GoStringer without the text.
func (p Personal) GoString() string { return "domain.Personal(" + p.String() + ")" }

// Format implements fmt.Formatter: every verb prints the mark, never the text.
func (p Personal) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		fmt.Fprint(f, p.GoString())
		return
	}
	fmt.Fprint(f, p.String())
}

// MarshalJSON writes the mark, so that a value that slips into a JSON log or answer says nothing.
func (p Personal) MarshalJSON() ([]byte, error) { return []byte(`"` + p.String() + `"`), nil }
