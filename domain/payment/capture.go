package payment

import (
	"waybill/domain"
	"waybill/domain/money"
)

// Capture asks the gateway to take a part of what is authorised, or all of it.
type Capture struct {
	Target
	OperationID  string
	Amount       money.Money
	FulfilmentID string // what it is for, if it is for one
	Final        bool   // nothing more will be captured: the gateway lets go of the rest
}

// CaptureRequested records that the gateway is to take money. The amount is part of it: what the gateway does is held to it.
type CaptureRequested struct {
	Head
	OperationID  string      `msgpack:"operation_id,omitempty"`
	Amount       money.Money `msgpack:"amount"`
	FulfilmentID string      `msgpack:"fulfilment_id,omitempty"`
	Final        bool        `msgpack:"final"`
}

// CommandType implements [Command].
func (Capture) CommandType() string { return CommandCapture }

// EventType implements [Event].
func (CaptureRequested) EventType() string { return TypeCaptureRequested }

func (c Capture) operation() Operation {
	return Operation{
		ID: c.OperationID, Kind: OperationCapture, Amount: c.Amount.Minor, FulfilmentID: c.FulfilmentID, Final: c.Final,
	}
}

func (c Capture) decide(p *Payment) ([]Event, error) {
	f := &fields{}
	f.check(checkOperation(c.OperationID))
	f.amount(c.Amount, p.Terms.Amount.Currency)
	f.text("fulfilment_id", c.FulfilmentID, MaxName)
	if f.err != nil {
		return nil, f.err
	}
	if done, err := p.repeated(c.operation()); done || err != nil {
		return nil, err
	}
	s := p.sums()
	if err := p.refuseCapture(&s, c.Now); err != nil {
		return nil, err
	}
	if possible := s.capturable(); c.Amount.Minor > possible {
		return nil, AmountExceedsAuthorised{Requested: c.Amount, Possible: p.in(possible), Authorised: p.in(s.authorised())}
	}
	if c.Final {
		if err := p.inFlight(func(o *Operation, _ OperationState) bool { return o.Kind == OperationCapture }); err != nil {
			return nil, err // the rest that it lets go of is not known yet
		}
	} else if !p.Terms.Capabilities.MultiCapture && c.Amount.Minor < s.live {
		// The rest would be lost without anybody having asked for that.
		return nil, GatewayCapabilityMissing{Gateway: p.Terms.Gateway, Capability: CapabilityMultiCapture}
	}
	return []Event{CaptureRequested{
		Head: p.head(c.Now), OperationID: c.OperationID, Amount: c.Amount, FulfilmentID: c.FulfilmentID, Final: c.Final,
	}}, nil
}

// refuseCapture refuses a capture of whatever amount: while something happens to the authorisation that it may collide with,
// and when there is nothing to capture. Where the gateway takes several captures, one may begin before another has been
// answered, but not while one is unknown: nobody could say any more which of them has happened.
func (p *Payment) refuseCapture(s *sums, now domain.Time) error {
	err := p.inFlight(func(o *Operation, state OperationState) bool {
		switch o.Kind {
		case OperationAuthorise, OperationRefund:
		case OperationVoid, OperationAdjust:
			return true
		case OperationCapture:
			return !p.Terms.Capabilities.MultiCapture || o.Final || state == StateUnknown
		}
		return false
	})
	if err != nil {
		return err
	}
	if err := p.lapsed(s, now); err != nil {
		return err
	}
	switch status := p.status(s); status {
	case StatusInitiated, StatusProcessing, StatusRequiresAction, StatusFailed, StatusVoided:
		return transition(p, Capture{})
	case StatusNone, StatusAuthorised, StatusPartiallyCaptured, StatusCaptured, StatusPartiallyRefunded, StatusRefunded, StatusExpired:
	}
	return nil
}

func (e CaptureRequested) apply(p *Payment) {
	p.begin(e.Head, Operation{
		ID: e.OperationID, Kind: OperationCapture, Amount: e.Amount.Minor, FulfilmentID: e.FulfilmentID, Final: e.Final,
	})
}
