package commands

import (
	"sync"

	"github.com/google/uuid"
)

// flights are the commands that this bus is carrying out at this moment.
type flights struct {
	mu  sync.Mutex
	ids map[uuid.UUID]struct{}
}

// enter notes a command; false if it is noted already.
func (f *flights) enter(id uuid.UUID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.ids[id]; ok {
		return false
	}
	if f.ids == nil {
		f.ids = map[uuid.UUID]struct{}{}
	}
	f.ids[id] = struct{}{}
	return true
}

func (f *flights) leave(id uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.ids, id)
}
