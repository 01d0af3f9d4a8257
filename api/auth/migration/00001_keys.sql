-- The API keys. Only hashes are kept: whoever reads this table cannot act as anybody.

-- +goose Up
CREATE SCHEMA api;

CREATE TABLE api.keys (
    hash       bytea       PRIMARY KEY CHECK (octet_length(hash) = 32), -- SHA-256 of the whole key
    prefix     text        NOT NULL,                                    -- what people tell keys apart by
    name       text        NOT NULL CHECK (name <> ''),                 -- of the principal
    scopes     text[]      NOT NULL,
    channels   text[]      NOT NULL DEFAULT '{}',                       -- none means all
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz                                              -- NULL while it is valid
);

GRANT USAGE ON SCHEMA api TO waybill_read, waybill_append;
GRANT SELECT ON api.keys TO waybill_read, waybill_append;

-- +goose Down
DROP SCHEMA api CASCADE;
