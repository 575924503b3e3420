-- Who may go where: the permissions, the clock that every change of them moves, and their history.

-- Functions below take this over. Unless pg_temp is named, it comes first: anyone's temporary table
-- of the same name would stand in for ours, in functions that run with the owner's rights.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

CREATE TABLE zone (
    zone_id text PRIMARY KEY CHECK (zone_id ~ '^[!-~]{1,64}$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200)
);
COMMENT ON TABLE zone IS 'An area that terminals guard (ONVIF Area, BACnet Access Zone).';

CREATE TABLE terminal (
    terminal_id text PRIMARY KEY CHECK (terminal_id ~ '^[!-~]{1,64}$'),
    zone_id text NOT NULL REFERENCES zone,
    direction text NOT NULL CHECK (direction IN ('in', 'out', 'both'))
);
COMMENT ON TABLE terminal IS 'The reader at one access point: one zone, one direction, or both.';

CREATE TABLE card (
    card_id text PRIMARY KEY CHECK (card_id ~ '^[!-~]{1,64}$'),
    state text NOT NULL DEFAULT 'enabled'
        CHECK (state IN ('enabled', 'disabled', 'lost', 'stolen', 'blocked', 'expired')),
    valid_from timestamptz,
    valid_until timestamptz,
    CHECK (valid_from < valid_until)
);
COMMENT ON COLUMN card.valid_until IS 'Exclusive: from this moment on the card is expired.';

CREATE TABLE user_access (
    card_id text PRIMARY KEY REFERENCES card ON DELETE CASCADE,
    zones text[] NOT NULL CHECK (cardinality(zones) <= 1000),
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    in_force_from timestamptz
);
COMMENT ON COLUMN user_access.version IS 'Starts at 1, plus 1 at each change.';
COMMENT ON COLUMN user_access.in_force_from IS
    'Since when the card''s first state counts for late swipes, where it is registered together with its card; since its registration where it is null. History that exists is never rewritten.';

-- What each card might do, and when: a row for each state of card and user_access together.
-- Late swipes are decided by the row whose span holds their occurred_at, live ones by the open row.
CREATE TABLE user_access_history (
    card_id text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL DEFAULT 'infinity',
    state text NOT NULL,
    valid_from timestamptz,
    valid_until timestamptz,
    zones text[] NOT NULL,
    access_version bigint NOT NULL,
    clock bigint NOT NULL,
    PRIMARY KEY (card_id, since),
    CHECK (since < until)
);
COMMENT ON COLUMN user_access_history.clock IS 'The permission clock that this state came with.';

-- One row. A decision names the version it was made with.
CREATE TABLE permission_clock (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version bigint NOT NULL,
    changed_at timestamptz NOT NULL
);
INSERT INTO permission_clock (version, changed_at) VALUES (1, clock_timestamp());

CREATE TABLE permission_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    keys text[],
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    clock bigint
);
COMMENT ON TABLE permission_change IS
    'What moved the clock. keys is null where a change touched more than 1,000: all of that kind.';
COMMENT ON COLUMN permission_change.clock IS 'Set when the change commits.';
CREATE INDEX permission_change_open ON permission_change (xid) WHERE clock IS NULL;
CREATE INDEX permission_change_clock ON permission_change (clock);

-- Statement trigger of every permission table: notes which keys a statement touched.
-- Arguments: kind, key column. Transition tables: before_rows, after_rows.
CREATE FUNCTION note_permission_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    kind CONSTANT text := TG_ARGV[0];
    key CONSTANT text := TG_ARGV[1];
    touched text[];
BEGIN
    IF TG_OP <> 'TRUNCATE' THEN
        EXECUTE CASE TG_OP
            WHEN 'INSERT' THEN format('SELECT array_agg(%I) FROM (SELECT %1$I FROM after_rows LIMIT 1001) t', key)
            WHEN 'DELETE' THEN format('SELECT array_agg(%I) FROM (SELECT %1$I FROM before_rows LIMIT 1001) t', key)
            ELSE format('SELECT array_agg(%I) FROM (SELECT %1$I FROM before_rows UNION SELECT %1$I FROM after_rows LIMIT 1001) t', key)
        END INTO touched;
        IF touched IS NULL THEN
            RETURN NULL;
        END IF;
        IF cardinality(touched) > 1000 THEN
            touched := NULL;
        END IF;
    END IF;
    INSERT INTO permission_change (kind, keys) VALUES (kind, touched);
    RETURN NULL;
