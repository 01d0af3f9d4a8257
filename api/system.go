package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"waybill/api/auth"
	"waybill/api/wire"
	"waybill/eventstore"
	"waybill/projections"
)

// Names of the projections that queries wait for.
const (
	projectionOrderList   = "order_list"
	projectionOrderDetail = "order_detail"
	projectionTimeline    = "order_timeline"
	projectionStock       = "stock_levels"
	projectionStuck       = "stuck_orders"
)

// maxScan bounds how many events of the log one request with a filter looks at.
const maxScan = 20_000

// scanPage is how many events are read at a time.
const scanPage = 1000

// registerSystem registers the reads of the log and of the engine's own state.
func (s *Server) registerSystem(a huma.API, t *table) {
	query(a, t, auth.EventsRead, huma.Operation{
		OperationID: "list-events", Path: "/v1/events", Summary: "Page through the log", Tags: []string{"events"},
		Description: "Events in the order of their positions. A page with filters looks at 20,000 events at most, so it may be short, or empty, and yet have a next_cursor: go on until has_more is false.",
	}, s.listEvents)
	query(a, t, auth.SystemRead, huma.Operation{
		OperationID: "list-projections", Path: "/v1/projections", Summary: "The read models and their lag", Tags: []string{"system"},
	}, s.listProjections)
}

type listEventsInput struct {
	From          int64    `query:"from" minimum:"1" doc:"Position to begin with; 1 by default"`
	Cursor        string   `query:"cursor" doc:"next_cursor of the page before; wins over from"`
	Limit         int      `query:"limit" minimum:"0" maximum:"1000" doc:"Events of a page; 50 by default"`
	Types         []string `query:"type,explode" doc:"Any of these; order. stands for all that begin with it"`
	Stream        string   `query:"stream" doc:"Events of one stream"`
	Order         string   `query:"order" doc:"Everything that belongs to an order, in whichever stream"`
	Actor         string   `query:"actor"`
	CorrelationID string   `query:"correlation_id"`
}

type eventPage struct {
	Data       []wire.Event `json:"data"`
	HasMore    bool         `json:"has_more" doc:"There is more of the log to look at"`
	NextCursor string       `json:"next_cursor,omitempty" doc:"Where the next page begins"`
	Head       string       `json:"head" doc:"Position of the last event of the log"`
}

type listEventsOutput struct{ Body eventPage }

func (s *Server) listEvents(ctx context.Context, in *listEventsInput) (*listEventsOutput, error) {
	in.Types = anyOf(in.Types)
	from := max(in.From, 1)
	if in.Cursor != "" {
		var err error
		if from, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil || from < 1 {
			return nil, invalidParameter("query.cursor", "is not a cursor of this list")
		}
	}
	head, err := s.cfg.Log.Head(ctx)
	if err != nil {
		return nil, s.readError(ctx, fmt.Errorf("list events: %w", err))
	}
	limit := in.Limit
	if limit == 0 {
		limit = 50
	}
	sc := scan{
		reveal: callFrom(ctx).principal.May(auth.PersonalRead), limit: limit, next: from,
		filter: eventFilter{types: in.Types, stream: in.Stream, order: in.Order, actor: in.Actor, correlation: in.CorrelationID},
	}
	if in.Stream != "" {
		err = sc.stream(ctx, s.cfg.Log, in.Stream, head.Position)
	} else {
		err = sc.log(ctx, s.cfg.Log, head.Position)
	}
	if err != nil {
		return nil, s.readError(ctx, err)
	}
	out := eventPage{Data: sc.found, Head: strconv.FormatInt(head.Position, 10)}
	if out.HasMore = sc.next <= head.Position; out.HasMore {
		out.NextCursor = strconv.FormatInt(sc.next, 10)
	}
	return &listEventsOutput{Body: out}, nil
}

// scan looks for events that a filter wants.
type scan struct {
	filter eventFilter
	reveal bool
	limit  int
	next   int64 // the first position that was not looked at
	found  []wire.Event
}

