-- What process managers keep: the state of each instance, its timers, how far they have come, and the inputs
-- that could not be handled. State, timers and checkpoint move in one transaction.

-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE SCHEMA IF NOT EXISTS processes;

-- One row an instance. It also says which inputs were handled already: an event at or before position was.
CREATE TABLE processes.instances (
    position      bigint      NOT NULL,  -- of the last event that was handled
    updated_at    timestamptz NOT NULL,
    waiting_until timestamptz,
    done          boolean     NOT NULL,
    process       text        NOT NULL COLLATE "C",
    key           text        NOT NULL COLLATE "C",  -- usually an order id
    waiting_for   text        NOT NULL COLLATE "C",  -- a code, empty if it waits for nothing
    state         bytea       NOT NULL,
    CONSTRAINT instances_pkey PRIMARY KEY (process, key)
) WITH (fillfactor = 80);

-- What people look for: instances that are not done. Those are few.
CREATE INDEX instances_open_idx ON processes.instances (process, updated_at) WHERE NOT done;

-- Durable timers. One that fired is deleted in the transaction that keeps what came of it.
CREATE TABLE processes.timers (
    due_at  timestamptz NOT NULL,
    process text        NOT NULL COLLATE "C",
    key     text        NOT NULL COLLATE "C",
    name    text        NOT NULL COLLATE "C",
    CONSTRAINT timers_pkey PRIMARY KEY (process, key, name)
);
CREATE INDEX timers_due_idx ON processes.timers (process, due_at);

-- How far a process has come: every event up to position is handled, parked, or none of its business.
CREATE TABLE processes.checkpoints (
    position bigint NOT NULL,
    epoch    uuid   NOT NULL,
    process  text   NOT NULL COLLATE "C",
    CONSTRAINT checkpoints_pkey PRIMARY KEY (process)
) WITH (fillfactor = 20);

-- Inputs that could not be handled, and those that came behind one of the same key. In order of id within a key.
CREATE TABLE processes.parked (
    id        bigint      GENERATED ALWAYS AS IDENTITY,
    position  bigint      NOT NULL,  -- of the event; 0 for a timer
    due_at    timestamptz,           -- of the timer
    parked_at timestamptz NOT NULL DEFAULT now(),
    process   text        NOT NULL COLLATE "C",
    key       text        NOT NULL COLLATE "C",
    name      text        NOT NULL,  -- type of the event, or name of the timer
    reason    text        NOT NULL,  -- empty if it only waits behind another one
    CONSTRAINT parked_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX parked_input_key ON processes.parked (process, key, position, name);

-- Fails a transaction of an instance that no longer leads its process, so that a save is one round trip.
-- +goose StatementBegin
CREATE FUNCTION processes.check_term(process text, term bigint) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM waybill.leases l WHERE l.name = 'process:' || check_term.process AND l.term = check_term.term) THEN
        RAISE EXCEPTION 'process % is led by another instance', process USING ERRCODE = 'WB001';
    END IF;
END
$$;
-- +goose StatementEnd

GRANT USAGE ON SCHEMA processes TO waybill_process, waybill_read;
GRANT SELECT ON ALL TABLES IN SCHEMA processes TO waybill_process, waybill_read;
GRANT INSERT, UPDATE, DELETE ON processes.instances, processes.timers, processes.checkpoints, processes.parked TO waybill_process;

-- +goose Down
DROP SCHEMA processes CASCADE;
