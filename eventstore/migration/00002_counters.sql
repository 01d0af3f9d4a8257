-- Numbers that are handed out once, in blocks: the human-readable numbers of orders. They may have holes, so a counter
-- is not part of the commit that uses its numbers.

-- +goose Up
SET LOCAL lock_timeout = '5s';

CREATE TABLE waybill.counters (
    taken bigint NOT NULL,  -- the highest number that was handed out
    name  text   NOT NULL COLLATE "C",
    CONSTRAINT counters_pkey PRIMARY KEY (name),
    CONSTRAINT counters_taken CHECK (taken > 0)
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE ON waybill.counters TO waybill_append;

-- +goose Down
SET LOCAL lock_timeout = '5s';
-- Refused: numbers that were handed out would be handed out again.
DO $$ BEGIN RAISE EXCEPTION 'counters hold what was handed out: there is no way back'; END $$;
