package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"waybill/api/auth"
	"waybill/api/problem"
	"waybill/domain/money"
	"waybill/domain/order"
	"waybill/projections/keyset"
	"waybill/projections/orderdetail"
	"waybill/projections/orderlist"
	"waybill/projections/stocklevels"
	"waybill/projections/stuckorders"
	"waybill/projections/timeline"
)

// Paging is what every list takes.
type Paging struct {
	Limit  int    `query:"limit" minimum:"0" maximum:"200" doc:"Rows of a page; 50 by default"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

// page is a page of a list with what replies carry. Total stands there if it was asked for.
type page[T any] struct {
	keyset.Page[T]

	Total *keyset.Count `json:"total,omitempty" doc:"With include=total: counted up to 10,000"`
}

type pageOutput[T any] struct {
	Fresh

	Body page[T]
}

func pageOf[T any](at int64, p keyset.Page[T]) *pageOutput[T] {
	return &pageOutput[T]{Fresh: freshAt(at), Body: page[T]{Page: p}}
}

func freshAt(position int64) Fresh { return Fresh{Token: strconv.FormatInt(position, 10)} }

// query registers one operation with huma and announces it to the table of routes. The framework's own Context carries
// the call, so the handler sees only what it needs.
func query[I, O any](a huma.API, t *table, scope auth.Scope, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	op.Method = http.MethodGet
	op.RejectUnknownQueryParameters = true
	op.Security = []map[string][]string{{securityScheme: {}}}
	op.Description = joinSentences(op.Description, fmt.Sprintf("Needs the scope `%s`.", scope))
	op.Responses = map[string]*huma.Response{"default": problemResponse()}
	t.plan(&route{method: op.Method, path: op.Path, scope: scope})
	huma.Register(a, op, h)
}

// registerQueries registers all reads of the read models.
func (s *Server) registerQueries(a huma.API, t *table) {
	query(a, t, auth.OrdersRead, huma.Operation{OperationID: "list-orders", Path: "/v1/orders", Summary: "List orders", Tags: []string{"orders"}}, s.listOrders)
	query(a, t, auth.OrdersRead, huma.Operation{
		OperationID: "get-order", Path: "/v1/orders/{order_id}", Summary: "One order, now or as it was", Tags: []string{"orders"},
		Description: "With at_version, at_position or at, the order as it was then, folded from its events by the code that keeps the read model.",
	}, s.getOrder)
	query(a, t, auth.OrdersRead, huma.Operation{
		OperationID: "order-timeline", Path: "/v1/orders/{order_id}/timeline", Summary: "What happened to an order", Tags: []string{"orders"},
		Description: "Every event that belongs to the order and every command that was refused, with who asked and what caused it.",
	}, s.orderTimeline)
	query(a, t, auth.OrdersRead, huma.Operation{
		OperationID: "list-stuck-orders", Path: "/v1/stuck-orders", Summary: "Orders that wait, and what for", Tags: []string{"orders"},
	}, s.listStuck)
	query(a, t, auth.StockRead, huma.Operation{OperationID: "list-stock", Path: "/v1/stock", Summary: "List stock levels", Tags: []string{"stock"}}, s.listStock)
	query(a, t, auth.StockRead, huma.Operation{
		OperationID: "get-stock", Path: "/v1/stock/{sku}/{location}", Summary: "The level of one SKU at one location", Tags: []string{"stock"},
	}, s.getStock)
	query(a, t, auth.StockRead, huma.Operation{
		OperationID: "list-reservations", Path: "/v1/reservations", Summary: "What is set aside, and for whom", Tags: []string{"stock"},
	}, s.listReservations)
}

type listOrdersInput struct {
	Freshness
	Paging

	Lifecycle        []string        `query:"lifecycle,explode" doc:"Any of these: pending, confirmed, completed, rejected, expired, cancelling, cancelled"`
	PaymentStatus    []string        `query:"payment_status,explode" doc:"Any of these: disputed, requires_action, pending, overpaid, refunded, partially_refunded, paid, partially_paid, authorised, partially_authorised, expired, voided, failed, not_paid"`
	FulfilmentStatus []string        `query:"fulfilment_status,explode" doc:"Any of these: on_hold, cancelled, delivered, partially_delivered, shipped, partially_shipped, in_progress, unfulfilled"`
	ReturnStatus     []string        `query:"return_status,explode" doc:"Any of these: requested, in_progress, returned, partially_returned, none"`
	Channels         []string        `query:"channel,explode" doc:"Any of these"`
	Countries        []string        `query:"country,explode" doc:"Any of these, as two letters such as DE"`
	CustomerID       string          `query:"customer_id"`
	Number           string          `query:"number" doc:"Exact order number"`
	SourceRef        string          `query:"source_ref" doc:"Exact reference upstream"`
	Holds            []string        `query:"hold,explode" doc:"Kinds of active holds, any of these"`
	OnHold           optional[bool]  `query:"on_hold" doc:"With any active hold, or with none"`
	Tags             []string        `query:"tag,explode" doc:"All of these; repeat the parameter"`
	SKUs             []string        `query:"sku,explode" doc:"All of these; repeat the parameter"`
	Currency         string          `query:"currency"`
	TotalMin         optional[int64] `query:"total_min" doc:"Minor units, inclusive; needs currency"`
	TotalMax         optional[int64] `query:"total_max" doc:"Minor units, inclusive; needs currency"`
	PlacedFrom       time.Time       `query:"placed_from" doc:"Inclusive"`
	PlacedBefore     time.Time       `query:"placed_before" doc:"Exclusive"`
	UpdatedFrom      time.Time       `query:"updated_from" doc:"Inclusive"`
	UpdatedBefore    time.Time       `query:"updated_before" doc:"Exclusive"`
	Sort             string          `query:"sort" enum:"placed_at,-placed_at,updated_at,-updated_at,total,-total,number,-number" doc:"-placed_at by default"`
	Include          string          `query:"include" enum:"total" doc:"total: count the matches, up to 10,000"`
}

func (in *listOrdersInput) filter() orderlist.Filter {
	return orderlist.Filter{
		Lifecycle: in.Lifecycle, PaymentStatus: in.PaymentStatus, FulfilmentStatus: in.FulfilmentStatus, ReturnStatus: in.ReturnStatus,
		Channels: in.Channels, Countries: in.Countries, CustomerID: in.CustomerID, Number: in.Number, SourceRef: in.SourceRef,
		Holds: in.Holds, OnHold: in.OnHold.pointer(), Tags: in.Tags, SKUs: in.SKUs, Currency: in.Currency,
		TotalMin: in.TotalMin.pointer(), TotalMax: in.TotalMax.pointer(), PlacedFrom: in.PlacedFrom, PlacedBefore: in.PlacedBefore,
		UpdatedFrom: in.UpdatedFrom, UpdatedBefore: in.UpdatedBefore, Sort: orderlist.Sort(in.Sort), Limit: in.Limit, Cursor: in.Cursor,
	}
}

// check refuses values that no order can have: a filter with one would find nothing and look as if there were nothing.
func (in *listOrdersInput) check() error {
	for _, p := range []struct {
		name   string
		values *[]string
		known  []string
	}{
		{"lifecycle", &in.Lifecycle, texts(order.Lifecycles())},
		{"payment_status", &in.PaymentStatus, names(order.PaymentStatuses())},
		{"fulfilment_status", &in.FulfilmentStatus, names(order.FulfilmentStatuses())},
		{"return_status", &in.ReturnStatus, names(order.ReturnStatuses())},
		{"hold", &in.Holds, []string{string(order.HoldFraud), string(order.HoldPayment), string(order.HoldAddress), string(order.HoldDispute), string(order.HoldManual)}},
	} {
		if err := known(p.name, p.values, p.known); err != nil {
			return err
		}
	}
	in.Channels, in.Countries = anyOf(in.Channels), anyOf(in.Countries)
	for _, c := range in.Countries {
		if len(c) != 2 || strings.ContainsFunc(c, func(r rune) bool { return r < 'A' || r > 'Z' }) {
			return invalidParameter("query.country", fmt.Sprintf("%q is not an ISO 3166-1 code such as DE", c))
		}
	}
	if in.Currency != "" {
		if _, err := money.ParseCurrency(in.Currency); err != nil {
			return invalidParameter("query.currency", fmt.Sprintf("%q is not an ISO 4217 code such as EUR", in.Currency))
		}
	}
	return nil
}

func (s *Server) listOrders(ctx context.Context, in *listOrdersInput) (*pageOutput[orderlist.Row], error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	at, err := s.await(ctx, &in.Freshness, projectionOrderList)
	if err != nil {
		return nil, err
	}
	p, err := orderlist.List(ctx, s.cfg.Reads, in.filter())
	if err != nil {
		return nil, s.readError(ctx, err)
	}
	out := pageOf(at, p)
	if in.Include == "total" {
		n, err := orderlist.CountUpTo(ctx, s.cfg.Reads, in.filter())
		if err != nil {
			return nil, s.readError(ctx, err)
		}
		out.Body.Total = &n
	}
	return out, nil
}

type getOrderInput struct {
	Freshness

	OrderID    string    `path:"order_id"`
	AtVersion  int64     `query:"at_version" minimum:"1" doc:"The order as this version left it"`
	AtPosition int64     `query:"at_position" minimum:"1" doc:"The order as it was at this position of the log"`
	At         time.Time `query:"at" doc:"The order as it was at this time"`
}

type getOrderOutput struct {
	Fresh

	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body orderdetail.Detail
}

func (s *Server) getOrder(ctx context.Context, in *getOrderInput) (*getOrderOutput, error) {
	var d orderdetail.Detail
	var at int64
	var err error
	if in.AtVersion > 0 || in.AtPosition > 0 || !in.At.IsZero() {
		d, at, err = s.orderAsOf(ctx, in)
	} else if at, err = s.await(ctx, &in.Freshness, projectionOrderDetail); err == nil {
		d, err = orderdetail.Get(ctx, s.cfg.Reads, in.OrderID)
	}
	if errors.Is(err, keyset.ErrNotFound) {
		return nil, problem.New(problem.OrderNotFound, "there is no order %s", in.OrderID)
	}
	if err != nil {
		return nil, s.readError(ctx, err)
	}
	if callFrom(ctx).principal.May(auth.PersonalRead) {
		d.RevealPersonal()
	}
	d.AllowedCommands = s.dispatch.Table().Outside(d.AllowedCommands)
	return &getOrderOutput{Fresh: freshAt(at), ETag: `"` + strconv.FormatInt(d.Version, 10) + `"`, Body: d}, nil
}

// orderAsOf folds the events of an order up to a point. It waits for the model that holds them to have seen that point,
// as far as the log itself has.
func (s *Server) orderAsOf(ctx context.Context, in *getOrderInput) (orderdetail.Detail, int64, error) {
	head, err := s.cfg.Log.Head(ctx)
	if err != nil {
		return orderdetail.Detail{}, 0, fmt.Errorf("read order %s as it was: %w", in.OrderID, err)
	}
	if in.AtPosition > head.Position {
		return orderdetail.Detail{}, 0, problem.New(problem.VersionNotFound, "the log ends at position %d", head.Position)
	}
	in.MinPosition = max(in.MinPosition, in.AtPosition)
	at, err := s.await(ctx, &in.Freshness, projectionTimeline)
	if err != nil {
		return orderdetail.Detail{}, 0, err
	}
	events, err := timeline.Events(ctx, s.cfg.Reads, in.OrderID, timeline.Until{Version: in.AtVersion, Position: in.AtPosition, At: in.At})
	if err != nil {
		return orderdetail.Detail{}, 0, err
	}
	d, err := orderdetail.Fold(events)
	if errors.Is(err, keyset.ErrNotFound) {
		return d, at, s.beforePlaced(ctx, in.OrderID, err)
	}
	if err == nil && d.Version < in.AtVersion && in.AtPosition == 0 && in.At.IsZero() {
		return d, at, problem.New(problem.VersionNotFound, "order %s is at version %d", in.OrderID, d.Version)
	}
	return d, at, err
}

// beforePlaced says when the order was placed, if it was placed after the point that was asked for; else it returns err.
func (s *Server) beforePlaced(ctx context.Context, orderID string, err error) error {
	events, readErr := timeline.Events(ctx, s.cfg.Reads, orderID, timeline.Until{Version: 1})
	if readErr != nil {
		return readErr
	}
	for i := range events {
		if e := &events[i]; e.Type == order.TypePlaced {
			return problem.New(problem.OrderNotFound, "there was no order %s then: the order was placed at position %d, at %s",
				orderID, e.Position, e.RecordedAt.UTC().Format(time.RFC3339Nano))
		}
	}
	return err
}

type timelineInput struct {
	Freshness
	Paging

	OrderID     string   `path:"order_id"`
	Types       []string `query:"type,explode" doc:"Types of events or commands, any of these"`
	OldestFirst bool     `query:"oldest_first" doc:"Newest first by default"`
}

func (s *Server) orderTimeline(ctx context.Context, in *timelineInput) (*pageOutput[timeline.Entry], error) {
	in.Types = anyOf(in.Types)
	at, err := s.await(ctx, &in.Freshness, projectionTimeline)
	if err != nil {
		return nil, err
	}
	p, err := timeline.Get(ctx, s.cfg.Reads, s.cfg.Refused, timeline.Filter{
		OrderID: in.OrderID, Types: in.Types, OldestFirst: in.OldestFirst, Personal: callFrom(ctx).principal.May(auth.PersonalRead),
		Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, s.readError(ctx, err)
	}
	if len(p.Data) == 0 && in.Cursor == "" && len(in.Types) == 0 {
		return nil, problem.New(problem.OrderNotFound, "there is no order %s", in.OrderID)
	}
	return pageOf(at, p), nil
}

type listStuckInput struct {
	Freshness
	Paging

	OlderThan int64          `query:"older_than" minimum:"0" doc:"Seconds that the order has waited, at least"`
	Lifecycle []string       `query:"lifecycle,explode" doc:"Any of these"`
	Channels  []string       `query:"channel,explode" doc:"Any of these"`
	OnHold    optional[bool] `query:"on_hold"`
}

func (s *Server) listStuck(ctx context.Context, in *listStuckInput) (*pageOutput[stuckorders.Order], error) {
	if err := known("lifecycle", &in.Lifecycle, texts(order.Lifecycles())); err != nil {
		return nil, err
	}
	in.Channels = anyOf(in.Channels)
	at, err := s.await(ctx, &in.Freshness, projectionStuck)
	if err != nil {
		return nil, err
	}
	p, err := stuckorders.List(ctx, s.cfg.Reads, stuckorders.Filter{
		OlderThan: time.Duration(in.OlderThan) * time.Second, Lifecycle: in.Lifecycle, Channels: in.Channels, OnHold: in.OnHold.pointer(),
		Limit: in.Limit, Cursor: in.Cursor,
	}, s.now().UTC())
	if err != nil {
		return nil, s.readError(ctx, err)
	}
	return pageOf(at, p), nil
}

type listStockInput struct {
	Freshness
	Paging

	SKUPrefix      string          `query:"sku_prefix"`
	Locations      []string        `query:"location,explode" doc:"Any of these"`
	AvailableBelow optional[int64] `query:"available_below" doc:"Exclusive"`
	Oversold       optional[bool]  `query:"oversold"`
	Backordered    optional[bool]  `query:"backordered"`
}

func (s *Server) listStock(ctx context.Context, in *listStockInput) (*pageOutput[stocklevels.Level], error) {
	in.Locations = anyOf(in.Locations)
	at, err := s.await(ctx, &in.Freshness, projectionStock)
	if err != nil {
		return nil, err
	}
	p, err := stocklevels.List(ctx, s.cfg.Reads, stocklevels.Filter{
		SKUPrefix: in.SKUPrefix, Locations: in.Locations, AvailableBelow: in.AvailableBelow.pointer(), Oversold: in.Oversold.pointer(),
		Backordered: in.Backordered.pointer(), Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, s.readError(ctx, err)
	}
	return pageOf(at, p), nil
}

type getStockInput struct {
	Freshness

	SKU      string `path:"sku"`
	Location string `path:"location"`
}

type getStockOutput struct {
	Fresh

	ETag string `header:"ETag" doc:"The version, for If-Match"`
	Body stocklevels.Level
}

func (s *Server) getStock(ctx context.Context, in *getStockInput) (*getStockOutput, error) {
	at, err := s.await(ctx, &in.Freshness, projectionStock)
	if err != nil {
		return nil, err
	}
	l, err := stocklevels.Get(ctx, s.cfg.Reads, in.SKU, in.Location)
	if errors.Is(err, keyset.ErrNotFound) {
		return nil, problem.New(problem.StockNotFound, "there is no stock of %q at %q", in.SKU, in.Location)
	}
	if err != nil {
		return nil, s.readError(ctx, err)
	}
	return &getStockOutput{Fresh: freshAt(at), ETag: `"` + strconv.FormatInt(l.Version, 10) + `"`, Body: l}, nil
}

type listReservationsInput struct {
	Freshness
	Paging

	OrderID  string `query:"order_id" doc:"This or sku is needed"`
	SKU      string `query:"sku"`
	Location string `query:"location"`
	Ended    bool   `query:"ended" doc:"Also those that were released or have expired"`
}

func (s *Server) listReservations(ctx context.Context, in *listReservationsInput) (*pageOutput[stocklevels.Reservation], error) {
	at, err := s.await(ctx, &in.Freshness, projectionStock)
	if err != nil {
		return nil, err
	}
	p, err := stocklevels.Reservations(ctx, s.cfg.Reads, stocklevels.ReservationFilter{
		OrderID: in.OrderID, SKU: in.SKU, Location: in.Location, Ended: in.Ended, Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, s.readError(ctx, err)
	}
	return pageOf(at, p), nil
}

// names returns the texts of values that are texts.
func names[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}
