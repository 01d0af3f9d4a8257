package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"waybill/api/dispatch"
	"waybill/api/problem"
	"waybill/projections"
	"waybill/projections/keyset"
)

// defaultWait is how long a query waits for its read model if it does not say.
const defaultWait = 2 * time.Second

// Freshness is what every query takes to read what was just written.
type Freshness struct {
	MinPosition int64  `query:"min_position" minimum:"0" doc:"Answer only from a read model that has seen this position"`
	Token       string `header:"Consistency-Token" doc:"Like min_position: the token of a reply to a command"`
	Prefer      string `header:"Prefer" doc:"wait=N: wait up to N seconds for the read model; 2 by default" example:"wait=2"`
}

// Fresh is what replies to queries carry.
type Fresh struct {
	Token string `header:"Consistency-Token" doc:"The position that the read model had seen, at least"`
}

// await waits until the projection has seen what the query asks for, and returns the position that it has seen at least.
func (s *Server) await(ctx context.Context, f *Freshness, projection string) (int64, error) {
	want := f.MinPosition
	if f.Token != "" {
		token, err := strconv.ParseInt(f.Token, 10, 64)
		if err != nil || token < 0 {
			return 0, invalidParameter("header.Consistency-Token", "must be a token of a reply")
		}
		want = max(want, token)
	}
	return s.awaitPosition(ctx, projection, want, f.Prefer)
}

func (s *Server) awaitPosition(ctx context.Context, projection string, want int64, prefer string) (int64, error) {
	if want > 0 {
		wait, err := waitOf(prefer, s.cfg.MaxWait)
		if err != nil {
			return 0, err
		}
		// One look comes before any wait: it is all that wait=0 asks for, and most models are far enough.
		at, err := s.cfg.Checkpoints.Position(ctx, projection)
		switch {
		case err == nil && at >= want:
			return at, nil
		case err != nil && (wait == 0 || !errors.Is(err, projections.ErrUnknown)):
			return 0, s.readError(ctx, err)
		case wait == 0:
			return 0, s.readError(ctx, &projections.BehindError{Projection: projection, Position: at, Want: want})
		}
		waitCtx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if err := s.waitFor(waitCtx, projection, want); err != nil {
			if behind, ok := errors.AsType[*projections.BehindError](err); ok {
				behind.Position = max(behind.Position, at)
			}
			return 0, s.readError(ctx, err)
		}
	}
	at, err := s.cfg.Checkpoints.Position(ctx, projection)
	if err != nil {
		return 0, s.readError(ctx, err)
	}
	return at, nil
}

// waitFor waits for a position, and for the read model itself if it is not built yet.
func (s *Server) waitFor(ctx context.Context, projection string, want int64) error {
	for {
		err := s.cfg.Checkpoints.WaitFor(ctx, projection, want)
		if !errors.Is(err, projections.ErrUnknown) {
			return err
		}
		t := time.NewTimer(unbuiltPause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return &projections.BehindError{Projection: projection, Want: want}
		}
	}
}

// unbuiltPause is how long to wait before a read model that is not built yet is asked for again.
const unbuiltPause = 20 * time.Millisecond

// waitOf reads the wish in a Prefer header (RFC 7240); other preferences are passed over.
func waitOf(prefer string, most time.Duration) (time.Duration, error) {
	for part := range strings.SplitSeq(prefer, ",") {
		value, ok := strings.CutPrefix(strings.TrimSpace(part), "wait=")
		if !ok {
			continue
		}
		seconds, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32)
		if err != nil || seconds < 0 {
			return 0, invalidParameter("header.Prefer", "wait must be a number of seconds")
		}
		return min(time.Duration(seconds)*time.Second, most), nil
	}
	return min(defaultWait, most), nil
}

// readError puts the error of a read model into the vocabulary.
func (s *Server) readError(ctx context.Context, err error) error {
	c := callFrom(ctx)
	if behind, ok := errors.AsType[*projections.BehindError](err); ok {
		p := problem.New(problem.ProjectionBehind, "%v", behind)
		p.Values = []byte(`{"projection":` + strconv.Quote(behind.Projection) + `,"position":` + strconv.FormatInt(behind.Position, 10) +
			`,"min_position":` + strconv.FormatInt(behind.Want, 10) + `}`)
		return p
	}
	if filter, ok := errors.AsType[*keyset.FilterError](err); ok {
		return invalidParameter("query."+filter.Field, filter.Reason)
	}
	switch {
	case errors.Is(err, keyset.ErrBadCursor):
		return invalidParameter("query.cursor", "is not a cursor of this list with these filters")
	case errors.Is(err, projections.ErrUnknown):
		return problem.New(problem.Unavailable, "the read model is not built yet")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem.New(problem.TimedOut, "the query was not answered in time")
	}
	if _, ok := errors.AsType[*problem.Problem](err); ok {
		return err
	}
	s.log.ErrorContext(ctx, "query failed", slog.String("request_id", c.requestID), slog.Any("error", err))
	if dispatch.Unreachable(err) {
		return problem.New(problem.Unavailable, "the database cannot be reached at the moment")
	}
	return problem.Of(err)
}

// anyOf returns the values of a parameter that may be repeated, and hold several with commas between. Empty ones do not
// count.
func anyOf(values []string) []string {
	var list []string
	for _, v := range values {
		list = append(list, strings.FieldsFunc(v, func(r rune) bool { return r == ',' })...)
	}
	return list
}

// known takes the values of a parameter apart, and refuses those that are not among the known ones.
func known(name string, values *[]string, among []string) error {
	*values = anyOf(*values)
	for _, v := range *values {
		if !slices.Contains(among, v) {
			return invalidParameter("query."+name, fmt.Sprintf("%q is not one of %s", v, strings.Join(among, ", ")))
		}
	}
	return nil
}

func texts[T fmt.Stringer](values []T) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = v.String()
	}
	return list
}

// optional is a parameter that can be told apart from its zero value.
type optional[T any] struct {
	Value T
	Set   bool
}

// Schema implements huma.SchemaProvider.
func (o optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// Receiver implements huma.ParamWrapper.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(o).Elem().Field(0) }

// OnParamSet implements huma.ParamReactor.
func (o *optional[T]) OnParamSet(set bool, _ any) { o.Set = set }

// pointer returns the value, or nil if none was given.
func (o *optional[T]) pointer() *T {
	if !o.Set {
		return nil
	}
	return &o.Value
}
