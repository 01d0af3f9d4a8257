-- What came in by the durable intake and can never be carried out. It is kept to be looked at, not to be retried: whoever
-- sent it has to send something else.

-- +goose Up
CREATE SCHEMA intake;

CREATE TABLE intake.poison (
    sequence    bigint      NOT NULL,                   -- in the work queue
    received_at timestamptz NOT NULL,                   -- by the work queue
    subject     text        NOT NULL,
    principal   text        NOT NULL DEFAULT '',        -- empty: not authenticated
    code        text        NOT NULL,                   -- of the problem
    problem     jsonb       NOT NULL,
    headers     jsonb       NOT NULL,                   -- without credentials
    body        bytea       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sequence, received_at)                 -- a second delivery is not a second row
);
CREATE INDEX poison_recorded ON intake.poison (recorded_at);

GRANT USAGE ON SCHEMA intake TO waybill_append, waybill_read;
GRANT SELECT, INSERT ON intake.poison TO waybill_append;
GRANT SELECT ON intake.poison TO waybill_read;

-- +goose Down
DROP SCHEMA intake CASCADE;
