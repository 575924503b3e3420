-- Rules beside the zone list: schedules, modes of zones, anti-passback, lockout; versions of
-- everything that is edited; and the history of what cards share.

-- The functions below take this over: see V1.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

CREATE TABLE schedule (
    schedule_id text PRIMARY KEY CHECK (schedule_id ~ '^[!-~]{1,64}$'),
    definition jsonb NOT NULL CHECK (jsonb_typeof(definition) = 'object'),
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1)
);
COMMENT ON TABLE schedule IS 'When cards may pass: weekly windows in a time zone, and special days.';
COMMENT ON COLUMN schedule.definition IS
    'time_zone, weekly windows and special_days, as `gatelog access schedule --help` describes them.';

ALTER TABLE zone
    ADD COLUMN mode text NOT NULL DEFAULT 'normal'
        CHECK (mode IN ('normal', 'deny_all', 'released')),
    ADD COLUMN antipassback text NOT NULL DEFAULT 'off'
        CHECK (antipassback IN ('off', 'soft', 'hard')),
    ADD COLUMN antipassback_two_way boolean NOT NULL DEFAULT true,
    ADD COLUMN antipassback_timed_ms integer CHECK (antipassback_timed_ms BETWEEN 1 AND 604800000),
    ADD COLUMN lockout_denials integer CHECK (lockout_denials BETWEEN 1 AND 20),
    ADD COLUMN lockout_within_ms integer CHECK (lockout_within_ms BETWEEN 1 AND 604800000),
    ADD COLUMN lockout_for_ms integer CHECK (lockout_for_ms BETWEEN 1 AND 604800000),
    ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    ADD CONSTRAINT lockout_is_whole CHECK (
        num_nulls(lockout_denials, lockout_within_ms, lockout_for_ms) IN (0, 3)
    );
COMMENT ON COLUMN zone.mode IS
    'deny_all is a lockdown; released opens to every read (fire), and the row says so.';
COMMENT ON COLUMN zone.antipassback IS
    'What becomes of a card that passes against it: nothing (off), recorded (soft), denied (hard).';
COMMENT ON COLUMN zone.antipassback_two_way IS
    'Whether a card that is inside may not enter, nor one that is outside leave.';
COMMENT ON COLUMN zone.antipassback_timed_ms IS
    'Whether, and within which time in ms, a card may not enter twice, wherever it was meanwhile.';
COMMENT ON COLUMN zone.lockout_denials IS
    'So many denials within lockout_within_ms lock a card out of such zones for lockout_for_ms.';

ALTER TABLE terminal
    ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    DROP CONSTRAINT terminal_zone_id_fkey,
    ADD FOREIGN KEY (zone_id) REFERENCES zone ON UPDATE CASCADE;
ALTER TABLE card ADD COLUMN version bigint NOT NULL DEFAULT 1 CHECK (version >= 1);

ALTER TABLE user_access ADD COLUMN schedule_id text REFERENCES schedule ON UPDATE CASCADE;
COMMENT ON COLUMN user_access.schedule_id IS 'When the card may pass; null is always.';
CREATE INDEX user_access_schedule ON user_access (schedule_id) WHERE schedule_id IS NOT NULL;
ALTER TABLE user_access_history ADD COLUMN schedule_id text;
ALTER TABLE user_access_history ADD COLUMN card_version bigint NOT NULL DEFAULT 1;
COMMENT ON COLUMN user_access_history.card_version IS 'Of card, as access_version is of user_access.';

-- What cards share, and when it was so. The first state of each counts for all time before:
-- whoever registers a terminal or a zone late means the swipes that came from there, too.
CREATE TABLE shared_history (
    kind text NOT NULL CHECK (kind IN ('zone', 'terminal', 'schedule')),
    key text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL DEFAULT 'infinity',
    state jsonb NOT NULL,
    clock bigint NOT NULL,
    PRIMARY KEY (kind, key, since),
    CHECK (since < until)
);
COMMENT ON TABLE shared_history IS 'Every state of zones, terminals and schedules with its validity.';
COMMENT ON COLUMN shared_history.state IS 'The row as it was.';
COMMENT ON COLUMN shared_history.clock IS 'The permission clock that this state came with.';

