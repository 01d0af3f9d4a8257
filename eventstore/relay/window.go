package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/internal/failpoint"
)

var (
	errAckTimeout   = errors.New("stream did not answer in time")
	errDisconnected = errors.New("connection was lost")
)

// window publishes messages in order and keeps count of the answers: those in flight are the positions from
// confirmed+1 to sent. It is for one attempt: after the first thing that goes wrong nothing more is sent, and the relay
// looks at the stream instead. It never sends a message twice.
//
// The answers are counted here and not by jetstream.PublishMsgAsync, which sends a message again behind later ones when
// nobody answers, and keeps a timer, a map entry and a decoded answer for each.
type window struct {
	conn    *nats.Conn
	sub     *nats.Subscription
	replies string // reply subjects are this and the position
	ok      []byte // how the answer to a stored message begins
	size    int64
	timeout time.Duration
	changes <-chan nats.Status // the connection came or went

	sent      int64        // the sender's own
	confirmed atomic.Int64 // every position up to here is stored, and is what was sent
	answered  atomic.Int64 // answers of any kind
	wakeAt    atomic.Int64 // the sender wants to know when this is confirmed; [never] if it does not
	room      chan struct{}
	failed    chan struct{} // closed with failure

	broken  atomic.Bool // there is a failure
	mu      sync.Mutex
	failure error
}

// never is a position that is never confirmed.
const never = math.MaxInt64

// openWindow starts behind the position last. The caller closes it.
func openWindow(conn *nats.Conn, stream string, last int64, size int, timeout time.Duration, changes <-chan nats.Status) (*window, error) {
	inbox := conn.NewInbox()
	w := &window{
		conn: conn, replies: inbox + ".", ok: fmt.Appendf(nil, "{%q:%q,", "stream", stream), size: int64(size), timeout: timeout, changes: changes,
		sent: last, room: make(chan struct{}, 1), failed: make(chan struct{}),
	}
	w.confirmed.Store(last)
	w.answered.Store(last)
	w.wakeAt.Store(never)
	sub, err := conn.Subscribe(inbox+".*", w.answer)
	if err != nil {
		return nil, fmt.Errorf("listen for answers of stream %s: %w", stream, err)
	}
	w.sub = sub
	return w, nil
}

// close ends the window; answers that are still under way are dropped.
func (w *window) close() { _ = w.sub.Unsubscribe() }

// send publishes the message of the next position, and waits first while the window is full.
func (w *window) send(ctx context.Context, msg *nats.Msg) error {
	if w.sent-w.confirmed.Load() >= w.size {
		// Half a window at once: one wake-up for many messages.
		if err := w.wait(ctx, w.size/2); err != nil {
			return err
		}
	}
	msg.Reply = w.replies + strconv.FormatInt(w.sent+1, 10)
	if err := w.conn.PublishMsg(msg); err != nil {
		if errors.Is(err, nats.ErrMaxPayload) {
			return fmt.Errorf("publish position %d: it takes %d bytes, the NATS server takes %d: raise its max_payload: %w", w.sent+1, msg.Size(), w.conn.MaxPayload(), err)
		}
		return fmt.Errorf("publish position %d: %w", w.sent+1, err)
	}
	w.sent++
	return nil
}

// tell has room say when all that was sent so far is confirmed.
func (w *window) tell() { w.wakeAt.Store(w.sent) }

// wait returns when at most inFlight messages are without an answer.
func (w *window) wait(ctx context.Context, inFlight int64) error {
	w.wakeAt.Store(w.sent - inFlight)
	defer w.wakeAt.Store(never)
	timer := time.NewTimer(w.timeout)
	defer timer.Stop()
	last := w.confirmed.Load()
	for {
		if err := w.err(); err != nil {
			return err
		}
		confirmed := w.confirmed.Load()
		if w.sent-confirmed <= inFlight {
			return nil
		}
		select {
		case <-w.room:
		case <-w.failed:
		case <-w.changes:
			return errDisconnected
		case <-timer.C:
			if confirmed := w.confirmed.Load(); confirmed > last {
				last = confirmed // slow, but it moves
				timer.Reset(w.timeout)
				continue
			}
			return fmt.Errorf("positions %d to %d: %w (%s)", confirmed+1, w.sent, errAckTimeout, w.timeout)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// settle waits for the answers to everything that was sent, good or bad, so that the look that follows finds a stream
// that stands still. It gives up after a while: what comes later is refused, or is right.
func (w *window) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for w.answered.Load() < w.sent && w.conn.IsConnected() {
		select {
		case <-w.room:
		case <-ctx.Done():
			return
		}
	}
}

func (w *window) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure
}

func (w *window) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == nil {
		w.failure = err
		w.broken.Store(true)
		close(w.failed)
	}
}

// answer takes one answer. Answers come in the order of the messages; one that does not leaves a doubt about those
// between, so it counts as a failure too.
func (w *window) answer(m *nats.Msg) {
	w.answered.Add(1)
	pos, err := strconv.ParseInt(m.Subject[len(w.replies):], 10, 64)
	if err == nil {
		err = w.stored(m, pos)
	}
	switch {
	case err != nil:
		w.fail(fmt.Errorf("position %d: %w", pos, err))
	case w.broken.Load(): // nothing behind a failure is confirmed
	case pos != w.confirmed.Load()+1:
		w.fail(fmt.Errorf("position %d was answered, %d was not", pos, w.confirmed.Load()+1))
	default:
		w.confirmed.Store(pos)
		if err := failpoint.Hit(context.Background(), failpoint.RelayAfterAcks); err != nil {
			w.fail(err)
		}
	}
	if w.broken.Load() || pos >= w.wakeAt.Load() {
		poke(w.room)
	}
}

// stored says whether m confirms that position pos was stored.
func (w *window) stored(m *nats.Msg, pos int64) error {
	// The usual answer is {"stream":"…","seq":N}, possibly with a domain between.
	if rest, ok := bytes.CutPrefix(m.Data, w.ok); ok {
		if rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, " "), []byte(`"seq":`)); ok {
			if rest, ok = bytes.CutSuffix(rest, []byte{'}'}); ok {
				if seq, err := strconv.ParseInt(string(rest), 10, 64); err == nil && seq == pos {
					return nil
				}
			}
		}
	}
	if len(m.Data) == 0 {
		return fmt.Errorf("no stream takes it (status %s)", m.Header.Get("Status"))
	}
	var answer struct {
		Error     *jetstream.APIError `json:"error"`
		Sequence  int64               `json:"seq"`
		Duplicate bool                `json:"duplicate"`
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil:
		return fmt.Errorf("read the stream's answer: %w", err)
	case answer.Error != nil:
		return answer.Error
	case answer.Duplicate || answer.Sequence != pos:
		return fmt.Errorf("stream answered sequence %d (duplicate: %t)", answer.Sequence, answer.Duplicate)
	}
	return nil
}
