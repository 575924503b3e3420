-- Replays that cannot be overtaken by what was decided of their letter since.

ALTER TABLE outbox ADD COLUMN taken boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN outbox.taken IS
    'Whether a consumer has read it to publish it: from then on it will be, and cannot be taken back. Of dead letters and replays only.';

-- Looked through a kind at a time: many of one are not to be in the way of the other.
DROP INDEX outbox_letters;
CREATE INDEX outbox_letters ON outbox (kind, log_partition, log_offset) WHERE kind <> 'decision';
-- What goes back into the log opens no door, whoever wrote it here.
ALTER TABLE outbox
    ADD CHECK (kind <> 'replay' OR 'gatelog-replay'::bytea = ANY (header_names));

-- What the original of a letter, or what an operator made of it, takes in Kafka, about.
CREATE FUNCTION record_bytes(key bytea, value bytea, header_names bytea[], header_values bytea[])
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog
RETURN coalesce(octet_length(key), 0)::bigint + coalesce(octet_length(value), 0)
    + (SELECT coalesce(sum(octet_length(n)), 0) FROM unnest(header_names) AS n)::bigint
    + (SELECT coalesce(sum(octet_length(v)), 0) FROM unnest(header_values) AS v)::bigint;

-- A letter that is settled is due for nothing.
DROP INDEX dead_letter_due;
CREATE INDEX dead_letter_due ON dead_letter (compensate_at)
    WHERE compensate_at IS NOT NULL AND settled_at IS NULL;
