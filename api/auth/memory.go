package auth

import (
	"context"
	"crypto/sha256"
)

// MemoryStore is a fixed set of keys, for a process that is given its keys by its configuration.
type MemoryStore map[[sha256.Size]byte]Key

var _ Store = MemoryStore{}

// Add puts a key into the set. It must not be called while the set is in use.
func (m MemoryStore) Add(secret, name string, scopes []Scope, channels []string) {
	h := HashSecret(secret)
	m[h] = Key{Hash: h, Prefix: prefixOf(secret), Name: name, Scopes: scopes, Channels: channels}
}

// FindKey implements [Store].
func (m MemoryStore) FindKey(_ context.Context, hash [sha256.Size]byte) (Key, bool, error) {
	k, ok := m[hash]
	return k, ok, nil
}
