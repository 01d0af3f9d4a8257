package commands

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// newEventID returns a UUIDv7. Every attempt at a command gives its events new ids: so the log can tell, after a lost
// connection, our commit from the same command sent through another process, which may have decided otherwise.
//
// Event ids are names, not secrets: a fast generator will do, where uuid.NewV7 asks the kernel.
func newEventID() uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(time.Now().UnixMilli())<<16|rand.Uint64()>>52) //nolint:forbidigo // ids need no clock of the caller's
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}