END $$;

DO $$
DECLARE
    kind text;
    key text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['zone', 'terminal', 'card', 'user_access'] LOOP
        key := CASE kind WHEN 'user_access' THEN 'card_id' ELSE kind || '_id' END;
        EXECUTE format('CREATE TRIGGER note_insert AFTER INSERT ON %I REFERENCING NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION note_permission_change(%L, %L)', kind, kind, key);
        EXECUTE format('CREATE TRIGGER note_update AFTER UPDATE ON %I REFERENCING OLD TABLE AS before_rows NEW TABLE AS after_rows FOR EACH STATEMENT EXECUTE FUNCTION note_permission_change(%L, %L)', kind, kind, key);
        EXECUTE format('CREATE TRIGGER note_delete AFTER DELETE ON %I REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION note_permission_change(%L, %L)', kind, kind, key);
        EXECUTE format('CREATE TRIGGER note_truncate AFTER TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION note_permission_change(%L, %L)', kind, kind, key);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER note_insert, ENABLE ALWAYS TRIGGER note_update, ENABLE ALWAYS TRIGGER note_delete, ENABLE ALWAYS TRIGGER note_truncate', kind);
    END LOOP;
END $$;

-- The lock that orders permission changes against batches: changes take it exclusively for the
-- moment of their commit, batches share it from their last check to theirs.
CREATE FUNCTION permission_lock() RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT 7310306017::bigint $$;

-- At commit, once a transaction: moves the clock, stamps the transaction's changes with it and
-- brings the history up to date with the same stamp. Because it is deferred, a transaction that
-- stays open holds no lock that a batch waits for.
CREATE FUNCTION stamp_permission_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    stamp bigint;
    stamped_at timestamptz;
    everyone boolean;
    cards text[];
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

    UPDATE permission_change SET clock = stamp
    WHERE clock IS NULL AND xid = pg_current_xact_id();
    RETURN NULL;
END $$;

-- Closes the open history row of each card that changed and opens the next one. Planned for its
-- arguments each time: a plan for one card and for everyone would read every card.
CREATE FUNCTION record_history(everyone boolean, cards text[], stamp bigint, stamped_at timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    WITH current AS (
        SELECT c.card_id, c.state, c.valid_from, c.valid_until,
               coalesce(a.zones, '{}') AS zones, coalesce(a.version, 0) AS access_version,
               a.in_force_from
        FROM card c LEFT JOIN user_access a USING (card_id)
        WHERE everyone OR c.card_id = ANY (cards)
    ), opened AS (
        SELECT * FROM user_access_history h
        WHERE h.until = 'infinity' AND (everyone OR h.card_id = ANY (cards))
    ), changed AS (
        SELECT coalesce(c.card_id, o.card_id) AS card_id,
               c.card_id IS NOT NULL AS stays, o.since AS open_since
        FROM current c FULL JOIN opened o USING (card_id)
        WHERE (c.state, c.valid_from, c.valid_until, c.zones, c.access_version)
              IS DISTINCT FROM (o.state, o.valid_from, o.valid_until, o.zones, o.access_version)
    ), closed AS (
        UPDATE user_access_history h SET until = stamped_at
        FROM changed g WHERE h.card_id = g.card_id AND h.since = g.open_since
    )
    INSERT INTO user_access_history
        (card_id, since, state, valid_from, valid_until, zones, access_version, clock)
    SELECT c.card_id,
           CASE WHEN EXISTS (SELECT FROM user_access_history h WHERE h.card_id = c.card_id)
                THEN stamped_at ELSE least(c.in_force_from, stamped_at) END,
           c.state, c.valid_from, c.valid_until, c.zones, c.access_version, stamp
    FROM current c JOIN changed g USING (card_id)
    WHERE g.stays;
END $$;

CREATE CONSTRAINT TRIGGER stamp AFTER INSERT ON permission_change
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stamp_permission_changes();
ALTER TABLE permission_change ENABLE ALWAYS TRIGGER stamp;

-- The optimistic check, last thing in a batch: from here to the commit no permission changes.
-- Two statements, so that the second sees what committed while the first waited for the lock.
CREATE FUNCTION seal_batch() RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT AS $$
DECLARE
    current bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(permission_lock());
    SELECT version INTO STRICT current FROM permission_clock;
    RETURN current;
END $$;
COMMENT ON FUNCTION seal_batch IS 'The permission clock, held still until this transaction ends.';
