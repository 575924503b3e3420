-- How far the log has been read, and what its offsets became.

-- The log that this database belongs to. Any difference stops a consumer.
CREATE TABLE log_topic (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    log_id uuid NOT NULL DEFAULT gen_random_uuid(),
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partitions integer NOT NULL CHECK (partitions > 0),
    consumer_group text NOT NULL,
    pinned_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN log_topic.log_id IS 'Namespace of the ids that are derived from offsets.';

-- One row a partition of the log, written in the transaction of the rows it counts.
CREATE TABLE consumer_offset (
    log_partition integer PRIMARY KEY,
    owner uuid NOT NULL,
    owner_name text NOT NULL,
    claimed_at timestamptz NOT NULL,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    rows bigint NOT NULL DEFAULT 0 CHECK (rows >= 0),
    collisions bigint NOT NULL DEFAULT 0 CHECK (collisions >= 0),
    duplicates bigint NOT NULL DEFAULT 0 CHECK (duplicates >= 0),
    dead bigint NOT NULL DEFAULT 0 CHECK (dead >= 0),
    parked bigint NOT NULL DEFAULT 0 CHECK (parked >= 0),
    gaps bigint NOT NULL DEFAULT 0 CHECK (gaps >= 0),
    lost bigint NOT NULL DEFAULT 0 CHECK (lost >= 0),
    occurred_at_max timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT every_offset_has_one_outcome CHECK (
        rows + collisions + duplicates + dead + parked + gaps + lost = next_offset - first_offset
    )
) WITH (fillfactor = 20);
COMMENT ON COLUMN consumer_offset.owner IS 'The claim that may advance this partition, and no other.';
COMMENT ON COLUMN consumer_offset.occurred_at_max IS
    'Latest occurred_at of this partition''s events: one later than it cannot have a row yet.';

-- Offsets that hold no event: seen twice to be missing before they are believed.
CREATE TABLE offset_gap (
    log_partition integer NOT NULL,
    first_offset bigint NOT NULL,
    end_offset bigint NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log_partition, first_offset),
    CHECK (first_offset < end_offset)
);
COMMENT ON COLUMN offset_gap.end_offset IS 'The next offset that holds an event.';
