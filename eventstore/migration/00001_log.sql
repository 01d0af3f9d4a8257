-- The log. The schema "waybill" and the group roles are there already: Migrate makes both before it runs this file,
-- because roles belong to the whole cluster and not to one database.

-- +goose Up
SET LOCAL lock_timeout = '5s';

-- One row: the end of the log. Its row lock is what puts all writers of the log, in any number of processes, in one
-- order. It is updated by every append, so it is kept HOT: no index on a column that changes, and room on the page.
CREATE TABLE waybill.log_head (
    position    bigint      NOT NULL,  -- of the last event; 0 for an empty log
    recorded_at timestamptz NOT NULL,  -- of the last append: the next one is never recorded before it
    epoch       uuid        NOT NULL,  -- a restored log gets another one
    only_row    boolean     NOT NULL DEFAULT true,
    CONSTRAINT log_head_pkey PRIMARY KEY (only_row),
    CONSTRAINT log_head_only_row CHECK (only_row),
    CONSTRAINT log_head_position CHECK (position >= 0)
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

INSERT INTO waybill.log_head (position, recorded_at, epoch)
VALUES (0, '2000-01-01 00:00:00+00', gen_random_uuid());

-- Every event that was ever accepted. The columns go from the widest fixed alignment to the narrowest and end with
-- those of variable length, so that no row holds padding: 8-byte numbers, then uuids (aligned to one byte), then the
-- two smallints, then text and bytes. The columns that only the first event of a commit has are NULL on the others,
-- which costs a bit each.
CREATE TABLE waybill.events (
    position    bigint      NOT NULL,   -- 1, 2, 3, … in commit order, without a hole
    version     bigint      NOT NULL,   -- 1, 2, 3, … within the stream
    recorded_at timestamptz NOT NULL,   -- never decreases with position
    event_id    uuid        NOT NULL,
    command_id  uuid,                   -- first event of a commit: the command
    schema      smallint    NOT NULL,   -- of data within type
    commit_size smallint,               -- first event of a commit: how many events it has, so that its receipt can be told again
    stream      text        NOT NULL COLLATE "C",
    type        text        NOT NULL COLLATE "C",
    data        bytea       NOT NULL,   -- msgpack; the store never looks inside
    meta        bytea       NOT NULL,   -- msgpack of eventstore.Meta
    fingerprint bytea,                  -- first event of a commit: tells two commands under one id apart
    -- Readers follow the position.
    CONSTRAINT events_pkey PRIMARY KEY (position),
    -- Loads a stream, and refuses the second of two appends to one version.
    CONSTRAINT events_stream_version_key UNIQUE (stream, version),
    CONSTRAINT events_command CHECK ((command_id IS NULL) = (commit_size IS NULL))
) WITH (
    fillfactor = 100,                              -- rows never change
    autovacuum_vacuum_insert_scale_factor = 0.05,  -- keep the visibility map up, so that reads of the index stay index reads
    autovacuum_vacuum_insert_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.05,
    autovacuum_freeze_min_age = 0                  -- what never changes may be frozen at the first visit: no storm of rewrites later
);

-- One command, one commit. Partial: one entry a commit, not one an event.
CREATE UNIQUE INDEX events_command_id_key ON waybill.events (command_id) WHERE command_id IS NOT NULL;

-- Keys that one commit in the whole log may hold, such as "source:web/123".
CREATE TABLE waybill.claims (
    position bigint NOT NULL,  -- first event of the commit that holds it
    key      text   NOT NULL COLLATE "C",
    CONSTRAINT claims_pkey PRIMARY KEY (key)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0);

-- The outcome of the commands that added no event: refused, or nothing was left to do. A command id stands here or in
-- events, never in both: every append asks for the other table under the lock of log_head.
CREATE TABLE waybill.outcomes (
    position    bigint      NOT NULL,  -- head of the log then
    recorded_at timestamptz NOT NULL,
    command_id  uuid        NOT NULL,
    epoch       uuid        NOT NULL,
    refused     boolean     NOT NULL,
    code        text        NOT NULL COLLATE "C",
    key         text        NOT NULL COLLATE "C",  -- what it concerns, usually an order id
    type        text        NOT NULL COLLATE "C",  -- of the command
    fingerprint bytea,
    data        bytea       NOT NULL,
    meta        bytea       NOT NULL,
    CONSTRAINT outcomes_pkey PRIMARY KEY (command_id)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_freeze_min_age = 0);

-- The refused commands of one order, for its timeline.
CREATE INDEX outcomes_key_idx ON waybill.outcomes (key, recorded_at) WHERE key <> '';

-- A cache: any row may be dropped at any time.
CREATE TABLE waybill.snapshots (
    version bigint   NOT NULL,
    schema  smallint NOT NULL,
    stream  text     NOT NULL COLLATE "C",
    data    bytea    NOT NULL,
    CONSTRAINT snapshots_pkey PRIMARY KEY (stream)
) WITH (fillfactor = 70);

-- Who may do a thing that only one process should do, and until when by the clock of this server. The term grows with
-- every change of hands: it is the fencing token.
CREATE TABLE waybill.leases (
    term       bigint      NOT NULL,
    upto       bigint      NOT NULL,  -- the position that the holder has seen committed when it renewed
    expires_at timestamptz NOT NULL,
    name       text        NOT NULL COLLATE "C",
    holder     text        NOT NULL,
    CONSTRAINT leases_pkey PRIMARY KEY (name)
) WITH (fillfactor = 10);

-- Append-only, for everybody. The triggers are ENABLE ALWAYS, so that they also hold for a superuser in
-- session_replication_role = replica; they are per statement, so that they cost an INSERT nothing.
-- +goose StatementBegin
CREATE FUNCTION waybill.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: the log is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
-- +goose StatementEnd

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON waybill.events
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON waybill.claims
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON waybill.outcomes
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.refuse_change();
CREATE TRIGGER only_row BEFORE DELETE OR TRUNCATE ON waybill.log_head
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.refuse_change();
-- The condition is looked at without calling the function, so an honest append does not pay for it.
CREATE TRIGGER only_forward BEFORE UPDATE ON waybill.log_head
    FOR EACH ROW WHEN (NEW.position < OLD.position OR NEW.recorded_at < OLD.recorded_at)
    EXECUTE FUNCTION waybill.refuse_change();

ALTER TABLE waybill.events ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE waybill.claims ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE waybill.outcomes ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE waybill.log_head ENABLE ALWAYS TRIGGER only_row;
ALTER TABLE waybill.log_head ENABLE ALWAYS TRIGGER only_forward;

-- What each part may do. Nobody but the owner may set an epoch.
GRANT USAGE ON SCHEMA waybill TO waybill_append, waybill_relay, waybill_project, waybill_process, waybill_read;
GRANT SELECT ON ALL TABLES IN SCHEMA waybill TO waybill_append, waybill_relay, waybill_project, waybill_process, waybill_read;

GRANT UPDATE (position, recorded_at) ON waybill.log_head TO waybill_append;
GRANT INSERT ON waybill.events, waybill.claims, waybill.outcomes TO waybill_append;
GRANT INSERT, UPDATE ON waybill.snapshots TO waybill_append;
GRANT INSERT, UPDATE ON waybill.leases TO waybill_append, waybill_relay, waybill_project, waybill_process;

-- +goose Down
SET LOCAL lock_timeout = '5s';
DO $$ BEGIN RAISE EXCEPTION 'the log is append-only: there is no way back from its first migration'; END $$;
