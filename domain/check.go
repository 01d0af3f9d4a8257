package domain

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on names that stand in streams and keys.
const (
	MaxSKU      = 64  // bytes of a SKU
	MaxLocation = 64  // bytes of a location
	MaxID       = 128 // bytes of an id that comes from outside
)

// CheckID refuses an id that is empty, longer than MaxID bytes, not UTF-8, or holds spaces or control characters.
func CheckID(field, id string) error {
	if err := checkName(field, id, MaxID); err != nil {
		return err
	}
	if strings.ContainsFunc(id, unicode.IsSpace) {
		return InvalidField{Field: field, Reason: "holds a space"}
	}
	return nil
}

// CheckSKU refuses a SKU that could not stand in a stream name: empty, longer than MaxSKU bytes, not UTF-8, with control
// characters, with a space at either end, or with "@". A space inside is fine: real SKUs have them ("BANK CHARGES").
func CheckSKU(field, sku string) error { return checkPart(field, sku, MaxSKU) }

// CheckLocation refuses a location that could not stand in a stream name: the rules of [CheckSKU], up to MaxLocation bytes.
func CheckLocation(field, location string) error { return checkPart(field, location, MaxLocation) }

// CheckText refuses text that is longer than limit bytes, not UTF-8, or holds control characters other than
// tab, line feed and carriage return. Empty text passes.
func CheckText(field, text string, limit int) error {
	if len(text) > limit {
		return LimitExceeded{Field: field, Limit: int64(limit), Actual: int64(len(text)), Unit: "bytes"}
	}
	if !utf8.ValidString(text) {
		return InvalidField{Field: field, Reason: "is not valid UTF-8"}
	}
	if i := strings.IndexFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r'
	}); i >= 0 {
		return InvalidField{Field: field, Reason: "holds a control character at byte " + strconv.Itoa(i)}
	}
	return nil
}

// CheckPersonal is [CheckText] for a personal value. A sealed value is measured, not read.
func CheckPersonal(field string, p Personal, limit int) error {
	if text, ok := p.Reveal(); ok {
		return CheckText(field, text, limit)
	}
	if len(p.text) > limit+maxSealOverhead {
		return LimitExceeded{Field: field, Limit: int64(limit + maxSealOverhead), Actual: int64(len(p.text)), Unit: "bytes"}
	}
	return nil
}

// maxSealOverhead is what a ciphertext may be longer than its text.
const maxSealOverhead = 256

func checkName(field, s string, limit int) error {
	switch {
	case s == "":
		return InvalidField{Field: field, Reason: "is missing"}
	case len(s) > limit:
		return LimitExceeded{Field: field, Limit: int64(limit), Actual: int64(len(s)), Unit: "bytes"}
	case !utf8.ValidString(s):
		return InvalidField{Field: field, Reason: "is not valid UTF-8"}
	case strings.ContainsFunc(s, unicode.IsControl):
		return InvalidField{Field: field, Reason: "holds a control character"}
	}
	return nil
}

func checkPart(field, s string, limit int) error {
	if err := checkName(field, s, limit); err != nil {
		return err
	}
	if strings.TrimSpace(s) != s {
		return InvalidField{Field: field, Reason: "begins or ends with a space"}
	}
	if strings.Contains(s, "@") {
		return InvalidField{Field: field, Reason: `holds "@", which divides SKU from location`}
	}
	return nil
}
