package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"waybill/api/intake"
	"waybill/cmd/waybill/engine"
	"waybill/eventstore"
	"waybill/eventstore/relay"
)

const (
	oldestNATS = "2.15.2"        // older ones have holes that were closed in 2026
	payload    = 2 << 20         // bytes: the largest event with its headers
	epochKey   = "waybill-epoch" // of the stream's metadata
)

// broker looks at NATS and at what is kept there, with the users that the parts have.
func (d *doctor) broker(ctx context.Context) {
	d.area = "nats"
	conn, err := d.Connect(engine.Consumer, nats.Name("waybill-doctor"), nats.Timeout(connectTimeout))
	if err != nil {
		d.problem("start it, or mend nats.url and the passwords of nats.conf", "waybill config show --origin", "%v", err)
		return
	}
	defer conn.Close()
	d.natsServer(conn)
	for _, part := range []engine.Part{engine.Relay, engine.Service, engine.Intake} {
		if !d.HasUser(part) {
			continue
		}
		c, err := d.Connect(part, nats.Name("waybill-doctor"), nats.Timeout(connectTimeout))
		if err != nil {
			d.problem("give the engine the password that nats.conf was given", "waybill config show --origin", "%v", err)
			continue
		}
		d.ok("user %s is let in", part)
		c.Close()
	}
	js, err := jetstream.New(conn)
	if err != nil {
		d.failed("JetStream", err)
		return
	}
	if !d.jetStream(ctx, js) {
		return
	}
	d.stream(ctx, js)
	d.queue(ctx)
}

func (d *doctor) natsServer(conn *nats.Conn) {
	version := conn.ConnectedServerVersion()
	rtt, err := conn.RTT()
	switch {
	case err != nil:
		d.failed("NATS", err)
	case slices.Compare(numbers(version), numbers(oldestNATS)) < 0:
		d.warn("upgrade it: several holes were closed since", "", "nats-server %s is older than %s", version, oldestNATS)
	default:
		d.ok("nats-server %s at %s, %s away", version, conn.ConnectedUrlRedacted(), rtt.Round(time.Microsecond))
	}
	if conn.MaxPayload() < payload {
		d.problem("an event may be larger than that, and the relay would stop at it: set max_payload: 2MB in nats.conf", "nats-server --signal reload",
			"max_payload is %d bytes, at least %d are needed", conn.MaxPayload(), payload)
	}
}

// numbers are those of a version, such as 2.15.2 or 2.16.0-RC.1.
func numbers(version string) []int {
	plain, _, _ := strings.Cut(version, "-")
	var all []int
	for part := range strings.SplitSeq(plain, ".") {
		n, _ := strconv.Atoi(part) // what is no number is none that is newer
		all = append(all, n)
	}
	return all
}

func (d *doctor) jetStream(ctx context.Context, js jetstream.JetStream) bool {
	d.area = "jetstream"
	account, err := js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		d.problem("switch it on: nats.conf of this repository shows how", "", "%v", err)
		return false
	case err != nil:
		d.failed("JetStream", err)
		return false
	case account.Limits.MaxStore > 0 && account.Store*5 > uint64(account.Limits.MaxStore)*4: //nolint:gosec // positive
		d.warn("raise the limit of the account, or max_age and max_bytes of the stream down", "", "%d of %d MiB are in use", account.Store>>20, account.Limits.MaxStore>>20)
	default:
		d.ok("on, %d streams, %d MiB in use", account.Streams, account.Store>>20)
	}
	return true
}

const rebuild = "waybill doctor --rebuild-stream"

