package payment

import (
	"cmp"

	"waybill/domain"
	"waybill/domain/money"
)

// RecordOffline tells a payment of money that came in without a gateway: a bank transfer, cash, a cheque.
type RecordOffline struct {
	Target
	Reference  string // of the transfer or the receipt: the same one counts once
	Amount     money.Money
	OccurredAt domain.Time     // when it came in; Now if it is zero
	Note       domain.Personal // who paid, and how
}

// CommandType implements [Command].
func (RecordOffline) CommandType() string { return CommandRecordOffline }

func (c RecordOffline) decide(p *Payment) ([]Event, error) {
	f := &fields{}
	f.id("reference", c.Reference)
	f.amount(c.Amount, p.Terms.Amount.Currency)
	f.check(domain.CheckPersonal("note", c.Note, MaxText))
	if f.err != nil {
		return nil, f.err
	}
	return p.record(Fact{
		Kind: FactCaptured, ObjectRef: c.Reference, Amount: c.Amount, OccurredAt: cmp.Or(c.OccurredAt, c.Now), Offline: true,
	}, c.Note, c.Now)
}
