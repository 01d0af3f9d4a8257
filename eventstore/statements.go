package eventstore

// lockHead begins every append: once it holds the row, the next statement of the transaction sees all that any other
// writer has committed, because at READ COMMITTED each statement looks at the log anew. It travels with the append
// in one round trip.
const lockHead = `SELECT position, epoch FROM waybill.log_head FOR NO KEY UPDATE`

// The append is one statement: head moves the end of the log if everything holds that the batch takes for granted,
// and the inserts take their places from it. If something does not hold, head has no row and nothing happens. That a
// stream has already got further than expected, or a claim or a command id is taken, is what the unique indexes say.
//
// The checks are scalar subqueries, and the look-ups of the slow path lateral joins with a limit, because the planner
// may turn EXISTS and plain joins into a pass over the whole table, and on a young table it does.
const (
	appendHead = `
WITH head AS (
	UPDATE waybill.log_head
	SET position = position + $2::int8, recorded_at = greatest(recorded_at, clock_timestamp())
	WHERE epoch = $1::uuid
	AND NOT EXISTS (
		SELECT FROM unnest($3::text[], $4::int8[]) AS present (stream, version)
		WHERE (SELECT e.position FROM waybill.events e WHERE e.stream = present.stream AND e.version = present.version) IS NULL)
	AND NOT EXISTS (
		SELECT FROM unnest($5::text[], $6::int8[]) AS absent (stream, version)
		WHERE (SELECT e.position FROM waybill.events e WHERE e.stream = absent.stream AND e.version = absent.version) IS NOT NULL)
	AND NOT EXISTS (
		SELECT FROM unnest($10::uuid[]) AS added (command_id)
		WHERE (SELECT o.position FROM waybill.outcomes o WHERE o.command_id = added.command_id) IS NOT NULL)`

	// Nobody else asks whether a command that is refused now has added events before.
	appendVerdictGuard = `
	AND NOT EXISTS (
		SELECT FROM unnest($17::uuid[]) AS refused (command_id)
		WHERE (SELECT e.position FROM waybill.events e WHERE e.command_id = refused.command_id AND e.command_id IS NOT NULL) IS NOT NULL)`

	appendEvents = `
	RETURNING position - $2::int8 AS base, recorded_at
), added AS (
	INSERT INTO waybill.events (position, version, recorded_at, event_id, command_id, schema, commit_size, stream, type, data, meta, fingerprint)
	SELECT head.base + e.n, e.version, head.recorded_at, e.event_id, e.command_id, e.schema, e.commit_size, e.stream, e.type, e.data, e.meta, e.fingerprint
	FROM head, unnest($7::text[], $8::int8[], $9::uuid[], $10::uuid[], $11::int2[], $12::text[], $13::int2[], $14::bytea[], $15::bytea[], $16::bytea[])
		WITH ORDINALITY AS e (stream, version, event_id, command_id, commit_size, type, schema, data, meta, fingerprint, n)
	RETURNING 1
)`

	appendRest = `, judged AS (
	INSERT INTO waybill.outcomes (position, recorded_at, command_id, epoch, refused, code, key, type, fingerprint, data, meta)
	SELECT head.base + o.shift, head.recorded_at, o.command_id, $1::uuid, o.refused, o.code, o.key, o.type, o.fingerprint, o.data, o.meta
	FROM head, unnest($17::uuid[], $18::bytea[], $19::int8[], $20::bool[], $21::text[], $22::text[], $23::text[], $24::bytea[], $25::bytea[])
		AS o (command_id, fingerprint, shift, refused, code, key, type, data, meta)
	RETURNING 1
), claimed AS (
	INSERT INTO waybill.claims (position, key)
	SELECT head.base + c.shift, c.key
	FROM head, unnest($26::text[], $27::int8[]) AS c (key, shift)
	RETURNING 1
)`

	// How many rows were written is counted, never assumed.
	appendPlain = appendHead + appendEvents + `
SELECT base, recorded_at, (SELECT count(*) FROM added), 0::int8, 0::int8 FROM head`
	appendFull = appendHead + appendVerdictGuard + appendEvents + appendRest + `
SELECT base, recorded_at, (SELECT count(*) FROM added), (SELECT count(*) FROM judged), (SELECT count(*) FROM claimed) FROM head`
)

// What the slow path asks under the lock.
const (
	findCommands = `
SELECT e.command_id, e.event_id, e.position, e.commit_size, e.fingerprint, e.recorded_at
FROM unnest($1::uuid[]) AS asked (command_id)
CROSS JOIN LATERAL (SELECT * FROM waybill.events e WHERE e.command_id = asked.command_id AND e.command_id IS NOT NULL LIMIT 1) e`

	findOutcomes = `
SELECT o.command_id, o.position, o.epoch, o.refused, o.code, o.key, o.type, o.fingerprint, o.data, o.meta, o.recorded_at
FROM unnest($1::uuid[]) AS asked (command_id)
CROSS JOIN LATERAL (SELECT * FROM waybill.outcomes o WHERE o.command_id = asked.command_id LIMIT 1) o`

	findClaims = `
SELECT c.key, c.position
FROM unnest($1::text[]) AS asked (key)
CROSS JOIN LATERAL (SELECT * FROM waybill.claims c WHERE c.key = asked.key LIMIT 1) c`

	findVersions = `
SELECT asked.stream, coalesce((
	SELECT e.version FROM waybill.events e WHERE e.stream = asked.stream ORDER BY e.version DESC LIMIT 1), 0)
FROM unnest($1::text[]) AS asked (stream)`
)