// log looks through the log from next on.
func (sc *scan) log(ctx context.Context, log eventstore.Reader, head int64) error {
	sc.found = []wire.Event{}
	for seen := 0; seen < maxScan && sc.next <= head; {
		events, err := log.ReadLog(ctx, sc.next, min(scanPage, max(sc.limit, 100)))
		if err != nil {
			return fmt.Errorf("list events: %w", err)
		}
		if len(events) == 0 {
			return nil
		}
		for i := range events {
			seen++
			full, err := sc.take(&events[i])
			if err != nil || full {
				return err
			}
		}
	}
	return nil
}

// stream looks through one stream, for what stands at next or behind it.
func (sc *scan) stream(ctx context.Context, log eventstore.Reader, stream string, head int64) error {
	sc.found = []wire.Event{}
	for e, err := range log.ReadStream(ctx, stream, 1) {
		if err != nil {
			return fmt.Errorf("list events: %w", err)
		}
		if e.Position < sc.next {
			continue
		}
		full, err := sc.take(&e)
		if err != nil || full {
			return err
		}
	}
	sc.next = head + 1
	return nil
}

// take looks at one event and reports whether the page is full.
func (sc *scan) take(e *eventstore.Event) (full bool, err error) {
	sc.next = e.Position + 1
	m, err := e.Metadata()
	if err != nil {
		return false, fmt.Errorf("list events: %w", err)
	}
	if !sc.filter.wants(e, &m) {
		return false, nil
	}
	ce, err := wire.NewEvent(e, &m, sc.reveal)
	if err != nil {
		return false, err
	}
	sc.found = append(sc.found, ce)
	return len(sc.found) >= sc.limit, nil
}

// Projection is the state of one version of a read model.
type Projection struct {
	Name       string    `json:"name"`
	Version    int       `json:"version"`
	State      string    `json:"state" enum:"building,live,retired"`
	Position   int64     `json:"position" doc:"Everything up to here is folded in"`
	LagEvents  int64     `json:"lag_events" doc:"Events of the log that are not"`
	LagSeconds float64   `json:"lag_seconds" doc:"How long ago the first of these was recorded"`
	MovedAt    time.Time `json:"moved_at" doc:"When the position last moved"`
	ParkedKeys int       `json:"parked_keys" doc:"Keys whose events wait because one of them could not be applied"`
}

type listProjectionsOutput struct {
	Body struct {
		Data []Projection `json:"data"`
		Head int64        `json:"head" doc:"Position of the last event of the log"`
	}
}

func (s *Server) listProjections(ctx context.Context, _ *struct{}) (*listProjectionsOutput, error) {
	versions, err := projections.Versions(ctx, s.cfg.Reads)
	if err != nil {
		return nil, s.readError(ctx, err)
	}
	head, err := s.cfg.Log.Head(ctx)
	if err != nil {
		return nil, s.readError(ctx, fmt.Errorf("list projections: %w", err))
	}
	out := &listProjectionsOutput{}
	out.Body.Head, out.Body.Data = head.Position, make([]Projection, 0, len(versions))
	for i := range versions {
		p, err := s.projection(ctx, &versions[i], head.Position)
		if err != nil {
			return nil, s.readError(ctx, err)
		}
		out.Body.Data = append(out.Body.Data, p)
	}
	return out, nil
}

func (s *Server) projection(ctx context.Context, v *projections.Version, head int64) (Projection, error) {
	p := Projection{
		Name: v.Name, Version: v.Version, State: string(v.State), Position: v.Position, LagEvents: max(head-v.Position, 0),
		MovedAt: v.MovedAt, ParkedKeys: v.ParkedKeys,
	}
	if p.LagEvents == 0 {
		return p, nil
	}
	next, err := s.cfg.Log.ReadLog(ctx, v.Position+1, 1)
	if err != nil {
		return p, fmt.Errorf("lag of projection %s: %w", v.Name, err)
	}
	if len(next) > 0 {
		p.LagSeconds = max(s.now().Sub(next[0].RecordedAt).Seconds(), 0)
	}
	return p, nil
}
