// Package failpoint names the moments at which the engine can be made to fail, and the bugs that can be sown into it.
//
// Only a build with the tag "failpoints" has them. There the environment variable FAILPOINTS says what happens:
//
//	FAILPOINTS="relay.afterPublish=kill@3;log.beforeCommit=sleep(200ms)@1-5;log.afterCommit=done-then-error@2;bug.hole-skipped=on"
//
// The faults are:
//
//   - kill: the process ends at once, as by kill -9.
//   - sleep(d): whoever passes is held up for d.
//   - error: whoever passes is told that it failed, and what stands behind the point is not done.
//   - done-then-error: what the point is named after is done, and then the answer is lost, as with a connection that
//     breaks. At a point that stands before its step that happens at the point behind it ([PointInfo.Then]).
//
// @3 is the third pass, @1-5 are the first five; without it every pass counts. What happens is written to standard
// error, so that a test can tell that its fault took place.
//
// Without the tag [Hit], [On] and [Arm] are empty, and the compiler removes them: see the tests.
//
// The package decides nothing about what a failure means. It is never used in domain, which does no I/O that could fail.
package failpoint

// Point is a moment at which the engine can be made to fail. The names are kept: they stand in recorded runs.
type Point string

// The points of a command, from the request to the reply.
const (
	// CommandAfterKeyLookup: the id of the command is not in flight in this process. Whether it has an outcome is asked
	// where the commit is made ([LogAfterRead], and the unique indexes).
	CommandAfterKeyLookup Point = "command.afterKeyLookup"
	// CommandAfterLoad: the streams are locked and their states up to date; nothing is decided.
	CommandAfterLoad Point = "command.afterLoad"
	// CommandBeforeInsert: the command is decided; nothing is proposed to the log.
	CommandBeforeInsert Point = "command.beforeInsert"
	// CommandAfterReply: the answer is written to the HTTP connection; the last of it may be in a buffer.
	CommandAfterReply Point = "command.afterReply"
)

// The points of the appender. It is also the sequencer: a position is given in the transaction that adds the event.
const (
	// LogAfterRead: on the slow path, the log was asked under the lock who lost; nothing is written.
	LogAfterRead Point = "log.afterRead"
	// LogBeforeCommit: a batch has a connection; the append, which on the fast path is lock, insert and commit in one
	// round trip, is not sent.
	LogBeforeCommit Point = "log.beforeCommit"
	// LogAfterCommit: a batch is committed; nobody was told.
	LogAfterCommit Point = "log.afterCommit"
)

// The points of the durable intake.
const (
	// IntakeAfterFetch: a command was taken from the work queue; nothing is done about it.
	IntakeAfterFetch Point = "intake.afterFetch"
	// IntakeAfterCommit: its outcome is in the log; the queue still has it.
	IntakeAfterCommit Point = "intake.afterCommit"
	// IntakeAfterAck: the queue has forgotten it.
	IntakeAfterAck Point = "intake.afterAck"
)

// The points of the relay. It has no stored cursor: the end of the stream is the cursor.
const (
	// RelayAfterCursor: the end of the stream was looked up and compared with the log; nothing is published.
	RelayAfterCursor Point = "relay.afterCursor"
	// RelayAfterBarrier: the lease is held, and all up to a position is as durable as the write that says so.
	RelayAfterBarrier Point = "relay.afterBarrier"
	// RelayAfterPublish: one message was sent; the stream has not answered.
	RelayAfterPublish Point = "relay.afterPublish"
	// RelayAfterAcks: the stream has confirmed one message.
	RelayAfterAcks Point = "relay.afterAcks"
)

// The points of a projection.
const (
	// ProjectionAfterFetch: a batch was read, from the feed or from the log.
	ProjectionAfterFetch Point = "projection.afterFetch"
	// ProjectionMidApply: in the transaction, the checkpoint is moved and no row is written.
	ProjectionMidApply Point = "projection.midApply"
	// ProjectionBeforeCommit: in the transaction, the batch is folded; the last writes go with the commit, and are not sent.
	ProjectionBeforeCommit Point = "projection.beforeCommit"
	// ProjectionAfterCommit: the batch is committed; the runner does not know.
	ProjectionAfterCommit Point = "projection.afterCommit"
	// ProjectionBeforeSwap: in the transaction of a flip or a rebuild, the views of readers are about to be exchanged.
	ProjectionBeforeSwap Point = "projection.beforeSwap"
	// ProjectionAfterSwap: flip or rebuild is committed; the operator was not told.
	ProjectionAfterSwap Point = "projection.afterSwap"
)

// The points of a process manager.
const (
	// ProcessBeforeCommand: the process has reacted; its command is not sent.
	ProcessBeforeCommand Point = "process.beforeCommand"
	// ProcessAfterCommand: the command has its outcome; the process does not know.
	ProcessAfterCommand Point = "process.afterCommand"
	// ProcessBeforeState: the turn is over; state, timers and checkpoint are not stored.
	ProcessBeforeState Point = "process.beforeState"
	// ProcessAfterState: they are stored; the input is not done with.
	ProcessAfterState Point = "process.afterState"
	// ProcessAfterTimers: due timers were read; none is handed out.
	ProcessAfterTimers Point = "process.afterTimers"
)

// Bug is a mistake that can be sown into the engine, to see that the checks find it.
type Bug string

