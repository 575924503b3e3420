-- Replays that cannot be overtaken by what was decided of their letter since.

ALTER TABLE outbox ADD COLUMN taken boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN outbox.taken IS
    'Whether a consumer has read it to publish it: from then on it will be, and cannot be taken back. Of dead letters and replays only.';

-- Looked through a kind at a time: many of one are not to be in the way of the other.
DROP INDEX outbox_letters;
CREATE INDEX outbox_letters ON outbox (kind, log_partition, log_offset) WHERE kind <> 'decision';
-- What goes back into the log opens no door, whoever wrote it here.
ALTER TABLE outbox
    ADD CHECK (kind <> 'replay' OR coalesce('gatelog-replay'::bytea = ANY (header_names), false)),
    -- Or whoever reads it could not, nor ever delete it.
    ADD CHECK (coalesce(array_ndims(header_names), 1) = 1 AND coalesce(array_ndims(header_values), 1) = 1),
    ADD CHECK (array_position(header_names, NULL) IS NULL),
    ADD CHECK (isfinite(since));
ALTER TABLE dead_letter
    ADD CHECK (coalesce(array_ndims(header_names), 1) = 1 AND coalesce(array_ndims(header_values), 1) = 1
               AND coalesce(array_ndims(amended_header_names), 1) = 1
               AND coalesce(array_ndims(amended_header_values), 1) = 1),
    ADD CHECK (array_position(header_names, NULL) IS NULL
               AND array_position(amended_header_names, NULL) IS NULL);

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
