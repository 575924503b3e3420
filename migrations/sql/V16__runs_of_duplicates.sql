-- Duplicates are found by their runs. A unique index on each took more than half of what its COPY
-- costs, and terminals that upload all they have once more write nothing else: there, a run is what a
-- batch has of a partition. Those that are here already, and those of older consumers, are runs of one.

-- Batches with duplicates wait for this, and for whom it waits for (a second a million duplicates).
SET LOCAL lock_timeout = '10s';
ALTER TABLE duplicate_event ADD COLUMN run integer DEFAULT 1;
ALTER TABLE duplicate_event ADD CONSTRAINT duplicate_event_run_check CHECK (run > 0) NOT VALID;
COMMENT ON COLUMN duplicate_event.run IS
    'Of the first in a run: so many offsets, from this one on, are duplicates, all of one day. Null behind it.';
CREATE UNIQUE INDEX duplicate_event_run ON duplicate_event (log_partition, log_offset) INCLUDE (run)
    WHERE run IS NOT NULL;
ALTER TABLE duplicate_event DROP CONSTRAINT duplicate_event_pkey;
-- Without a key, a table that is replicated logically must be told how a deleted row is known.
ALTER TABLE duplicate_event REPLICA IDENTITY FULL;
