package returns_test

import (
	"encoding/json"
	"strings"
	"testing"

	"waybill/domain"
	"waybill/domain/returns"
)

// TestRefusalsSpeak: every refusal has a code of its own, a sentence with its values, and its values as JSON.
func TestRefusalsSpeak(t *testing.T) {
	t.Parallel()
	const line = "line-7"
	codes := map[string]bool{}
	for want, r := range map[string]domain.Refusal{
		"return x does not exist":                                                  returns.NotFound{ReturnID: "x"},
		"return.close is not possible on a return that is in_transit":              returns.InvalidTransition{Command: "return.close", Status: returns.StatusInTransit},
		"the receipt r1 is already recorded and differs":                           returns.Conflict{What: returns.WhatReceipt, ID: "r1"},
		"the goods could be returned until 1970-01-01T00:00:00.000001Z":            returns.WindowClosed{WindowEnds: 1, Now: 2},
		"order o has not authorised exactly the units of the return":               returns.NotAuthorised{OrderID: "o"},
		`fees is in "USD", the return is in "EUR"`:                                 returns.CurrencyMismatch{Field: "fees", Expected: "EUR", Actual: "USD"},
		"the return has no line line-7":                                            returns.UnknownLine{LineID: line},
		"the outcome of the label operation op is not known yet":                   returns.LabelInFlight{OperationID: "op"},
		"3 units have come in or have an outcome already":                          returns.AlreadyReceived{Units: 3},
		"line line-7 has 2 units received and 1 of them without outcome, 3 were":   returns.OutcomeExceedsReceived{LineID: line, Outcome: returns.OutcomeDamaged, Requested: 3, Received: 2, Possible: 1},
		"1 units of line line-7 can be missing, 2 were asked for":                  returns.QuantityExceedsReturn{LineID: line, Outcome: returns.OutcomeMissing, Requested: 2, Possible: 1},
		"1 units of line line-7 are damaged, 2 were to be graded again":            returns.OutcomeExceedsGraded{LineID: line, Outcome: returns.OutcomeDamaged, Requested: 2, Graded: 1},
		"1 units of line line-7 at MUC are not in stock again yet, 2 were":         returns.AlreadyRestocked{LineID: line, Location: "MUC", Requested: 2, Possible: 1},
		"1 units of line line-7 are due for stock at MUC, 2 were asked for":        returns.RestockExceedsDue{LineID: line, Location: "MUC", Requested: 2, Due: 1},
		"1 units of line line-7 are due for a refund and 3 have one, 2 were asked": returns.RefundExceedsDue{LineID: line, Requested: 2, Due: 1, Granted: 3},
		"1.00 EUR of the outbound delivery can be refunded, 2.00 EUR were":         returns.ShippingNotRefundable{Requested: eur(200), Possible: eur(100)},
		"total is stated as 1.00 EUR, it comes to 2.00 EUR":                        returns.RefundMismatch{Field: "total", Stated: eur(100), Computed: eur(200)},
		"the return is for a credit, not for other goods":                          returns.NoReplacement{Resolution: returns.ResolutionCredit},
		"units of 0 lines are due for stock and of 1 for a refund":                 returns.NotSettled{Refund: []returns.LineQuantity{units(line, 1)}},
		"the deadline 1970-01-01T00:00:00.000002Z has not passed at":               returns.NotYetDue{Deadline: 2, Now: 1},
	} {
		if codes[r.RefusalCode()] {
			t.Errorf("%s is the code of two refusals", r.RefusalCode())
		}
		codes[r.RefusalCode()] = true
		if !strings.HasPrefix(r.Error(), want) {
			t.Errorf("%T says %q, want %q", r, r.Error(), want)
		}
		data, err := json.Marshal(r)
		var values map[string]any
		if err != nil || json.Unmarshal(data, &values) != nil || len(values) == 0 {
			t.Errorf("%T has the values %s (%v)", r, data, err)
		}
		for name := range values {
			if strings.ToLower(name) != name {
				t.Errorf("%T has a value %s without a stable name", r, name)
			}
		}
	}
}

// TestLimits: what is larger than the engine takes is refused with the limit.
func TestLimits(t *testing.T) {
	t.Parallel()
	r := evolve(requested(t), approved(terms()))
	for n := range returns.MaxParcels {
		returns.Evolve(r, returns.InTransit{Head: at(t0), Carrier: "dhl", TrackingNumber: strings.Repeat("x", n+1)})
	}
	many := make([]returns.LineQuantity, returns.MaxLines+1)
	ask := request()
	ask.Evidence = make([]string, returns.MaxEvidence+1)
	long := request()
	long.Lines[0].ID = strings.Repeat("x", returns.MaxLineID+1)
	for _, tt := range []struct {
		r    *returns.Return
		c    returns.Command
		want domain.LimitExceeded
	}{
		{r, returns.RecordTracking{ID: returnID, Carrier: "ups", TrackingNumber: "1", Now: t0}, domain.LimitExceeded{Field: "parcels", Limit: returns.MaxParcels, Actual: returns.MaxParcels + 1, Unit: "parcels"}},
		{r, returns.Receive{ID: returnID, ReceiptID: "r", Location: "BER1", Lines: many, Now: t0}, domain.LimitExceeded{Field: "lines", Limit: returns.MaxLines, Actual: returns.MaxLines + 1, Unit: "lines"}},
		{new(returns.Return), ask, domain.LimitExceeded{Field: "evidence", Limit: returns.MaxEvidence, Actual: returns.MaxEvidence + 1, Unit: "references"}},
		{new(returns.Return), long, domain.LimitExceeded{Field: "lines[0].line_id", Limit: returns.MaxLineID, Actual: returns.MaxLineID + 1, Unit: "bytes"}},
		{r, returns.FlagManualRefund{ID: returnID, FlagID: "m", Reason: strings.Repeat("x", returns.MaxTitle+1), Now: t0}, domain.LimitExceeded{Field: "reason", Limit: returns.MaxTitle, Actual: returns.MaxTitle + 1, Unit: "bytes"}},
	} {
		if _, err := returns.Decide(tt.r, tt.c); err != tt.want { //nolint:errorlint // a refusal is compared as the value that it is
			t.Errorf("%s is refused with %v, want %v", tt.c.CommandType(), err, tt.want)
		}
	}
}