// The bugs. Each is one that engines like this one have had.
const (
	// BugPublishBeforeCommit tells clients and stream of a commit that is not on disk, by a commit that does not wait
	// and a relay without its barrier. (Postgres shows nobody a row before its commit: earlier than this is not to be had.)
	BugPublishBeforeCommit Bug = "bug.publish-before-commit"
	// BugNoExpectedSequence publishes without saying behind which message.
	BugNoExpectedSequence Bug = "bug.no-expected-sequence"
	// BugCheckpointOutsideTransaction commits the checkpoint of a projection before its rows.
	BugCheckpointOutsideTransaction Bug = "bug.checkpoint-outside-transaction"
	// BugRetryWithoutKey tries a command of the intake again under another key.
	BugRetryWithoutKey Bug = "bug.retry-without-key"
	// BugDuplicateInMemory tells the log no id of a command: what knows of repeated ones is the memory of the process.
	BugDuplicateInMemory Bug = "bug.duplicate-in-memory"
	// BugAckBeforeCommit acknowledges a command of the intake before it is carried out.
	BugAckBeforeCommit Bug = "bug.ack-before-commit"
	// BugHoleSkipped lets projections pass over what the stream does not have.
	BugHoleSkipped Bug = "bug.hole-skipped"
	// BugVerdictBeforeCommit answers a refusal before the batch is committed that it rests on and is stored with.
	BugVerdictBeforeCommit Bug = "bug.verdict-before-commit"
	// BugNoForkCheck goes on publishing behind whatever the stream ends with.
	BugNoForkCheck Bug = "bug.no-fork-check"
	// BugSnapshotAhead stores a snapshot under the version of the next event.
	BugSnapshotAhead Bug = "bug.snapshot-ahead"
	// BugWrittenTwice applies a batch although the checkpoint is not where it was left.
	BugWrittenTwice Bug = "bug.written-twice"
	// BugExpiryIgnoresConfirmed gives the units of a reservation back although its order is confirmed.
	BugExpiryIgnoresConfirmed Bug = "bug.expiry-ignores-confirmed"
)

// PointInfo says what a point is.
type PointInfo struct {
	Point Point
	// Then is the point behind the step that Point stands before; empty if Point stands behind its step.
	Then Point
	// Means is when it is passed.
	Means string
}

// Points lists all points, in the order in which an event passes them.
func Points() []PointInfo {
	return []PointInfo{
		{CommandAfterKeyLookup, "", "command is not in flight here"},
		{CommandAfterLoad, "", "states are locked and loaded"},
		{CommandBeforeInsert, LogAfterCommit, "command is decided, not proposed"},
		{LogAfterRead, "", "slow path has asked the log"},
		{LogBeforeCommit, LogAfterCommit, "batch has a connection, append not sent"},
		{LogAfterCommit, "", "batch is committed, nobody told"},
		{CommandAfterReply, "", "HTTP answer is written"},
		{IntakeAfterFetch, "", "command taken from the queue"},
		{IntakeAfterCommit, "", "outcome in the log, command not acknowledged"},
		{IntakeAfterAck, "", "command acknowledged"},
		{RelayAfterCursor, "", "end of the stream looked up"},
		{RelayAfterBarrier, "", "log is durable up to a position, not published"},
		{RelayAfterPublish, "", "one message sent, not confirmed"},
		{RelayAfterAcks, "", "one message confirmed"},
		{ProjectionAfterFetch, "", "batch read, not applied"},
		{ProjectionMidApply, ProjectionAfterCommit, "checkpoint moved in the transaction, rows not written"},
		{ProjectionBeforeCommit, ProjectionAfterCommit, "batch is folded; last writes and commit not sent"},
		{ProjectionAfterCommit, "", "batch committed, runner not told"},
		{ProjectionBeforeSwap, ProjectionAfterSwap, "views about to be exchanged"},
		{ProjectionAfterSwap, "", "views exchanged, operator not told"},
		{ProcessBeforeCommand, ProcessAfterCommand, "process has reacted, command not sent"},
		{ProcessAfterCommand, "", "command has its outcome, process not told"},
		{ProcessBeforeState, ProcessAfterState, "turn is over, state not stored"},
		{ProcessAfterState, "", "state stored, input not done with"},
		{ProcessAfterTimers, "", "due timers read"},
	}
}

// BugInfo says what a bug is.
type BugInfo struct {
	Bug   Bug
	Means string
}

// Bugs lists all bugs that can be sown.
func Bugs() []BugInfo {
	return []BugInfo{
		{BugPublishBeforeCommit, "clients and stream hear of a commit that is not on disk"},
		{BugNoExpectedSequence, "messages do not say behind which other they stand"},
		{BugCheckpointOutsideTransaction, "checkpoint of a projection is committed before its rows"},
		{BugRetryWithoutKey, "a command of the intake is tried again under another key"},
		{BugDuplicateInMemory, "repeated commands are known by the memory of the process alone"},
		{BugAckBeforeCommit, "the queue forgets a command before it is carried out"},
		{BugHoleSkipped, "projections pass over what the stream does not have"},
		{BugVerdictBeforeCommit, "a refusal is answered before it is stored"},
		{BugNoForkCheck, "the relay goes on behind a message of somebody else"},
		{BugSnapshotAhead, "a snapshot is stored under the version of the next event"},
		{BugWrittenTwice, "a batch is applied although another runner has applied it"},
		{BugExpiryIgnoresConfirmed, "units of a confirmed order are given back"},
	}
}
