-- What the log said, apart from what became of it: buckets of 10,000 offsets, sealed in the
-- transaction of the rows that they stand for.

-- The bucket that next_offset lies in, as far as it has been read, and the chain before it.
ALTER TABLE consumer_offset
    ADD COLUMN open_events bigint NOT NULL DEFAULT 0 CHECK (open_events >= 0),
    ADD COLUMN open_digest bytea NOT NULL DEFAULT decode(repeat('00', 16), 'hex')
        CHECK (length(open_digest) = 16),
    ADD COLUMN open_occurred_min timestamptz,
    ADD COLUMN open_occurred_max timestamptz,
    ADD COLUMN chain bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
        CHECK (length(chain) = 32),
    ADD CHECK ((open_occurred_min IS NULL) = (open_occurred_max IS NULL));
COMMENT ON COLUMN consumer_offset.open_events IS
    'Events read of the bucket that next_offset lies in; the next columns sum them up.';
COMMENT ON COLUMN consumer_offset.chain IS 'Chain of the last bucket that was sealed.';

CREATE TABLE log_seal (
    log_partition integer NOT NULL,
    bucket bigint NOT NULL,
    events bigint NOT NULL CHECK (events BETWEEN 0 AND 10000),
    digest bytea NOT NULL CHECK (length(digest) = 16),
    occurred_min timestamptz,
    occurred_max timestamptz,
    chain bytea NOT NULL CHECK (length(chain) = 32),
    sealed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log_partition, bucket),
    CHECK ((occurred_min IS NULL) = (occurred_max IS NULL))
);
COMMENT ON TABLE log_seal IS
    'A complete bucket: the offsets from bucket * 10,000 to before (bucket + 1) * 10,000.';
COMMENT ON COLUMN log_seal.digest IS 'Sum of the digests of its events, modulo 2^128.';
COMMENT ON COLUMN log_seal.occurred_min IS 'Earliest occurred_at of its events that could be read.';
COMMENT ON COLUMN log_seal.chain IS
    'SHA-256 over the chain of the bucket before and this seal: an altered seal breaks it.';
