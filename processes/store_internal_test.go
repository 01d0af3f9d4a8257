package processes

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"waybill/domain/order"
	"waybill/eventstore"
	"waybill/internal/devstack/devtest"
)

// TestAFencedSaveSavesNothing: an instance that was paused past its lease wakes up and saves. Nothing of it is kept,
// neither state nor timers nor checkpoint nor parked inputs.
func TestAFencedSaveSavesNothing(t *testing.T) {
	t.Parallel()
	pool, err := eventstore.NewPool(t.Context(), devtest.Database(t), PoolConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	leases := eventstore.NewLeases(pool)
	old, err := leases.AcquireLease(t.Context(), leaseName("p"), "old", time.Millisecond, 0)
	if err != nil {
		t.Fatal(err)
	}
	var now eventstore.Lease
	for deadline := time.Now().Add(10 * time.Second); ; {
		if now, err = leases.AcquireLease(t.Context(), leaseName("p"), "new", time.Minute, 0); err == nil {
			break
		}
		if !errors.Is(err, eventstore.ErrLeaseHeld) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	epoch := uuid.New()
	save := func(term int64) error {
		s := newStore(pool, "p", epoch, term)
		s.mark = &mark{through: 7}
		c := change{instance: instance{key: "k", position: 7, state: []byte("s")}, now: time.Now(), set: []Timer{{Name: "t", Due: time.Now()}}}
		done := make(chan error, 1)
		return errors.Join(s.write(t.Context(), []saving{{c, done}}), (&parking{store: s, keys: map[string]bool{}}).park(t.Context(), &trigger{key: "k", name: "n", position: 8}, "why"))
	}
	rows := func() (n int) {
		t.Helper()
		err := pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM processes.instances) + (SELECT count(*) FROM processes.timers)
			+ (SELECT count(*) FROM processes.checkpoints) + (SELECT count(*) FROM processes.parked)`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if err := save(old.Term); !errors.Is(err, errFenced) || rows() != 0 {
		t.Errorf("the old instance saved: %v, %d rows", err, rows())
	}
	if err := save(now.Term); err != nil || rows() != 4 {
		t.Errorf("the new instance did not save: %v, %d rows", err, rows())
	}
}

// TestFirstInputsAreNotLookedUp: Postgres is not asked for an instance that cannot be there, and is asked whenever it
// can: by an event that is not the first of its instance, came before this lead, or was tried before; and by a timer.
func TestFirstInputsAreNotLookedUp(t *testing.T) {
	t.Parallel()
	pool, err := eventstore.NewPool(t.Context(), devtest.Database(t), PoolConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := newStore(pool, "placement", uuid.New(), 1)
	const insert = `INSERT INTO processes.instances (process, key, position, state, waiting_for, done, updated_at) VALUES ('placement', 'k', 12, 's', '', false, now())`
	if _, err := pool.Exec(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	h := &handler{Config: &Config{Process: Adapt(Placement{})}, store: s, fresh: 10}
	for _, step := range []struct {
		what  string
		in    trigger
		looks bool
	}{
		{"before this lead", trigger{name: order.TypePlaced, position: 10, event: &eventstore.Event{}}, true},
		{"new", trigger{name: order.TypePlaced, position: 12, event: &eventstore.Event{}}, false},
		{"tried again", trigger{name: order.TypePlaced, position: 12, event: &eventstore.Event{}}, true},
		{"new on another share", trigger{share: 1, name: order.TypePlaced, position: 11, event: &eventstore.Event{}}, false},
		{"not the first", trigger{name: order.TypeHoldReleased, position: 13, event: &eventstore.Event{}}, true},
		{"a timer", trigger{name: timerHold}, true},
	} {
		step.in.key = "k"
		got, err := h.instance(t.Context(), &step.in)
		if err != nil {
			t.Fatal(err)
		}
		if looked := string(got.state) == "s" && got.position == 12; looked != step.looks {
			t.Errorf("%s: stored state was read: %t, want %t", step.what, looked, step.looks)
		}
	}
	if position, err := s.head(t.Context()); err != nil || position != 0 {
		t.Errorf("the log ends at %d, %v, want 0", position, err)
	}
}

// TestMark: the checkpoint never passes an event that is still open, in whatever order shares end theirs.
func TestMark(t *testing.T) {
	t.Parallel()
	m := &mark{through: 10}
	m.begin(1, 11)
	m.begin(2, 12)
	m.pass(13)
	m.begin(1, 14)
	for i, step := range []struct{ share, want int }{{2, 10}, {1, 13}, {1, 14}} {
		if m.end(step.share); m.position() != int64(step.want) {
			t.Errorf("after step %d the checkpoint is %d, want %d", i, m.position(), step.want)
		}
	}
}
