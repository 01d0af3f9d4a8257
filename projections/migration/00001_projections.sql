-- What the runner keeps about every version of every projection, and where readers find the live ones. The group
-- roles are there already: eventstore.Migrate makes them.

-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE SCHEMA projections;
CREATE SCHEMA readmodel; -- one view for each table of each live version

-- One row for each version of each projection. The tables of a version are in the schema <name>_v<version>.
-- Position moves with every batch, so the row is kept HOT: no index on what changes, and room on the page.
CREATE TABLE projections.versions (
    position    bigint      NOT NULL,  -- checkpoint: the last event that the tables hold
    revision    bigint      NOT NULL,  -- grows when somebody other than the runner changed tables or parked events
    recorded_at timestamptz,           -- when the log took the event at position; NULL at 0
    moved_at    timestamptz NOT NULL,  -- when position moved last
    created_at  timestamptz NOT NULL,
    live_at     timestamptz,           -- when it went live last
    retired_at  timestamptz,           -- when it was replaced last: the newest is what a rollback goes back to
    epoch       uuid        NOT NULL,  -- of the log that position means
    version     integer     NOT NULL,
    name        text        NOT NULL COLLATE "C",
    state       text        NOT NULL COLLATE "C",
    schema_hash bytea       NOT NULL,  -- sha-256 of the SQL that made the tables
    tables      text[]      NOT NULL,  -- those that are seen as views while it is live
    CONSTRAINT versions_pkey PRIMARY KEY (name, version),
    CONSTRAINT versions_state CHECK (state IN ('building', 'live', 'retired')),
    CONSTRAINT versions_position CHECK (position >= 0)
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

-- One version is live.
CREATE UNIQUE INDEX versions_live_key ON projections.versions (name) WHERE state = 'live';

-- Events that are not in the tables although the checkpoint is past them. The event itself is in the log.
CREATE TABLE projections.parked (
    position  bigint      NOT NULL,
    parked_at timestamptz NOT NULL,
    version   integer     NOT NULL,
    attempts  integer     NOT NULL,  -- how often it was tried alone; 0 for one that waits
    name      text        NOT NULL COLLATE "C",
    key       text        NOT NULL COLLATE "C",
    state     text        NOT NULL COLLATE "C",
    type      text        NOT NULL COLLATE "C",  -- of the event
    error     text        NOT NULL,  -- why it failed, or why it was skipped
    CONSTRAINT parked_pkey PRIMARY KEY (name, version, position),
    CONSTRAINT parked_version FOREIGN KEY (name, version) REFERENCES projections.versions ON DELETE CASCADE,
    -- failed: could not be applied. waiting: stands behind one that failed. skipped: left out for good.
    CONSTRAINT parked_state CHECK (state IN ('failed', 'waiting', 'skipped'))
);

-- The queue of one key.
CREATE INDEX parked_key_idx ON projections.parked (name, version, key, position) WHERE state <> 'skipped';

-- Makes the schema of a version. The role of the runner may not create schemas, only this one may, and only those that
-- are named as a version is.
-- +goose StatementBegin
CREATE FUNCTION projections.make_schema(schema_name text) RETURNS void
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog
AS $$
BEGIN
    IF schema_name !~ '^[a-z][a-z0-9_]{0,40}_v[0-9]{1,6}(_verify)?$' THEN
        RAISE EXCEPTION 'schema % is not named as a version of a projection is', schema_name
            USING ERRCODE = 'invalid_schema_name';
    END IF;
    EXECUTE format('CREATE SCHEMA %I AUTHORIZATION waybill_project', schema_name);
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION projections.make_schema(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projections.make_schema(text) TO waybill_project;

GRANT USAGE ON SCHEMA projections TO waybill_project, waybill_process, waybill_read;
GRANT SELECT ON ALL TABLES IN SCHEMA projections TO waybill_process, waybill_read;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA projections TO waybill_project;
GRANT USAGE, CREATE ON SCHEMA readmodel TO waybill_project;
GRANT USAGE ON SCHEMA readmodel TO waybill_process, waybill_read;
ALTER DEFAULT PRIVILEGES FOR ROLE waybill_project IN SCHEMA readmodel GRANT SELECT ON TABLES TO waybill_process, waybill_read;

-- +goose Down
SET LOCAL lock_timeout = '5s';
ALTER DEFAULT PRIVILEGES FOR ROLE waybill_project IN SCHEMA readmodel REVOKE SELECT ON TABLES FROM waybill_process, waybill_read;
DROP SCHEMA readmodel CASCADE;
DROP SCHEMA projections CASCADE;
