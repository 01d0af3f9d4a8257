package payment

import (
	"slices"

	"waybill/domain"
	"waybill/domain/money"
)

// Snapshot is what the gateway has in its books for a payment.
type Snapshot struct {
	AsOf       domain.Time `msgpack:"as_of"`
	Authorised money.Money `msgpack:"authorised"` // good for capture, or captured
	Captured   money.Money `msgpack:"captured"`   // ever
	Refunded   money.Money `msgpack:"refunded"`   // without what came back
	Disputed   money.Money `msgpack:"disputed"`   // in dispute, or lost
}

// Reconcile compares a payment with the books of the gateway. Captures and refunds that the payment has not heard of are
// recorded; every difference is work for somebody until a later snapshot shows none.
type Reconcile struct {
	Target
	Snapshot Snapshot
}

// Diff is a sum on which the payment and its gateway disagree.
type Diff struct {
	Field   string      `msgpack:"field"` // "authorised", "captured", "refunded" or "disputed"
	Ledger  money.Money `msgpack:"ledger"`
	Gateway money.Money `msgpack:"gateway"`
}

// Reconciled records what a comparison with the books of the gateway has found. No differences: those of the last one are gone.
type Reconciled struct {
	Head
	Snapshot Snapshot `msgpack:"snapshot"`
	Diffs    []Diff   `msgpack:"diffs,omitempty"` // as they were before the payment learned of what it had missed
}

// CommandType implements [Command].
func (Reconcile) CommandType() string { return CommandReconcile }

// EventType implements [Event].
func (Reconciled) EventType() string { return TypeReconciled }

func (c Reconcile) decide(p *Payment) ([]Event, error) {
	f := &fields{}
	if c.Snapshot.AsOf.IsZero() {
		f.invalid("snapshot.as_of", "is missing")
	}
	cur := p.Terms.Amount.Currency
	s := p.sums()
	var diffs []Diff
	for _, sum := range []struct {
		name    string
		ledger  int64
		gateway money.Money
	}{
		{"authorised", s.authorised(), c.Snapshot.Authorised},
		{"captured", s.captured, c.Snapshot.Captured},
		{"refunded", s.refunded, c.Snapshot.Refunded},
		{"disputed", s.disputed, c.Snapshot.Disputed},
	} {
		f.zeroOrMore("snapshot."+sum.name, sum.gateway, cur)
		if sum.gateway.Minor != sum.ledger {
			diffs = append(diffs, Diff{Field: sum.name, Ledger: p.in(sum.ledger), Gateway: sum.gateway})
		}
	}
	if f.err != nil {
		return nil, f.err
	}
	if slices.Equal(diffs, p.Diffs) {
		return nil, nil
	}
	return c.events(p, &s, diffs)
}

// events returns what a snapshot with those differences causes. What has moved more money than is known moved it somehow:
// it counts as a total, which the single captures and refunds will explain when they are heard of.
func (c Reconcile) events(p *Payment, s *sums, diffs []Diff) ([]Event, error) {
	after, events := p.clone(), []Event(nil)
	missed := func(kind FactKind, total int64) error {
		more, err := after.record(Fact{Kind: kind, Total: p.in(total), OccurredAt: c.Snapshot.AsOf}, domain.Personal{}, c.Now)
		for _, e := range more {
			e.apply(after)
		}
		events = append(events, more...)
		return err
	}
	if c.Snapshot.Captured.Minor > s.captured {
		if err := missed(FactCaptured, c.Snapshot.Captured.Minor); err != nil {
			return nil, err
		}
	}
	if c.Snapshot.Refunded.Minor > s.refunded {
		if err := missed(FactRefunded, plus(c.Snapshot.Refunded.Minor, p.undone())); err != nil {
			return nil, err
		}
	}
	return append(events, Reconciled{Head: p.head(c.Now), Snapshot: c.Snapshot, Diffs: diffs}), nil
}

// undone returns what was paid back and came back.
func (p *Payment) undone() (minor int64) {
	for i := range p.Objects {
		if o := &p.Objects[i]; o.Kind == ObjectRefund && o.counts() && o.Standing.undone() {
			minor = plus(minor, o.Amount)
		}
	}
	return minor
}

func (e Reconciled) apply(p *Payment) {
	p.UpdatedAt = e.At
	p.Diffs = e.Diffs
}