-- Where a card is and how often it was denied, as its partition's owner folded it in log order. Only
-- for cards that pass a zone with anti-passback or lockout.
CREATE TABLE card_state (
    card_id text PRIMARY KEY,
    zones text[] NOT NULL DEFAULT '{}',
    inside boolean[] NOT NULL DEFAULT '{}',
    since timestamptz[] NOT NULL DEFAULT '{}',
    entered_at timestamptz[] NOT NULL DEFAULT '{}',
    denied_at timestamptz[] NOT NULL DEFAULT '{}',
    locked_from timestamptz,
    locked_until timestamptz,
    CHECK (cardinality(zones) <= 16 AND cardinality(denied_at) <= 20),
    CHECK (cardinality(inside) = cardinality(zones)),
    CHECK (cardinality(since) = cardinality(zones)),
    CHECK (cardinality(entered_at) = cardinality(zones)),
    CHECK (locked_from < locked_until)
) WITH (fillfactor = 70);
COMMENT ON COLUMN card_state.zones IS
    'Zones with anti-passback that it came through, in log order: it is in the last that it is inside of.';
COMMENT ON COLUMN card_state.inside IS 'Of each of zones: whether it went in last, or out.';
COMMENT ON COLUMN card_state.since IS 'Of each of zones: when that was.';
COMMENT ON COLUMN card_state.entered_at IS 'Of each of zones: when it went in last, if that is known.';
COMMENT ON COLUMN card_state.denied_at IS 'Denials that may still count for a lockout.';

ALTER TABLE access_log ADD COLUMN notes smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN access_log.notes IS
    'Bits: 1 granted because the zone was released, 2 against anti-passback that only records.';
ALTER TABLE collision ADD COLUMN notes smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN collision.notes IS 'As in access_log.';

-- A change that does not count its version itself, as one typed by hand, is counted here.
CREATE FUNCTION count_version() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;

DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['zone', 'terminal', 'card', 'user_access', 'schedule'] LOOP
        EXECUTE format('CREATE TRIGGER count_version BEFORE UPDATE ON %I FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.* AND OLD.version = NEW.version) EXECUTE FUNCTION count_version()', kind);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER count_version', kind);
    END LOOP;
    kind := 'schedule';
    EXECUTE format('CREATE TRIGGER note_insert AFTER INSERT ON %I REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION note_permission_change(%L, %L)', kind, kind, 'schedule_id');
    EXECUTE format('CREATE TRIGGER note_update AFTER UPDATE ON %I REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION note_permission_change(%L, %L)', kind, kind, 'schedule_id');
    EXECUTE format('CREATE TRIGGER note_delete AFTER DELETE ON %I REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION note_permission_change(%L, %L)', kind, kind, 'schedule_id');
    EXECUTE format('CREATE TRIGGER note_truncate AFTER TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION note_permission_change(%L, %L)', kind, kind, 'schedule_id');
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER note_insert, ENABLE ALWAYS TRIGGER note_update, ENABLE ALWAYS TRIGGER note_delete, ENABLE ALWAYS TRIGGER note_truncate', kind);
END $$;

-- As in V1, for cards and for what they share.
CREATE OR REPLACE FUNCTION stamp_permission_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    stamp bigint;
    stamped_at timestamptz;
    everyone boolean;
    cards text[];
    change record;
BEGIN
    PERFORM 1 FROM permission_change WHERE id = NEW.id AND clock IS NULL;
    IF NOT FOUND THEN
        RETURN NULL; -- stamped together with an earlier one of this transaction
    END IF;

    PERFORM pg_advisory_xact_lock(permission_lock());
    UPDATE permission_clock
    SET version = version + 1,
        changed_at = greatest(clock_timestamp(), changed_at + interval '1 microsecond')
    RETURNING version, changed_at INTO stamp, stamped_at;

    SELECT bool_or(c.keys IS NULL), array_agg(DISTINCT k) INTO everyone, cards
    FROM permission_change c LEFT JOIN LATERAL unnest(c.keys) k ON true
    WHERE c.clock IS NULL AND c.xid = pg_current_xact_id() AND c.kind IN ('card', 'user_access');
    IF everyone IS NOT NULL THEN
        PERFORM record_history(everyone, cards, stamp, stamped_at);
    END IF;
    FOR change IN
        SELECT c.kind, bool_or(c.keys IS NULL) AS all_keys, array_agg(DISTINCT k) AS keys
        FROM permission_change c LEFT JOIN LATERAL unnest(c.keys) k ON true
        WHERE c.clock IS NULL AND c.xid = pg_current_xact_id()
          AND c.kind IN ('zone', 'terminal', 'schedule')
        GROUP BY c.kind
    LOOP
        PERFORM record_shared_history(change.kind, change.all_keys, change.keys, stamp, stamped_at);
    END LOOP;

    UPDATE permission_change SET clock = stamp
    WHERE clock IS NULL AND xid = pg_current_xact_id();
    RETURN NULL;