// stream holds the event stream to the log.
func (d *doctor) stream(ctx context.Context, js jetstream.JetStream) {
	d.area = "stream"
	stream, err := js.Stream(ctx, relay.StreamName)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		d.warn("the relay makes it when it first runs", "waybill serve --roles relay", "there is no stream %s", relay.StreamName)
		return
	}
	if err != nil {
		d.failed("stream "+relay.StreamName, err)
		return
	}
	info := stream.CachedInfo()
	for _, drift := range drifts(&info.Config) {
		d.problem("rebuild it: the stream is a cache, and the log has every event", rebuild, "%s: %s", relay.StreamName, drift)
	}
	last := int64(info.State.LastSeq) //nolint:gosec // a position
	epoch, err := uuid.Parse(info.Config.Metadata[epochKey])
	switch {
	case d.db == nil || d.head.Epoch == uuid.Nil:
		d.ok("%s ends at %d; it cannot be held to the log, which was not read", relay.StreamName, last)
		return
	case err == nil && epoch != d.head.Epoch:
		d.problem("the log was restored and began another epoch: rebuild the stream from it", rebuild, "%s is of epoch %s, the log of %s", relay.StreamName, epoch, d.head.Epoch)
		return
	}
	d.compare(ctx, stream, last)
	// Not NumDeleted: what a damaged file took along counts as never deleted.
	if span := last - int64(info.State.FirstSeq) + 1; info.State.Msgs > 0 && span > int64(info.State.Msgs) { //nolint:gosec // positions
		d.warn("consumers read what is missing from the log, which is slower", rebuild, "%d messages are missing between its first and its last", span-int64(info.State.Msgs)) //nolint:gosec // positions
	}
}

// compare holds the end of the stream to the log, as it is by now: events go on being published meanwhile.
func (d *doctor) compare(ctx context.Context, stream jetstream.Stream, last int64) {
	var head int64
	if err := d.db.QueryRow(ctx, "SELECT position FROM waybill.log_head").Scan(&head); err != nil {
		d.failed("the log", err)
		return
	}
	switch {
	case last == 0 && head == 0:
		d.ok("%s is empty, as the log is", relay.StreamName)
	case last > head && d.foreign(ctx, stream, last):
		d.problem("somebody else published into it: rebuild it, and see who may publish waybill.evt.>", rebuild,
			"%s ends at %d, the log at %d, and the last message is no event of the log", relay.StreamName, last, head)
	case last > head:
		d.problem("the log was restored to an earlier point: begin another epoch, so that nobody takes old positions for new", "waybill doctor --new-epoch",
			"%s ends at %d, the log at %d", relay.StreamName, last, head)
	case last > 0:
		d.equal(ctx, stream, last, head)
	default:
		d.lag(last, head)
	}
}

// foreign tells whether a message is none that a relay wrote.
func (d *doctor) foreign(ctx context.Context, stream jetstream.Stream, seq int64) bool {
	m, err := stream.GetMsg(ctx, uint64(seq)) //nolint:gosec // positive
	if err != nil {
		return false
	}
	_, _, err = relay.Decode(m.Header, m.Data)
	return err != nil
}

// recent is how many messages are held to the log: more than the relay has under way at once, so that a message that
// somebody else put between two of its own is among them. All of them are compared by waybill verify.
const recent = 1024

// equal holds the newest messages to the log.
func (d *doctor) equal(ctx context.Context, stream jetstream.Stream, last, head int64) {
	first := max(last-recent+1, int64(stream.CachedInfo().State.FirstSeq)) //nolint:gosec // a position
	ids, err := d.events(ctx, first, last)
	if err != nil {
		d.failed("the log", err)
		return
	}
	for seq := last; seq >= first; seq-- {
		m, err := stream.GetMsg(ctx, uint64(seq)) //nolint:gosec // positive
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // counted by itself
		}
		if err != nil {
			d.failed(fmt.Sprintf("message %d of %s", seq, relay.StreamName), err)
			return
		}
		got, epoch, err := relay.Decode(m.Header, m.Data)
		switch {
		case err != nil:
			d.problem("somebody else published it, or it was damaged: rebuild the stream, and see who may publish waybill.evt.>", rebuild, "message %d is no event of the log: %v", seq, err)
			return
		case epoch != d.head.Epoch:
			d.problem("rebuild the stream", rebuild, "message %d is of epoch %s, the log of %s", seq, epoch, d.head.Epoch)
			return
		case got.Position != seq:
			d.problem("somebody else published into it: rebuild it, and see who may publish waybill.evt.>", rebuild, "message %d is event %d of the log", seq, got.Position)
			return
		case ids[seq] != got.ID:
			d.problem("the log was restored, or the stream is another's: begin another epoch", "waybill doctor --new-epoch",
				"position %d is event %s in the stream and %s in the log", seq, got.ID, ids[seq])
			return
		}
	}
	d.lag(last, head)
}

