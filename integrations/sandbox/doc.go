// Package sandbox is a payment service provider of our own: an HTTP server that authorises, captures, voids and refunds money
// that does not exist, and misbehaves on request as real ones do of themselves. What it does it does in memory: a restart
// forgets everything.
//
// The adapter of the payment port, waybill dev, waybill demo and the fault tests of the processes will use it, over HTTP like
// any other gateway. Nothing is wired to it yet, and nothing in production is to be.
//
//	POST /v1/payments                        authorise, or take at once with capture_mode auto
//	POST /v1/payments/{id}/captures          take a part, or the last part with final
//	POST /v1/payments/{id}/voids             let go of a part, or of all that is left
//	POST /v1/payments/{id}/refunds           give back
//	POST /v1/payments/{id}/cancel            give the payment up while no money is authorised
//	GET  /v1/payments/{id}                   look a payment up
//	GET  /v1/operations/{operation id}       look up what was done under an id of the caller
//	GET  /v1/events?after=&since=&limit=     what has happened, in order
//	GET  /v1/capabilities                    what the gateway can do
//	GET, POST /actions/{id}                  the page of the customer's bank; result is complete or fail
//	GET  /control/scripts                    the table below
//	POST /control/faults                     the next calls of a kind play a script
//	POST /control/clock                      move the clock ahead
//	POST /control/events/{id}/send           send a webhook again, also an old or a forged one
//	POST /control/payments/{id}/disputes     open a dispute
//	POST /control/disputes/{id}/close        decide it: won or lost
//
// A call with the header Idempotency-Key has one effect. The same key with the same body gets the same answer, with the header
// Idempotent-Replayed; with another body it is refused. After a 500 it depends on [Config].ReplaysErrors: the 500 again, or
// what the call should have been answered with (the work is done then if it was not). Without a key, each call counts.
// 200 is an operation that succeeded, is pending or requires an action; 402 one that failed; 409 a call that the payment has
// no room for, of which no operation remains; 500 and 504 say nothing of what was done.
//
// Every authorisation can be captured for a week, every action done within a quarter of an hour. Webhooks are signed as
// Standard Webhooks 1.0 has it (HMAC-SHA256), and retried. Their types are "payment." and a fact of domain/payment.
//
// # Scripts
//
// A call plays the script that the control endpoint ordered; else that of the card: the token tok_<script> on every call that
// knows the script, tok_<script>_<operation> on one kind of call (tok_timeout_after_capture); else that of the last three
// digits of its amount. tok_ok, or no token, leaves it to the amount. A fault before the work hits each idempotency key once,
// so that a retry succeeds; one that was ordered always hits.
//
//	script                       amount  operations                  what happens
//	declined_insufficient_funds  …901    authorise                   declined; another try may succeed
//	declined_card                …902    authorise                   declined for good
//	declined_expired_card        …903    authorise                   declined for good
//	declined_fraud               …904    authorise                   declined for good
//	3ds                          …905    authorise                   requires an action of the customer, within 15 minutes
//	pending                      …906    authorise, capture, refund  answers pending, and succeeds after a minute
//	refused                      …907    all but authorise           fails; another try may succeed
//	short_window                 …908    authorise                   the authorisation lapses after an hour in place of a week
//	timeout_before               …911    all                         nothing is done, and no answer comes
//	timeout_after                …912    all                         the work is done, and no answer comes
//	error_before                 …913    all                         nothing is done, and the answer is 500
//	error_after                  …914    all                         the work is done, and the answer is 500
//	webhook_twice                …921    all                         each webhook comes twice
//	webhook_again                …922    all                         each webhook comes again as another event
//	webhook_late                 …923    all                         the webhooks come ten minutes late
//	webhook_out_of_order         …924    all                         the webhooks come behind the next one of the payment, or ten minutes late
//	webhook_first                …925    all                         the webhooks come before the answer
//	webhook_never                …926    all                         no webhook comes; the list of events has it
//	refund_fails_later           …931    refund                      succeeds, and fails after a minute
//	dispute                      …932    authorise, capture          disputed a minute after the capture, the funds withdrawn, and left open
//	dispute_won                  …933    authorise, capture          disputed, and won a week later
//	dispute_lost                 …934    authorise, capture          disputed, and lost a week later
//
// The package knows no orders and no processes, keeps no card data, adjusts no authorisation and captures nothing above it.
package sandbox
