-- What could not be applied, with its original bytes.
CREATE TABLE dead_letter (
    dead_letter_id uuid PRIMARY KEY,
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    stage text NOT NULL CHECK (stage IN ('decode', 'decide', 'store')),
    reason text NOT NULL CHECK (reason <> ''),
    message text NOT NULL CHECK (length(message) <= 1024),
    key bytea,
    value bytea,
    header_names bytea[] NOT NULL,
    header_values bytea[] NOT NULL,
    published_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'replaying', 'resolved', 'superseded', 'discarded', 'merged')),
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    UNIQUE (log_partition, log_offset),
    CHECK (cardinality(header_names) = cardinality(header_values))
);
COMMENT ON COLUMN dead_letter.published_at IS 'The record''s Kafka timestamp.';
COMMENT ON COLUMN dead_letter.message IS 'What is wrong, in words; never the card.';
