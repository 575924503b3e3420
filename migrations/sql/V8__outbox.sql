-- What is to be published: written in the transaction of the outcome that it tells of, deleted when
-- Kafka has acknowledged it.

CREATE TABLE outbox (
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('decision')),
    key bytea NOT NULL,
    value bytea NOT NULL,
    header_names bytea[] NOT NULL,
    header_values bytea[] NOT NULL,
    since timestamptz NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- The place of its event, so that it is known before it is written and published in that order.
    PRIMARY KEY (log_partition, log_offset, kind),
    CHECK (cardinality(header_names) = cardinality(header_values))
) WITH (
    -- Nearly all of it is dead at any time: what counts is how many, not which part.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1
);
COMMENT ON COLUMN outbox.kind IS 'What it is; the consumer''s settings name the topic of each kind.';
COMMENT ON COLUMN outbox.since IS
    'What publishing took is counted from here: for a decision, when the card was at the door.';
COMMENT ON COLUMN outbox.expires_at IS
    'From then on it is published without its door command; null where it has none.';
