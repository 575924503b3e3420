-- What happened: each event of the log ends in exactly one of these tables, or in dead_letter.

-- Functions below run with this search path: a temporary table must not stand in for one of ours.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Time first on purpose: swipes come nearly in the order of time, so the index grows at its end.
-- A further index on (card_id, occurred_at) or on event_id halves the rate of writing.
CREATE TABLE access_log (
    occurred_at timestamptz NOT NULL CHECK (occurred_at = occurred_at::timestamptz(3)),
    received_at timestamptz NOT NULL,
    log_offset bigint NOT NULL,
    permission_clock bigint NOT NULL,
    age_ms bigint,
    terminal_seq bigint,
    terminal_epoch integer,
    log_partition integer NOT NULL,
    reasons smallint NOT NULL,
    granted boolean NOT NULL,
    live boolean NOT NULL,
    online boolean NOT NULL,
    locally_granted boolean,
    event_id uuid NOT NULL,
    card_id text NOT NULL,
    terminal_id text NOT NULL,
    zone_id text NOT NULL,
    direction text,
    PRIMARY KEY (occurred_at, card_id)
) PARTITION BY RANGE (occurred_at);
COMMENT ON TABLE access_log IS 'One row a swipe, with the decision and where it stands in the log.';
COMMENT ON COLUMN access_log.reasons IS
    'Bits of the denial reasons in precedence: 1 credential_not_found, 2 credential_not_enabled, 4 credential_not_active, 8 credential_expired, 16 unauthorized, 32 not_permitted_at_this_time, 64 antipassback, 128 lockout, 256 deny_all, 512 other. 0 when granted.';
COMMENT ON COLUMN access_log.permission_clock IS 'The permissions that the decision was made with.';
COMMENT ON COLUMN access_log.live IS 'Decided while the card was at the door.';
COMMENT ON COLUMN access_log.age_ms IS 'How old the swipe was when the terminal sent it, by its own clock.';
COMMENT ON COLUMN access_log.locally_granted IS 'What an offline terminal decided by itself.';

-- Another swipe of the same card in the same millisecond: the first in log order has the row.
CREATE TABLE collision (
    LIKE access_log INCLUDING CONSTRAINTS,
    row_offset bigint NOT NULL,
    PRIMARY KEY (occurred_at, card_id, event_id),
    UNIQUE (log_partition, log_offset)
);
COMMENT ON TABLE collision IS 'A second swipe of one card in one millisecond: a shared or cloned card.';
COMMENT ON COLUMN collision.row_offset IS 'Offset, in the same partition, of the row it collided with.';

CREATE TABLE duplicate_event (
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    first_offset bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    card_id text NOT NULL,
    event_id uuid NOT NULL,
    digest bytea NOT NULL CHECK (length(digest) = 16),
    PRIMARY KEY (log_partition, log_offset)
);
COMMENT ON TABLE duplicate_event IS 'An event that was in the log before: at first_offset of the same partition.';
COMMENT ON COLUMN duplicate_event.digest IS 'Digest of the event as it stood at this offset.';

-- The oldest day that is kept: events before it are dead-lettered.
CREATE TABLE retention (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    oldest_day date NOT NULL CHECK (oldest_day >= '0001-01-02')
);
INSERT INTO retention (oldest_day) VALUES (current_date - 400);

-- Makes the partition of one day, and says whether it had to. A transaction of its own, before the
-- batch that needs it: made apart and attached, because CREATE TABLE … PARTITION OF waits for open
-- batches and every COPY waits behind it.
CREATE FUNCTION ensure_day(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    leaf CONSTANT text := 'access_log_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF day < (SELECT oldest_day FROM retention) OR day > (now() AT TIME ZONE 'UTC')::date + 2 THEN
        RAISE EXCEPTION 'day % is outside the range that is kept', day USING ERRCODE = 'GL001';
    END IF;
    PERFORM pg_advisory_xact_lock(7310306018);
    IF to_regclass(leaf) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE access_log INCLUDING ALL)', leaf);
    EXECUTE format(
        'ALTER TABLE access_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        leaf, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
    RETURN true;
END $$;