// events are the ids of the events from first to last.
func (d *doctor) events(ctx context.Context, first, last int64) (map[int64]uuid.UUID, error) {
	rows, err := d.db.Query(ctx, "SELECT position, event_id FROM waybill.events WHERE position BETWEEN $1 AND $2", first, last)
	if err != nil {
		return nil, err
	}
	ids := make(map[int64]uuid.UUID, last-first+1)
	var position int64
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&position, &id}, func() error { ids[position] = id; return nil })
	return ids, err
}

func (d *doctor) lag(last, head int64) {
	const near = 10_000
	if head-last > near {
		d.warn("the relay does not run, or has just begun to fill it", "waybill serve --roles relay", "%s ends at %d, %d events behind the log", relay.StreamName, last, head-last)
		return
	}
	d.ok("%s ends at %d, %d behind the log", relay.StreamName, last, head-last)
}

// drifts says which settings of the stream would break what is promised. The relay itself refuses to write to such one.
func drifts(c *jetstream.StreamConfig) []string {
	var all []string
	deny := func(broken bool, format string, args ...any) {
		if broken {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	deny(!slices.Equal(c.Subjects, []string{"waybill.evt.>"}), "subjects are %s, not waybill.evt.>", strings.Join(c.Subjects, ", "))
	deny(c.Storage != jetstream.FileStorage, "storage is %s, not file", c.Storage)
	deny(c.Retention != jetstream.LimitsPolicy, "retention is %s: consumers would remove messages", c.Retention)
	deny(!c.DenyDelete || !c.DenyPurge, "messages may be deleted or purged")
	deny(c.PersistMode != jetstream.DefaultPersistMode, "persist_mode is %s: a message is confirmed before it is written", c.PersistMode)
	deny(c.NoAck, "no_ack is set")
	deny(c.Sealed, "it is sealed")
	deny(c.AllowRollup, "roll-ups are allowed: one message could remove all others")
	deny(c.Mirror != nil || len(c.Sources) > 0, "it takes messages from other streams")
	deny(c.SubjectTransform != nil, "subjects are transformed")
	deny(c.MaxMsgsPerSubject > 0, "max_msgs_per_subject is %d", c.MaxMsgsPerSubject)
	deny(c.MaxMsgSize > 0 && int(c.MaxMsgSize) < eventstore.MaxEventBytes, "max_msg_size is %d", c.MaxMsgSize)
	return all
}

// queue looks at the durable intake, with its own user: nobody else may.
func (d *doctor) queue(ctx context.Context) {
	d.area = "intake"
	conn, err := d.Connect(engine.Intake, nats.Name("waybill-doctor"), nats.Timeout(connectTimeout))
	if err != nil {
		return // said already
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		d.failed("the intake", err)
		return
	}
	stream, err := js.Stream(ctx, intake.StreamName)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		d.warn("the first process with the role makes it; until then, what is published to waybill.in.> is refused", "waybill serve --roles intake", "there is no work queue %s", intake.StreamName)
	case err != nil:
		d.failed("the work queue", err)
	default:
		info := stream.CachedInfo()
		waiting := d.Now().Sub(info.State.FirstTime).Round(time.Second)
		if info.State.Msgs > 0 && waiting > time.Minute {
			d.warn("nobody takes them, or they cannot be carried out at the moment", "waybill serve --roles intake", "%d commands wait in %s, the first for %s", info.State.Msgs, intake.StreamName, waiting)
			return
		}
		d.ok("%d commands wait in %s", info.State.Msgs, intake.StreamName)
	}
}
