// Package relay copies the log to JetStream, in such a way that a message's stream sequence is its event's position.
//
// Event N is published with the header Nats-Expected-Last-Sequence: N-1, many in flight. The server refuses a
// duplicate, a gap and a second writer that came too late, so publishing is exactly-once without a deduplication
// window and without a checkpoint. Where to go on is read off the stream itself.
//
//   - [Relay] publishes. It compares the stream with the log when it starts, after every error, on reconnect and every
//     few seconds. A stream that lost its tail, its disk or itself is filled again from the log. A stream that says
//     something else than the log is a fork: the relay stops, says so ([ForkError]), and leaves the choice to a person.
//   - [Consumer] reads the stream in order from any position. It reports a hole ([GapError]) or another epoch
//     ([EpochError]) and never skips one silently.
//   - [Fanout] follows the end of the stream by one Consumer for all readers of a process, and keeps the newest events.
//   - [Encode] and [Decode] are the form of one message, [Hash] the leaf that the relay and the ledger compare.
//
// It does not decide what is in the log, keeps no state of its own, and offers no history: old events come from
// Postgres, the stream is a cache of the newest ones.
package relay