END $$;

CREATE FUNCTION record_shared_history(
    changed_kind text, everything boolean, keys text[], stamp bigint, stamped_at timestamptz
) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    EXECUTE format($sql$
        WITH current AS (
            SELECT t.%2$I AS key, to_jsonb(t) AS state FROM %1$I t
            WHERE $2 OR t.%2$I = ANY ($3)
        ), opened AS (
            SELECT h.key, h.since, h.state FROM shared_history h
            WHERE h.kind = $1 AND h.until = 'infinity' AND ($2 OR h.key = ANY ($3))
        ), changed AS (
            SELECT coalesce(c.key, o.key) AS key, c.state AS state, o.since AS open_since
            FROM current c FULL JOIN opened o USING (key)
            WHERE c.state IS DISTINCT FROM o.state
        ), closed AS (
            UPDATE shared_history h SET until = $5
            FROM changed g WHERE h.kind = $1 AND h.key = g.key AND h.since = g.open_since
        )
        INSERT INTO shared_history (kind, key, since, state, clock)
        SELECT $1, g.key,
               CASE WHEN EXISTS (SELECT FROM shared_history h WHERE h.kind = $1 AND h.key = g.key)
                    THEN $5 ELSE '-infinity' END,
               g.state, $4
        FROM changed g
        WHERE g.state IS NOT NULL
    $sql$, changed_kind, changed_kind || '_id')
    USING changed_kind, everything, keys, stamp, stamped_at;
END $$;

CREATE OR REPLACE FUNCTION record_history(everyone boolean, cards text[], stamp bigint, stamped_at timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    WITH current AS (
        SELECT c.card_id, c.state, c.valid_from, c.valid_until, c.version AS card_version,
               coalesce(a.zones, '{}') AS zones, a.schedule_id,
               coalesce(a.version, 0) AS access_version, a.in_force_from
        FROM card c LEFT JOIN user_access a USING (card_id)
        WHERE everyone OR c.card_id = ANY (cards)
    ), opened AS (
        SELECT * FROM user_access_history h
        WHERE h.until = 'infinity' AND (everyone OR h.card_id = ANY (cards))
    ), changed AS (
        SELECT coalesce(c.card_id, o.card_id) AS card_id,
               c.card_id IS NOT NULL AS stays, o.since AS open_since
        FROM current c FULL JOIN opened o USING (card_id)
        WHERE (c.state, c.valid_from, c.valid_until, c.card_version, c.zones, c.schedule_id,
               c.access_version)
              IS DISTINCT FROM
              (o.state, o.valid_from, o.valid_until, o.card_version, o.zones, o.schedule_id,
               o.access_version)
    ), closed AS (
        UPDATE user_access_history h SET until = stamped_at
        FROM changed g WHERE h.card_id = g.card_id AND h.since = g.open_since
    )
    INSERT INTO user_access_history
        (card_id, since, state, valid_from, valid_until, card_version, zones, schedule_id,
         access_version, clock)
    SELECT c.card_id,
           CASE WHEN EXISTS (SELECT FROM user_access_history h WHERE h.card_id = c.card_id)
                THEN stamped_at ELSE least(c.in_force_from, stamped_at) END,
           c.state, c.valid_from, c.valid_until, c.card_version, c.zones, c.schedule_id,
           c.access_version, stamp
    FROM current c JOIN changed g USING (card_id)
    WHERE g.stays;
END $$;

-- What stands already, as of now.
INSERT INTO shared_history (kind, key, since, state, clock)
SELECT s.kind, s.key, '-infinity', s.state, p.version
FROM (SELECT 'zone' AS kind, zone_id AS key, to_jsonb(t) AS state FROM zone t
      UNION ALL SELECT 'terminal', terminal_id, to_jsonb(t) FROM terminal t) s,
     permission_clock p;
