package payment

import "waybill/domain/money"

// Void asks the gateway to give up what is authorised and not captured: all of it, or a part where the gateway can. Before
// there is an authorisation it asks to give up the attempt.
type Void struct {
	Target
	OperationID string
	Amount      money.Money // zero for everything that is left
}

// VoidRequested records that the gateway is to give up an authorisation, or a part of it.
type VoidRequested struct {
	Head
	OperationID string      `msgpack:"operation_id,omitempty"`
	Amount      money.Money `msgpack:"amount"` // if all: what that is as far as it is known
	All         bool        `msgpack:"all"`    // everything that is left
}

// CommandType implements [Command].
func (Void) CommandType() string { return CommandVoid }

// EventType implements [Event].
func (VoidRequested) EventType() string { return TypeVoidRequested }

func (c Void) decide(p *Payment) ([]Event, error) {
	f := &fields{}
	f.check(checkOperation(c.OperationID))
	if !c.Amount.IsZero() {
		f.amount(c.Amount, p.Terms.Amount.Currency)
	}
	if f.err != nil {
		return nil, f.err
	}
	s := p.sums()
	o := Operation{ID: c.OperationID, Kind: OperationVoid, Amount: c.Amount.Minor}
	if o.Amount == 0 || o.Amount == s.live {
		o.All, o.Amount = true, s.voidable()
	}
	if done, err := p.repeated(p.asVoided(c, o)); done || err != nil {
		return nil, err
	}
	if err := p.refuseVoid(&s); err != nil {
		return nil, err
	}
	switch {
	case !o.All && !p.Terms.Capabilities.PartialVoid:
		return nil, GatewayCapabilityMissing{Gateway: p.Terms.Gateway, Capability: CapabilityPartialVoid}
	case o.Amount > s.voidable():
		return nil, AmountExceedsVoidable{Requested: c.Amount, Possible: p.in(s.voidable())}
	case !p.mayVoid(&s):
		return nil, transition(p, c)
	}
	return []Event{VoidRequested{Head: p.head(c.Now), OperationID: o.ID, Amount: p.in(o.Amount), All: o.All}}, nil
}

// asVoided returns o as it was requested before, if c asks for the same again: everything may have been another amount then.
func (p *Payment) asVoided(c Void, o Operation) Operation {
	i := p.operationIndex(c.OperationID)
	if i < 0 {
		return o
	}
	known := p.Operations[i].request()
	if known.Kind == OperationVoid && (known.All && c.Amount.IsZero() || known.Amount == c.Amount.Minor) {
		return known
	}
	return o
}

// refuseVoid refuses any void while something happens to the authorisation. An attempt of which nothing is known, or that
// waits for the customer, may be given up; one that was just sent has to be answered first.
func (p *Payment) refuseVoid(s *sums) error {
	err := p.inFlight(func(o *Operation, state OperationState) bool {
		switch o.Kind {
		case OperationRefund:
			return false
		case OperationAuthorise:
			return state == StateRequested
		case OperationCapture, OperationVoid, OperationAdjust:
		}
		return true
	})
	if err == nil && s.lapsed {
		return AuthorisationLapsed{ExpiredAt: p.ExpiredAt}
	}
	return err
}

// mayVoid reports whether there is something to give up: an authorisation, or the attempt to get one.
func (p *Payment) mayVoid(s *sums) bool {
	switch p.status(s) {
	case StatusInitiated, StatusProcessing, StatusRequiresAction:
		return true
	case StatusNone, StatusAuthorised, StatusPartiallyCaptured, StatusCaptured, StatusPartiallyRefunded, StatusRefunded,
		StatusFailed, StatusVoided, StatusExpired:
	}
	return s.voidable() > 0
}

func (e VoidRequested) apply(p *Payment) {
	p.begin(e.Head, Operation{ID: e.OperationID, Kind: OperationVoid, Amount: e.Amount.Minor, All: e.All})
}
