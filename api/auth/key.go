package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// keyPrefix begins every API key, so that secret scanners and people know one when they see it.
const keyPrefix = "wb_"

// secretBytes is how much randomness a key holds.
const secretBytes = 32

// Key is a stored API key: everything but the secret, of which only a hash is kept. A secret of 256 random bits needs no
// slow hash: it cannot be guessed.
type Key struct {
	Hash      [sha256.Size]byte
	Prefix    string    // the first characters of the key, for people to tell keys apart
	Name      string    // of the principal, without "key:"; several keys may share one while they are rotated
	Scopes    []Scope   // what it may do
	Channels  []string  // the channels that it may place orders in; none means all
	CreatedAt time.Time // UTC
	RevokedAt time.Time // zero while it is valid
}

// NewSecret returns a new API key for an environment, such as "dev" or "live": wb_<environment>_<random>.
func NewSecret(environment string) (string, error) {
	if environment == "" || strings.ContainsFunc(environment, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		return "", fmt.Errorf("make API key for environment %q: lower-case letters and digits only", environment)
	}
	var random [secretBytes]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("make API key: %w", err)
	}
	return keyPrefix + environment + "_" + base64.RawURLEncoding.EncodeToString(random[:]), nil
}

// HashSecret returns the hash under which a key is stored.
func HashSecret(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// matches compares in constant time. A key is found by its hash, so this is a second lock on the same door.
func (k *Key) matches(hash [sha256.Size]byte) bool {
	return subtle.ConstantTimeCompare(k.Hash[:], hash[:]) == 1
}

// wellFormed turns away at no cost what cannot be a key.
func wellFormed(secret string) bool {
	return strings.HasPrefix(secret, keyPrefix) && len(secret) <= 200
}

// prefixOf returns what may be shown of a key: its environment and the first four random characters.
func prefixOf(secret string) string {
	environment, random, _ := strings.Cut(strings.TrimPrefix(secret, keyPrefix), "_")
	return keyPrefix + environment + "_" + random[:min(4, len(random))]
}
