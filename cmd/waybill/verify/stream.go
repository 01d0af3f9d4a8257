package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waybill/eventstore"
	"waybill/eventstore/relay"
)

// stream checks I10: it reads the whole event stream beside the log.
func (v *verifier) stream(ctx context.Context) ([]Result, error) {
	began := time.Now()
	c := v.check("I10", "the stream's sequence is the log's position, with the same content")
	if v.Conn == nil {
		c.Skipped = "no connection to NATS"
		return []Result{c.result(began)}, nil
	}
	if v.head.Position == 0 {
		c.Checked = "an empty log"
		return []Result{c.result(began)}, nil
	}
	consumer, err := relay.NewConsumer(relay.ConsumerConfig{Conn: v.Conn, Epoch: v.head.Epoch, MaxBatch: pageSize})
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	compared, err := v.compare(ctx, c, consumer)
	if err != nil {
		return nil, err
	}
	c.Checked = fmt.Sprintf("%d messages of %d events", compared, v.head.Position)
	return []Result{c.result(began)}, nil
}

// compare walks stream and log together up to the head.
func (v *verifier) compare(ctx context.Context, c *check, consumer *relay.Consumer) (compared int64, err error) {
	for consumer.Position() <= v.head.Position {
		batch, err := v.take(ctx, consumer)
		if gap, ok := errors.AsType[*relay.GapError](err); ok {
			if gap.From > 1 { // what is older than the stream's first message was let go on purpose
				c.violated("positions %d to %d are not in the stream", gap.From, gap.To)
			}
			continue
		}
		if epoch, ok := errors.AsType[*relay.EpochError](err); ok {
			c.violated("%v", epoch)
			return compared, nil
		}
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			c.violated("the stream ends before position %d, the log has %d: nothing came within %s", consumer.Position(), v.head.Position, v.Wait)
			return compared, nil
		}
		if err != nil {
			return compared, err
		}
		n, err := v.match(ctx, c, batch)
		if err != nil {
			return compared, err
		}
		compared += n
		v.Progress("stream", batch[len(batch)-1].Position, v.head.Position)
	}
	return compared, nil
}

func (v *verifier) take(ctx context.Context, consumer *relay.Consumer) ([]eventstore.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, v.Wait)
	defer cancel()
	return consumer.Next(ctx)
}

// match compares messages with the events at their positions.
func (v *verifier) match(ctx context.Context, c *check, batch []eventstore.Event) (int64, error) {
	page, err := v.Log.ReadLog(ctx, batch[0].Position, len(batch))
	if err != nil {
		return 0, err
	}
	for i := range batch {
		if batch[i].Position > v.head.Position {
			return int64(i), nil // published after the check began
		}
		if i >= len(page) {
			c.violated("position %d is in the stream and not in the log", batch[i].Position)
			continue
		}
		if relay.Hash(&batch[i]) != relay.Hash(&page[i]) {
			c.violated("position %d differs: %s %s in the stream, %s %s in the log", batch[i].Position, batch[i].Type, batch[i].ID, page[i].Type, page[i].ID)
		}
	}
	return int64(len(batch)), nil
}
