package dispatch

import (
	"crypto/sha256"
	"fmt"

	"github.com/google/uuid"

	"waybill/api/auth"
	"waybill/api/problem"
)

// maxKey is the longest idempotency key.
const maxKey = 100

// key checks an idempotency key, or makes one.
func (d *Dispatcher) key(key string) (string, *problem.Problem) {
	if key == "" {
		if d.requireKey {
			return "", problem.New(problem.KeyRequired, "send an Idempotency-Key").At("header.Idempotency-Key", "is missing")
		}
		return uuid.Must(uuid.NewV7()).String(), nil
	}
	return key, CheckKey(key)
}

// CheckKey refuses what cannot be an idempotency key.
func CheckKey(key string) *problem.Problem {
	reason := ""
	switch {
	case key == "":
		reason = "is empty"
	case len(key) > maxKey:
		reason = fmt.Sprintf("has %d characters, at most %d are taken", len(key), maxKey)
	default:
		for i := range len(key) {
			if key[i] < 0x20 || key[i] > 0x7e {
				reason = "holds a character that is not printable ASCII"
			}
		}
	}
	if reason == "" {
		return nil
	}
	return problem.New(problem.InvalidKey, "Idempotency-Key %s", reason).At("header.Idempotency-Key", reason)
}

// CommandID maps an idempotency key to the id of the command, within the scope of the principal: the same key of two
// principals is two commands, so nobody can take a key away from somebody else, nor from the processes, whose ids can be
// worked out from the log.
//
// It is a UUID by hash, of version 5; only a key that is itself a UUID of version 7 keeps its 48 bits of time in front,
// as version 8, so that the log's index of commands grows at its end.
func CommandID(p *auth.Principal, key string) uuid.UUID {
	u, err := uuid.Parse(key)
	if err != nil || u.Version() != 7 {
		return uuid.NewSHA1(uuid.NameSpaceURL, []byte("waybill:command:"+p.Name+"\x00"+key))
	}
	h := sha256.Sum256([]byte("waybill:command:" + p.Name + "\x00" + u.String()))
	var id uuid.UUID
	copy(id[:6], u[:6])
	copy(id[6:], h[:])
	id[6] = id[6]&0x0f | 0x80 // version 8
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	return id
}
