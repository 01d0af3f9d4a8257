package commands

import (
	"context"
	"fmt"
	"log/slog"

	"waybill/domain/order"
	"waybill/eventstore"
	"waybill/internal/failpoint"
)

// saver writes snapshots, one at a time and off the way of commands. It reads the stream anew, so that a snapshot
// never holds what has not committed; the cached state is no use for that, since it runs ahead of the log.
type saver struct {
	bus  *Bus
	jobs chan *entry
}

// saverQueue bounds the streams that wait for a snapshot. What does not fit is dropped: the stream asks again later.
const saverQueue = 64

func newSaver(b *Bus) *saver { return &saver{bus: b, jobs: make(chan *entry, saverQueue)} }

// consider asks for a snapshot of e if one is due: after enough events, and after as many bytes of events as the last
// snapshot has. So a large state is not written over and over for small changes, and what snapshots cost stays in
// proportion to what was appended. The caller holds e's lock.
func (s *saver) consider(e *entry) {
	if s.bus.cfg.Snapshots == nil || e.fresh < s.bus.cfg.SnapshotEvery || e.freshLen < e.snapshotLen.Load() {
		return
	}
	if _, ok := order.ParseStream(e.stream); ok {
		return // see Bus.restore
	}
	select {
	case s.jobs <- e:
		e.fresh, e.freshLen = 0, 0
	default:
		e.fresh -= s.bus.cfg.SnapshotEvery / 2 // busy: not again at the very next event
		s.bus.metrics.snapshotsDropped.Inc()
	}
}

func (s *saver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-s.jobs:
			if err := s.save(ctx, e); err != nil && ctx.Err() == nil {
				s.bus.cfg.Logger.WarnContext(ctx, "snapshot not saved", attrStream(e.stream), attrError(err))
			}
		}
	}
}

// save writes a snapshot of what the log holds of the stream of e.
func (s *saver) save(ctx context.Context, e *entry) error {
	b := s.bus
	state := b.kinds.empty(false)
	old, _ := b.readSnapshot(ctx, e.stream, state)
	version := old.Version
	for ev, err := range b.log.ReadStream(ctx, e.stream, version+1) {
		if err == nil {
			err = state.fold(&ev)
		}
		if err != nil {
			return fmt.Errorf("read stream %s: %w", e.stream, err)
		}
		version = ev.Version
	}
	if version == old.Version {
		return nil
	}
	if failpoint.On(failpoint.BugSnapshotAhead) {
		version++
	}
	schema, data, err := state.snapshot()
	if err != nil {
		return err
	}
	if err := b.cfg.Snapshots.SaveSnapshot(ctx, eventstore.Snapshot{Stream: e.stream, Version: version, Schema: schema, Data: data}); err != nil {
		return fmt.Errorf("save snapshot of %s: %w", e.stream, err)
	}
	e.snapshotLen.Store(int64(len(data)))
	b.metrics.snapshotsSaved.Inc()
	return nil
}

func attrStream(stream string) slog.Attr { return slog.String("stream", stream) }

func attrError(err error) slog.Attr { return slog.Any("error", err) }
