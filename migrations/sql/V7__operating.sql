-- What operators do to the log's progress and to days, and what stays of days that are gone.

-- The function below takes this over: see V1.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- A topic that is deleted and made again under its name is another log.
ALTER TABLE log_topic ADD COLUMN topic_id text CHECK (topic_id <> '');
COMMENT ON COLUMN log_topic.topic_id IS
    'Kafka''s own id of the topic; null until a consumer has run that knows it.';

ALTER TABLE offset_gap ADD COLUMN lost boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN offset_gap.lost IS
    'Whether events were there and are gone: an operator accepted the loss.';

-- Days before it are gone, or set apart to be: they cannot be taken again.
ALTER TABLE retention
    ADD COLUMN gone_before date,
    ADD CHECK (gone_before IS NULL OR gone_before <= oldest_day);
COMMENT ON COLUMN retention.gone_before IS
    'Days before this one were detached or dropped; null where none ever was.';

-- What operators have done. Written in the transaction that does it.
CREATE TABLE operator_action (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL CHECK (actor <> ''),
    action text NOT NULL CHECK (action IN ('accept_loss', 'reset', 'detach_days', 'drop_days')),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    detail jsonb NOT NULL
);
COMMENT ON COLUMN operator_action.actor IS 'Who: user of the system, and role of the database.';

-- Outcomes of days that were dropped, summed up by bucket: the proof goes on without them.
CREATE TABLE dropped_sum (
    log_partition integer NOT NULL,
    bucket bigint NOT NULL,
    rows bigint NOT NULL CHECK (rows >= 0),
    collisions bigint NOT NULL CHECK (collisions >= 0),
    duplicates bigint NOT NULL CHECK (duplicates >= 0),
    digest bytea NOT NULL CHECK (length(digest) = 16),
    PRIMARY KEY (log_partition, bucket)
);
COMMENT ON COLUMN dropped_sum.digest IS 'Sum of the digests of all of them, modulo 2^128.';

-- Where seals and sums begin: buckets before it lie wholly in days that are gone.
CREATE TABLE log_base (
    log_partition integer PRIMARY KEY,
    first_bucket bigint NOT NULL CHECK (first_bucket >= 0),
    chain bytea NOT NULL CHECK (length(chain) = 32),
    rows bigint NOT NULL CHECK (rows >= 0),
    collisions bigint NOT NULL CHECK (collisions >= 0),
    duplicates bigint NOT NULL CHECK (duplicates >= 0),
    dead bigint NOT NULL CHECK (dead >= 0),
    gaps bigint NOT NULL CHECK (gaps >= 0),
    lost bigint NOT NULL CHECK (lost >= 0)
);
COMMENT ON TABLE log_base IS
    'Totals of all offsets before first_bucket * 10,000, and the chain up to there. Dead letters and gaps of those offsets stay where they are; they are counted here too.';

-- How old a change is: changes go when the days do whose decisions named their clock.
ALTER TABLE permission_change ADD COLUMN noted_at timestamptz NOT NULL DEFAULT clock_timestamp();

-- As before, but the oldest day is looked at under the lock: whoever gives days up takes it too, and
-- after that nobody makes such a day again. And a table of that name is not taken for the day unless
-- it is attached.
CREATE OR REPLACE FUNCTION ensure_day(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    leaf CONSTANT text := 'access_log_' || to_char(day, 'YYYYMMDD');
BEGIN
    PERFORM pg_advisory_xact_lock(7310306018);
    IF day < (SELECT oldest_day FROM retention) OR day > (now() AT TIME ZONE 'UTC')::date + 2 THEN
        RAISE EXCEPTION 'day % is outside the range that is kept', day USING ERRCODE = 'GL001';
    END IF;
    IF to_regclass(leaf) IS NOT NULL THEN
        PERFORM FROM pg_inherits
        WHERE inhrelid = to_regclass(leaf) AND inhparent = 'access_log'::regclass
          AND NOT inhdetachpending;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'table % is there, but is no partition of access_log: attach it, or take it away', leaf;
        END IF;
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE access_log INCLUDING ALL)', leaf);
    EXECUTE format(
        'ALTER TABLE access_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        leaf, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
    RETURN true;
END $$;
