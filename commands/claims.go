package commands

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"waybill/domain"
	"waybill/domain/order"
	"waybill/eventstore"
)

const (
	sourcePrefix = "source:"
	numberPrefix = "number:"
)

// SourceClaim is the claim on the reference that an order has upstream: one order for each in a channel.
func SourceClaim(channel, ref string) string { return claimKey(sourcePrefix, channel, ref) }

// NumberClaim is the claim on an order number: one order for each in a channel.
func NumberClaim(channel, number string) string { return claimKey(numberPrefix, channel, number) }

// claimKey joins the two so that no two pairs give one key, and none is longer than the log takes.
func claimKey(prefix, channel, name string) string {
	if strings.ContainsAny(channel, "/%") {
		channel = strings.NewReplacer("%", "%25", "/", "%2F").Replace(channel)
	}
	key := prefix + channel + "/" + name
	if len(key) > eventstore.MaxStreamName {
		sum := sha256.Sum256([]byte(key))
		key = prefix + "%sha256/" + hex.EncodeToString(sum[:]) // no escaped channel has a "%" before an "s"
	}
	return key
}

// DuplicateSourceRef refuses a second order for a reference whose order says something else.
type DuplicateSourceRef struct {
	Channel   string   `json:"channel"`
	SourceRef string   `json:"source_ref"`
	OrderID   order.ID `json:"order_id"` // the order that has it
}

// Error implements error.
func (r DuplicateSourceRef) Error() string {
	return fmt.Sprintf("order %s has source reference %q of channel %q already, and differs", r.OrderID, r.SourceRef, r.Channel)
}

// RefusalCode implements [domain.Refusal].
func (DuplicateSourceRef) RefusalCode() string { return "duplicate-source-ref" }

// DuplicateOrderNumber refuses a number of the sender's own choice that another order has.
type DuplicateOrderNumber struct {
	Channel string   `json:"channel"`
	Number  string   `json:"order_number"`
	OrderID order.ID `json:"order_id"` // the order that has it
}

// Error implements error.
func (r DuplicateOrderNumber) Error() string {
	return fmt.Sprintf("order %s has number %q in channel %q already", r.OrderID, r.Number, r.Channel)
}

// RefusalCode implements [domain.Refusal].
func (DuplicateOrderNumber) RefusalCode() string { return "duplicate-order-number" }

// ClaimTaken refuses a command whose own claim another command holds.
type ClaimTaken struct {
	Claim    string `json:"claim"`
	Position int64  `json:"position"` // of the commit that holds it
}

// Error implements error.
func (r ClaimTaken) Error() string {
	return fmt.Sprintf("%q is claimed by the commit at position %d", r.Claim, r.Position)
}

// RefusalCode implements [domain.Refusal].
func (ClaimTaken) RefusalCode() string { return "claim-taken" }

// claimed answers a command one of whose claims is held by an earlier commit. A claim is never given up, so the
// verdict needs no guard.
func (b *Bus) claimed(ctx context.Context, p *plan, claim *eventstore.ClaimedError) (Result, error) {
	if claim.Key == p.numberClaim {
		if err := b.planPlace(ctx, p); err != nil {
			return Result{}, err
		}
		return Result{}, errAnotherNumber
	}
	holder, err := b.log.ReadLog(ctx, claim.Position, 1)
	if err != nil {
		return Result{}, fmt.Errorf("who holds %q: %w", claim.Key, err)
	}
	if len(holder) == 0 {
		return Result{}, fmt.Errorf("who holds %q: position %d is empty: the log is damaged", claim.Key, claim.Position)
	}
	orderID, _ := order.ParseStream(holder[0].Stream)
	var place order.Place
	if p.place >= 0 {
		place, _ = p.steps[p.place].order.(order.Place)
	}
	d := &place.Details
	switch {
	case p.place >= 0 && claim.Key == SourceClaim(d.Channel, d.SourceRef):
		original, ok, err := b.log.Outcome(ctx, holder[0].CommandID)
		if err != nil {
			return Result{}, fmt.Errorf("who holds %q: %w", claim.Key, err)
		}
		if ok && sameFingerprint(p.cmd.Fingerprint, original.Fingerprint) {
			return b.repeat(ctx, p, &original)
		}
		return b.refuseClaim(ctx, p, DuplicateSourceRef{Channel: d.Channel, SourceRef: d.SourceRef, OrderID: orderID})
	case p.place >= 0 && claim.Key == NumberClaim(d.Channel, d.Number):
		return b.refuseClaim(ctx, p, DuplicateOrderNumber{Channel: d.Channel, Number: d.Number, OrderID: orderID})
	}
	return b.refuseClaim(ctx, p, ClaimTaken{Claim: claim.Key, Position: claim.Position})
}

// repeat stores for this command that it asked for what another one has done, and answers with what that did.
func (b *Bus) repeat(ctx context.Context, p *plan, original *eventstore.Outcome) (Result, error) {
	id := original.CommandID
	verdict, err := p.verdict("", storedVerdict{SameAs: &id})
	if err != nil {
		return Result{}, err
	}
	if _, err := b.appendVerdict(ctx, p, verdict); err != nil {
		return b.lost(ctx, p, err)
	}
	return b.replayOriginal(ctx, p.cmd.ID, id)
}

// refuseClaim stores a refusal that no state is behind.
func (b *Bus) refuseClaim(ctx context.Context, p *plan, cause domain.Refusal) (Result, error) {
	r, err := newRefused(p.cmd.ID, cause)
	if err != nil {
		return Result{}, err
	}
	verdict, err := p.verdict(r.Code, storedVerdict{Refusal: r})
	if err != nil {
		return Result{}, err
	}
	receipt, err := b.appendVerdict(ctx, p, verdict)
	if err != nil {
		return b.lost(ctx, p, err)
	}
	r.Position = receipt.Last
	return Result{}, r
}

func (b *Bus) appendVerdict(ctx context.Context, p *plan, v *eventstore.Verdict) (eventstore.Receipt, error) {
	return b.log.Append(ctx, eventstore.Commit{CommandID: p.cmd.ID, Fingerprint: p.cmd.Fingerprint, Verdict: v})
}
