package payment

import (
	"waybill/domain"
	"waybill/domain/money"
)

// Authorise asks the gateway for the money of a payment. With capture mode auto it is captured with that.
type Authorise struct {
	Target
	OperationID string
}

// AdjustAuthorisation asks the gateway to authorise another amount in place of the one that is.
type AdjustAuthorisation struct {
	Target
	OperationID string
	Amount      money.Money // all that is to be authorised then, with what is captured of it
}

// ExpireAuthorisation records that an authorisation has lapsed because its time is over. What the gateway says of that
// comes as a fact, and needs no time to be over.
type ExpireAuthorisation struct{ Target }

// AuthorisationRequested records that the gateway is to be asked for the money.
type AuthorisationRequested struct {
	Head
	OperationID string      `msgpack:"operation_id,omitempty"`
	Amount      money.Money `msgpack:"amount"`
}

// AdjustmentRequested records that the gateway is to be asked for another amount.
type AdjustmentRequested struct {
	Head
	OperationID string      `msgpack:"operation_id,omitempty"`
	Amount      money.Money `msgpack:"amount"` // all that is to be authorised then
}

// CommandType implements [Command].
func (Authorise) CommandType() string { return CommandAuthorise }

// CommandType implements [Command].
func (AdjustAuthorisation) CommandType() string { return CommandAdjustAuthorisation }

// CommandType implements [Command].
func (ExpireAuthorisation) CommandType() string { return CommandExpireAuthorisation }

// EventType implements [Event].
func (AuthorisationRequested) EventType() string { return TypeAuthorisationRequested }

// EventType implements [Event].
func (AdjustmentRequested) EventType() string { return TypeAdjustmentRequested }

func (c Authorise) decide(p *Payment) ([]Event, error) {
	if err := checkOperation(c.OperationID); err != nil {
		return nil, err
	}
	o := Operation{ID: c.OperationID, Kind: OperationAuthorise, Amount: p.Terms.Amount.Minor}
	if done, err := p.repeated(o); done || err != nil {
		return nil, err
	}
	if err := p.refuseAuthorise(); err != nil {
		return nil, err
	}
	return []Event{AuthorisationRequested{Head: p.head(c.Now), OperationID: o.ID, Amount: p.Terms.Amount}}, nil
}

// refuseAuthorise refuses an authorisation while another is open, and once there was one, or one failed for good.
func (p *Payment) refuseAuthorise() error {
	if err := p.inFlight(func(o *Operation, _ OperationState) bool { return o.Kind == OperationAuthorise }); err != nil {
		return err
	}
	switch status := p.Status(); {
	case status == StatusInitiated:
		return nil
	case status == StatusFailed && p.mayRetry():
		return nil
	}
	return transition(p, Authorise{})
}

// mayRetry reports whether the last authorisation that failed did so for a reason that may pass.
func (p *Payment) mayRetry() bool {
	for i := len(p.Operations) - 1; i >= 0; i-- {
		if o := &p.Operations[i]; o.Kind == OperationAuthorise {
			_, standing := p.stateOf(o)
			return standing.Failed && standing.Retryable
		}
	}
	return false
}

func (e AuthorisationRequested) apply(p *Payment) {
	p.begin(e.Head, Operation{ID: e.OperationID, Kind: OperationAuthorise, Amount: e.Amount.Minor})
}

func (c AdjustAuthorisation) decide(p *Payment) ([]Event, error) {
	f := &fields{}
	f.check(checkOperation(c.OperationID))
	f.amount(c.Amount, p.Terms.Amount.Currency)
	if f.err != nil {
		return nil, f.err
	}
	o := Operation{ID: c.OperationID, Kind: OperationAdjust, Amount: c.Amount.Minor}
	if done, err := p.repeated(o); done || err != nil {
		return nil, err
	}
	s := p.sums()
	if err := p.refuseAdjust(&s, c.Now); err != nil {
		return nil, err
	}
	if used := plus(s.captured, s.partVoided); c.Amount.Minor < used {
		return nil, AdjustmentBelowUsed{Requested: c.Amount, Used: p.in(used)}
	}
	if c.Amount.Minor == s.gross {
		return nil, nil
	}
	return []Event{AdjustmentRequested{Head: p.head(c.Now), OperationID: o.ID, Amount: c.Amount}}, nil
}

// refuseAdjust refuses to adjust whatever amount: while something else happens to the authorisation, and when it is over.
func (p *Payment) refuseAdjust(s *sums, now domain.Time) error {
	if !p.Terms.Capabilities.IncrementalAuth {
		return GatewayCapabilityMissing{Gateway: p.Terms.Gateway, Capability: CapabilityIncrementalAuth}
	}
	if err := p.inFlight(func(o *Operation, _ OperationState) bool { return o.Kind != OperationRefund }); err != nil {
		return err
	}
	if err := p.lapsed(s, now); err != nil {
		return err
	}
	if s.live == 0 {
		return transition(p, AdjustAuthorisation{})
	}
	return nil
}

func (e AdjustmentRequested) apply(p *Payment) {
	p.begin(e.Head, Operation{ID: e.OperationID, Kind: OperationAdjust, Amount: e.Amount.Minor})
}

func (c ExpireAuthorisation) decide(p *Payment) ([]Event, error) {
	s := p.sums()
	switch {
	case s.lapsed:
		return nil, nil
	case s.live == 0:
		return nil, transition(p, c)
	}
	if err := p.refuseExpire(); err != nil {
		return nil, err
	}
	by := domain.Time(p.CaptureBy.Value)
	if by.IsZero() || c.Now < by {
		return nil, NotYetDue{CaptureBefore: by, Now: c.Now}
	}
	return p.record(Fact{Kind: FactAuthorisationExpired, OccurredAt: by}, domain.Personal{}, c.Now)
}

// refuseExpire refuses to give an authorisation up for lapsed while somebody may have used it.
func (p *Payment) refuseExpire() error {
	return p.inFlight(func(o *Operation, _ OperationState) bool { return o.Kind != OperationRefund })
}

// lapsed refuses what needs an authorisation whose time is over.
func (p *Payment) lapsed(s *sums, now domain.Time) error {
	by := domain.Time(p.CaptureBy.Value)
	if s.lapsed || s.live > 0 && !by.IsZero() && now >= by {
		return AuthorisationLapsed{CaptureBefore: by, ExpiredAt: p.ExpiredAt}
	}
	return nil
}
