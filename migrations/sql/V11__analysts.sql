-- What analysts read: views in a schema of their own, and functions with an explicit span of time
-- where a view cannot pass one on. Nothing here refers to a table of ours but by way of these views,
-- so that whoever may read them needs no other right.

-- Types, functions and views name each other with their schema; tables of ours are looked up once,
-- here.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

COMMENT ON COLUMN access_log.occurred_at IS
    'When the card was read, by the terminal''s clock, in whole milliseconds. Days are partitions: name a span of it, and only its days are read.';
COMMENT ON COLUMN access_log.received_at IS 'When the gateway received it, by the gateway''s clock.';
COMMENT ON COLUMN access_log.log_offset IS 'Where it stands in its partition of the log.';
COMMENT ON COLUMN access_log.terminal_seq IS
    'The terminal''s own count of its swipes, within terminal_epoch; null where it has no counter.';
COMMENT ON COLUMN access_log.terminal_epoch IS 'How often the terminal''s counter was reset.';
COMMENT ON COLUMN access_log.log_partition IS 'The partition of the log that it stands in.';
COMMENT ON COLUMN access_log.granted IS 'The decision; the reasons are none exactly then.';
COMMENT ON COLUMN access_log.online IS 'Whether the terminal was connected when the card was read.';
COMMENT ON COLUMN access_log.event_id IS
    'The event''s id: the idempotency key that it was sent with, or derived from what was read.';
COMMENT ON COLUMN access_log.card_id IS 'The card; with occurred_at it makes the row what it is.';
COMMENT ON COLUMN access_log.terminal_id IS 'The reader.';
COMMENT ON COLUMN access_log.zone_id IS 'The zone that the decision was made for.';
COMMENT ON COLUMN access_log.direction IS
    'What the event said of its direction; a terminal of one direction need not say it.';

CREATE SCHEMA analyst;
COMMENT ON SCHEMA analyst IS
    'What analysts read. A condition on occurred_at, day or hour reads the days that it names and no others.';

CREATE FUNCTION analyst.reason_words(reasons smallint) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_remove(ARRAY[
    CASE WHEN reasons & 1 <> 0 THEN 'credential_not_found' END,
    CASE WHEN reasons & 2 <> 0 THEN 'credential_not_enabled' END,
    CASE WHEN reasons & 4 <> 0 THEN 'credential_not_active' END,
    CASE WHEN reasons & 8 <> 0 THEN 'credential_expired' END,
    CASE WHEN reasons & 16 <> 0 THEN 'unauthorized' END,
    CASE WHEN reasons & 32 <> 0 THEN 'not_permitted_at_this_time' END,
    CASE WHEN reasons & 64 <> 0 THEN 'antipassback' END,
    CASE WHEN reasons & 128 <> 0 THEN 'lockout' END,
    CASE WHEN reasons & 256 <> 0 THEN 'deny_all' END,
    CASE WHEN reasons & ~511 <> 0 THEN 'other' END
], NULL);
COMMENT ON FUNCTION analyst.reason_words IS
    'Denial reasons in words, in their precedence; one that is not known here is other.';

CREATE FUNCTION analyst.note_words(notes smallint) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_remove(ARRAY[
    CASE WHEN notes & 1 <> 0 THEN 'zone_released' END,
    CASE WHEN notes & 2 <> 0 THEN 'antipassback_violated' END,
    CASE WHEN notes & ~3 <> 0 THEN 'other' END
], NULL);
COMMENT ON FUNCTION analyst.note_words IS 'Notes in words; one that is not known here is other.';

-- From the names of the tables, as `gatelog partitions` takes them.
CREATE VIEW analyst.day AS
SELECT d.day,
       d.day::timestamp AT TIME ZONE 'UTC' AS starts_at,
       (d.day + 1)::timestamp AT TIME ZONE 'UTC' AS ends_at
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day) d
WHERE i.inhparent = 'access_log'::regclass
  AND NOT i.inhdetachpending
  AND c.relname ~ '^access_log_[0-9]{8}$';
COMMENT ON VIEW analyst.day IS 'The days that there are rows of, or a place for them.';
COMMENT ON COLUMN analyst.day.day IS 'The day, in UTC.';
COMMENT ON COLUMN analyst.day.starts_at IS 'Its first moment.';
COMMENT ON COLUMN analyst.day.ends_at IS 'Its end, which is the first moment of the next.';

CREATE VIEW analyst.zone AS
SELECT z.zone_id, z.name, z.mode, z.antipassback,
       coalesce(t.terminals, 0) AS terminals,
       EXISTS (
           SELECT FROM shared_history h
           WHERE h.kind = 'terminal' AND h.state ->> 'zone_id' = z.zone_id
             AND h.state ->> 'direction' <> 'in'
       ) AS has_exit
FROM zone z
LEFT JOIN (SELECT zone_id, count(*) AS terminals FROM terminal GROUP BY zone_id) t USING (zone_id);
COMMENT ON VIEW analyst.zone IS 'The zones as they are now.';
COMMENT ON COLUMN analyst.zone.zone_id IS 'The zone''s id.';
COMMENT ON COLUMN analyst.zone.name IS 'Its name.';
COMMENT ON COLUMN analyst.zone.mode IS
    'normal; deny_all: lockdown; released: every read is granted (fire).';
COMMENT ON COLUMN analyst.zone.antipassback IS
    'What becomes of a card that passes against it: nothing (off), recorded (soft), denied (hard).';
COMMENT ON COLUMN analyst.zone.terminals IS 'How many readers it has.';
COMMENT ON COLUMN analyst.zone.has_exit IS
    'Whether it has, or had, a reader on the way out. Without one, leaving shows only by a pass elsewhere.';

CREATE VIEW analyst.terminal AS
SELECT t.terminal_id, t.zone_id, z.name AS zone_name, t.direction
FROM terminal t
JOIN zone z USING (zone_id);
COMMENT ON VIEW analyst.terminal IS 'The readers as they are now.';
COMMENT ON COLUMN analyst.terminal.terminal_id IS 'The reader''s id.';
COMMENT ON COLUMN analyst.terminal.zone_id IS 'The zone that it guards.';
COMMENT ON COLUMN analyst.terminal.zone_name IS 'That zone''s name.';
COMMENT ON COLUMN analyst.terminal.direction IS 'in, out, or both: then each event says which.';

CREATE VIEW analyst.card AS
SELECT c.card_id, c.state, c.valid_from, c.valid_until, coalesce(a.zones, '{}') AS zones,
       a.schedule_id
FROM card c
LEFT JOIN user_access a USING (card_id);
COMMENT ON VIEW analyst.card IS 'The cards as they are now, and what they may do.';
COMMENT ON COLUMN analyst.card.card_id IS 'The card: personal data.';
COMMENT ON COLUMN analyst.card.state IS
    'enabled, disabled, lost, stolen, blocked or expired.';
COMMENT ON COLUMN analyst.card.valid_from IS 'From this moment on; null: since ever.';
COMMENT ON COLUMN analyst.card.valid_until IS 'Before this moment; null: for ever.';
COMMENT ON COLUMN analyst.card.zones IS 'The zones that it may enter.';
COMMENT ON COLUMN analyst.card.schedule_id IS 'When it may; null: always.';

-- The direction is that of the terminal's registration at the moment, as decisions take it.
CREATE VIEW analyst.access_event AS
SELECT a.occurred_at, a.card_id, a.event_id,
       a.zone_id, coalesce(z.name, a.zone_id) AS zone_name, a.terminal_id,
       CASE WHEN t.state ->> 'direction' IN ('in', 'out') THEN t.state ->> 'direction'
            ELSE a.direction END AS direction,
       a.granted, coalesce(a.locally_granted, a.granted) AS passed,
       analyst.reason_words(a.reasons) AS reasons,
       (analyst.reason_words(a.reasons))[1] AS primary_reason,
       analyst.note_words(a.notes) AS notes,
       a.live, a.online, a.locally_granted,
       a.received_at, a.age_ms,
       CASE WHEN current_setting('track_commit_timestamp')::boolean
            THEN pg_xact_commit_timestamp(a.xmin) END AS committed_at,
       a.terminal_epoch, a.terminal_seq, a.permission_clock, a.log_partition, a.log_offset
FROM access_log a
LEFT JOIN zone z ON z.zone_id = a.zone_id
LEFT JOIN shared_history t
       ON t.kind = 'terminal' AND t.key = a.terminal_id
      AND t.since <= a.occurred_at AND a.occurred_at < t.until;
COMMENT ON VIEW analyst.access_event IS
    'One row a swipe, with the decision in words. Name a span of occurred_at: only its days are read.';
COMMENT ON COLUMN analyst.access_event.occurred_at IS
    'When the card was read, by the terminal''s clock, in whole milliseconds.';
COMMENT ON COLUMN analyst.access_event.card_id IS 'The card: personal data.';
COMMENT ON COLUMN analyst.access_event.event_id IS
    'The event''s id, the same from the terminal''s request on.';
COMMENT ON COLUMN analyst.access_event.zone_id IS 'The zone that the decision was made for.';
COMMENT ON COLUMN analyst.access_event.zone_name IS
    'The zone''s name as it is now; its id where it is registered no more.';
COMMENT ON COLUMN analyst.access_event.terminal_id IS 'The reader.';
COMMENT ON COLUMN analyst.access_event.direction IS
    'in or out: the terminal''s own at that moment, or what the event said at one for both; null where nobody said it.';
COMMENT ON COLUMN analyst.access_event.granted IS 'The decision that was made from the log.';
COMMENT ON COLUMN analyst.access_event.passed IS
    'What let the card through, as far as is known: what an offline terminal decided by itself, else granted. A swipe that an online terminal handed in late is taken so, too, though no command opened a door for it.';
COMMENT ON COLUMN analyst.access_event.reasons IS
    'All reasons of a denial, in their precedence; empty when granted. New ones may come: take one that you do not know as other.';
COMMENT ON COLUMN analyst.access_event.primary_reason IS 'The first of reasons; null when granted.';
COMMENT ON COLUMN analyst.access_event.notes IS
    'zone_released: granted because every read was; antipassback_violated: recorded, and not a reason to deny.';
COMMENT ON COLUMN analyst.access_event.live IS
    'Whether it was decided while the card was at the door, by the permissions of now; else by those of its moment.';
COMMENT ON COLUMN analyst.access_event.online IS
    'Whether the terminal was connected when the card was read.';
COMMENT ON COLUMN analyst.access_event.locally_granted IS
    'What an offline terminal decided by itself; null where it did not say.';
COMMENT ON COLUMN analyst.access_event.received_at IS
    'When the gateway received it, by the gateway''s clock.';
COMMENT ON COLUMN analyst.access_event.age_ms IS
    'How old the swipe was when the terminal sent it, by its own clock, in ms.';
COMMENT ON COLUMN analyst.access_event.committed_at IS
    'When its row was committed; null where the server does not keep that, or no longer. In a restored database, the time of the restore.';
COMMENT ON COLUMN analyst.access_event.terminal_epoch IS
    'How often the terminal''s counter was reset; null where it has none.';
COMMENT ON COLUMN analyst.access_event.terminal_seq IS
    'The terminal''s own count of its swipes, within terminal_epoch.';
COMMENT ON COLUMN analyst.access_event.permission_clock IS
    'The version of all permissions that the decision was made with.';
COMMENT ON COLUMN analyst.access_event.log_partition IS 'The partition of the log that it stands in.';
COMMENT ON COLUMN analyst.access_event.log_offset IS 'Its offset in that partition.';

CREATE VIEW analyst.denial AS
SELECT e.occurred_at, e.card_id, e.event_id, e.zone_id, e.zone_name, e.terminal_id, e.direction,
       r.reason, r.place, r.place = 1 AS is_primary, e.live, e.passed
FROM analyst.access_event e
CROSS JOIN LATERAL unnest(e.reasons) WITH ORDINALITY AS r (reason, place)
WHERE NOT e.granted;
COMMENT ON VIEW analyst.denial IS
    'One row a denied swipe and reason: a swipe denied for two reasons is two rows; count those with is_primary to count swipes.';
COMMENT ON COLUMN analyst.denial.occurred_at IS 'When the card was read.';
COMMENT ON COLUMN analyst.denial.card_id IS 'The card: personal data.';
COMMENT ON COLUMN analyst.denial.event_id IS 'The event''s id.';
COMMENT ON COLUMN analyst.denial.zone_id IS 'The zone that the card was denied.';
COMMENT ON COLUMN analyst.denial.zone_name IS 'The zone''s name as it is now.';
COMMENT ON COLUMN analyst.denial.terminal_id IS 'The reader.';
COMMENT ON COLUMN analyst.denial.direction IS 'in or out; null where nobody said it.';
COMMENT ON COLUMN analyst.denial.reason IS 'One of its reasons.';
COMMENT ON COLUMN analyst.denial.place IS 'Where that reason stands in the precedence, from 1 on.';
COMMENT ON COLUMN analyst.denial.is_primary IS 'Whether it is the first.';
COMMENT ON COLUMN analyst.denial.live IS 'Whether the card was at the door while it was decided.';
COMMENT ON COLUMN analyst.denial.passed IS
    'Whether the door opened all the same, because an offline terminal had decided otherwise.';

CREATE VIEW analyst.decision_disagreement AS
SELECT e.occurred_at, e.card_id, e.event_id, e.zone_id, e.zone_name, e.terminal_id, e.direction,
       CASE WHEN e.granted THEN 'denied_locally_granted_here'
            ELSE 'granted_locally_denied_here' END AS kind,
       e.reasons, e.received_at
FROM analyst.access_event e
WHERE e.locally_granted <> e.granted;
COMMENT ON VIEW analyst.decision_disagreement IS
    'Swipes that an offline terminal decided otherwise than the permissions of that moment say.';
COMMENT ON COLUMN analyst.decision_disagreement.occurred_at IS 'When the card was read.';
COMMENT ON COLUMN analyst.decision_disagreement.card_id IS 'The card: personal data.';
COMMENT ON COLUMN analyst.decision_disagreement.event_id IS 'The event''s id.';
COMMENT ON COLUMN analyst.decision_disagreement.zone_id IS 'The zone.';
COMMENT ON COLUMN analyst.decision_disagreement.zone_name IS 'The zone''s name as it is now.';
COMMENT ON COLUMN analyst.decision_disagreement.terminal_id IS 'The reader.';
COMMENT ON COLUMN analyst.decision_disagreement.direction IS 'in or out; null where nobody said it.';
COMMENT ON COLUMN analyst.decision_disagreement.kind IS
    'granted_locally_denied_here: the door opened to a card that had no right to; denied_locally_granted_here: it stayed shut to one that had.';
COMMENT ON COLUMN analyst.decision_disagreement.reasons IS
    'Why it is denied here, all reasons in their precedence; empty where it is granted here.';
COMMENT ON COLUMN analyst.decision_disagreement.received_at IS
    'When it became known: when the gateway received it.';

-- The row it collided with is looked up by its key, one by one: joined otherwise, every day would
-- be read for it.
CREATE VIEW analyst.collision_event AS
SELECT c.occurred_at, c.card_id, c.event_id, c.zone_id, coalesce(z.name, c.zone_id) AS zone_name,
       c.terminal_id, c.granted, analyst.reason_words(c.reasons) AS reasons,
       r.event_id AS row_event_id, r.zone_id AS row_zone_id, r.terminal_id AS row_terminal_id,
       r.granted AS row_granted, c.received_at, c.log_partition, c.log_offset, c.row_offset
FROM collision c
LEFT JOIN zone z ON z.zone_id = c.zone_id
LEFT JOIN LATERAL (
    SELECT a.event_id, a.zone_id, a.terminal_id, a.granted
    FROM access_log a
    WHERE a.occurred_at = c.occurred_at AND a.card_id = c.card_id
    OFFSET 0
) r ON true;
COMMENT ON VIEW analyst.collision_event IS
    'A second swipe of one card in one millisecond, beside the row of the first: a shared or cloned card.';
COMMENT ON COLUMN analyst.collision_event.occurred_at IS 'When the card was read, both times.';
COMMENT ON COLUMN analyst.collision_event.card_id IS 'The card: personal data.';
COMMENT ON COLUMN analyst.collision_event.event_id IS 'The second swipe''s id.';
COMMENT ON COLUMN analyst.collision_event.zone_id IS 'The second swipe''s zone.';
COMMENT ON COLUMN analyst.collision_event.zone_name IS 'That zone''s name as it is now.';
COMMENT ON COLUMN analyst.collision_event.terminal_id IS 'The second swipe''s reader.';
COMMENT ON COLUMN analyst.collision_event.granted IS
    'How the second swipe was decided; it opened no door.';
COMMENT ON COLUMN analyst.collision_event.reasons IS 'Why it was denied; empty when granted.';
COMMENT ON COLUMN analyst.collision_event.row_event_id IS 'The first swipe''s id.';
COMMENT ON COLUMN analyst.collision_event.row_zone_id IS 'The first swipe''s zone.';
COMMENT ON COLUMN analyst.collision_event.row_terminal_id IS 'The first swipe''s reader.';
COMMENT ON COLUMN analyst.collision_event.row_granted IS 'How the first swipe was decided.';
COMMENT ON COLUMN analyst.collision_event.received_at IS 'When the gateway received the second.';
COMMENT ON COLUMN analyst.collision_event.log_partition IS
    'The partition of the log that both stand in.';
COMMENT ON COLUMN analyst.collision_event.log_offset IS 'The second swipe''s offset.';
COMMENT ON COLUMN analyst.collision_event.row_offset IS 'The first swipe''s offset.';

-- Where cards are: what a card's passes, in the order of time, say of the zones that it is in. As
-- decisions keep it (anti-passback): zones lie in one another, and whoever leaves or enters again a
-- zone has left all that were entered after it. And, where a zone has no reader on the way out, it
-- is left by any pass elsewhere.
CREATE TYPE analyst.whereabouts AS (
    zones text[],
    since timestamptz[],
    may_stay boolean,
    left_zones text[],
    left_since timestamptz[]
);
COMMENT ON TYPE analyst.whereabouts IS 'The zones that a card is in after a pass, and what it left by it.';
COMMENT ON COLUMN analyst.whereabouts.zones IS 'The zones that it is in, the innermost last.';
COMMENT ON COLUMN analyst.whereabouts.since IS 'Of each of zones: when it entered.';
COMMENT ON COLUMN analyst.whereabouts.may_stay IS
    'Whether the innermost has a reader on the way out, and so is not left by entering another.';
COMMENT ON COLUMN analyst.whereabouts.left_zones IS 'The zones that it left by the last pass.';
COMMENT ON COLUMN analyst.whereabouts.left_since IS 'Of each of left_zones: when it had entered.';

CREATE FUNCTION analyst.whereabouts_after(
    before analyst.whereabouts, zone_id text, direction text, has_exit boolean, at timestamptz
) RETURNS analyst.whereabouts
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    depth CONSTANT integer := coalesce(cardinality(before.zones), 0);
    place CONSTANT integer := array_position(before.zones, zone_id);
    stays integer := depth;
    after analyst.whereabouts;
BEGIN
    IF place IS NOT NULL THEN
        stays := place - 1;
    ELSIF depth > 0 AND NOT before.may_stay THEN
        stays := depth - 1;
    END IF;
    after.left_zones := before.zones[stays + 1:];
    after.left_since := before.since[stays + 1:];
    after.zones := before.zones[:stays];
    after.since := before.since[:stays];
    after.may_stay := true;
    IF direction = 'in' THEN
        IF stays >= 16 THEN
            after.left_zones := before.zones[1] || after.left_zones;
            after.left_since := before.since[1] || after.left_since;
            after.zones := after.zones[2:];
            after.since := after.since[2:];
        END IF;
        after.zones := after.zones || zone_id;
        after.since := after.since || at;
        after.may_stay := has_exit;
    END IF;
    RETURN after;
END $$;
COMMENT ON FUNCTION analyst.whereabouts_after IS
    'Where a card is after one more pass. It is in 16 zones at most; of more, the outermost is forgotten.';

CREATE AGGREGATE analyst.whereabouts_of(text, text, boolean, timestamptz) (
    SFUNC = analyst.whereabouts_after,
    STYPE = analyst.whereabouts,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE analyst.whereabouts_of(text, text, boolean, timestamptz) IS
    'Where a card is after its passes, given in the order of time: zone_id, direction, has_exit of the zone, occurred_at.';

CREATE VIEW analyst.pass AS
SELECT e.occurred_at, e.card_id, e.zone_id, e.zone_name, e.terminal_id, e.direction,
       x.zone_id IS NOT NULL AS has_exit, e.live
FROM analyst.access_event e
LEFT JOIN (
    SELECT DISTINCT h.state ->> 'zone_id' AS zone_id
    FROM shared_history h
    WHERE h.kind = 'terminal' AND h.state ->> 'direction' <> 'in'
) x ON x.zone_id = e.zone_id
WHERE e.passed AND e.direction IS NOT NULL;
COMMENT ON VIEW analyst.pass IS
    'Swipes that led through a door in a known direction: what says where cards are.';
COMMENT ON COLUMN analyst.pass.occurred_at IS 'When the card was read.';
COMMENT ON COLUMN analyst.pass.card_id IS 'The card: personal data.';
COMMENT ON COLUMN analyst.pass.zone_id IS 'The zone that it entered or left.';
COMMENT ON COLUMN analyst.pass.zone_name IS 'The zone''s name as it is now.';
COMMENT ON COLUMN analyst.pass.terminal_id IS 'The reader.';
COMMENT ON COLUMN analyst.pass.direction IS 'in or out.';
COMMENT ON COLUMN analyst.pass.has_exit IS
    'Whether the zone has, or had, a reader on the way out.';
COMMENT ON COLUMN analyst.pass.live IS 'Whether it was decided while the card was at the door.';

CREATE FUNCTION analyst.presence(
    at timestamptz DEFAULT now(), look_back interval DEFAULT '1 day'
) RETURNS TABLE (
    card_id text, zone_id text, zone_name text, since timestamptz, is_innermost boolean,
    last_pass_at timestamptz
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.card_id, s.zone_id, coalesce(z.name, s.zone_id), s.since,
           s.place = cardinality((c.w).zones), c.last_pass_at
    FROM (
        SELECT p.card_id,
               analyst.whereabouts_of(p.zone_id, p.direction, p.has_exit, p.occurred_at
                                      ORDER BY p.occurred_at) AS w,
               max(p.occurred_at) AS last_pass_at
        FROM analyst.pass p
        WHERE p.occurred_at > at - look_back AND p.occurred_at <= at
        GROUP BY p.card_id
    ) c
    CROSS JOIN LATERAL unnest((c.w).zones, (c.w).since)
        WITH ORDINALITY AS s (zone_id, since, place)
    LEFT JOIN analyst.zone z ON z.zone_id = s.zone_id;
END;
COMMENT ON FUNCTION analyst.presence IS
    'Who is inside which zone at a moment, by the passes of the time before it: a row a card and zone. A card that passed an inner zone is in the outer one, too: is_innermost has one row a card. Denied swipes and those without a direction move nobody; passes before at - look_back are not known. Late swipes count from when they occurred, once they are known.';

CREATE FUNCTION analyst.first_in_last_out_between(from_at timestamptz, until_at timestamptz)
RETURNS TABLE (
    card_id text, first_in_at timestamptz, first_in_zone_id text, first_in_terminal_id text,
    last_out_at timestamptz, last_out_zone_id text, last_out_terminal_id text,
    last_pass_at timestamptz, last_pass_zone_id text, passes bigint
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT p.card_id,
           min(p.occurred_at) FILTER (WHERE p.direction = 'in'),
           (array_agg(p.zone_id ORDER BY p.occurred_at) FILTER (WHERE p.direction = 'in'))[1],
           (array_agg(p.terminal_id ORDER BY p.occurred_at) FILTER (WHERE p.direction = 'in'))[1],
           max(p.occurred_at) FILTER (WHERE p.direction = 'out'),
           (array_agg(p.zone_id ORDER BY p.occurred_at DESC) FILTER (WHERE p.direction = 'out'))[1],
           (array_agg(p.terminal_id ORDER BY p.occurred_at DESC) FILTER (WHERE p.direction = 'out'))[1],
           max(p.occurred_at),
           (array_agg(p.zone_id ORDER BY p.occurred_at DESC))[1],
           count(*)
    FROM analyst.pass p
    WHERE p.occurred_at >= from_at AND p.occurred_at < until_at
    GROUP BY p.card_id;
END;
COMMENT ON FUNCTION analyst.first_in_last_out_between IS
    'Each card''s first way in and last way out from from_at to before until_at: a day in another time zone, or a shift across midnight. The view first_in_last_out has the same by days of UTC.';

-- Day by day, so that a condition on day chooses what is read: the days that are not asked for are
-- pruned while it runs.
CREATE VIEW analyst.first_in_last_out AS
SELECT d.day, f.*
FROM analyst.day d
CROSS JOIN LATERAL analyst.first_in_last_out_between(d.starts_at, d.ends_at) f;
COMMENT ON VIEW analyst.first_in_last_out IS
    'Each card''s first way in and last way out on a day. Name a span of day: only those days are read.';
COMMENT ON COLUMN analyst.first_in_last_out.day IS
    'The day, in UTC; for days elsewhere use first_in_last_out_between.';
COMMENT ON COLUMN analyst.first_in_last_out.card_id IS 'The card: personal data.';
COMMENT ON COLUMN analyst.first_in_last_out.first_in_at IS
    'Its first pass on the way in; null where it only left.';
COMMENT ON COLUMN analyst.first_in_last_out.first_in_zone_id IS 'Into which zone that was.';
COMMENT ON COLUMN analyst.first_in_last_out.first_in_terminal_id IS 'At which reader.';
COMMENT ON COLUMN analyst.first_in_last_out.last_out_at IS
    'Its last pass on the way out; null where no reader saw it leave.';
COMMENT ON COLUMN analyst.first_in_last_out.last_out_zone_id IS 'Out of which zone that was.';
COMMENT ON COLUMN analyst.first_in_last_out.last_out_terminal_id IS 'At which reader.';
COMMENT ON COLUMN analyst.first_in_last_out.last_pass_at IS
    'Its last pass of the day, in or out: where there are no readers on the way out, the last that is known.';
COMMENT ON COLUMN analyst.first_in_last_out.last_pass_zone_id IS 'Of which zone that was.';
COMMENT ON COLUMN analyst.first_in_last_out.passes IS 'How often it passed on that day.';

CREATE FUNCTION analyst.dwell_between(
    from_at timestamptz, until_at timestamptz, reach interval DEFAULT '1 day'
) RETURNS TABLE (
    card_id text, zone_id text, zone_name text, entered_at timestamptz, left_at timestamptz,
    ended_by text, stayed interval
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT w.card_id, s.zone_id, coalesce(z.name, s.zone_id), s.since, s.left_at, s.ended_by,
           s.left_at - s.since
    FROM (
        SELECT p.card_id, p.occurred_at, p.zone_id, p.direction,
               analyst.whereabouts_of(p.zone_id, p.direction, p.has_exit, p.occurred_at) OVER card
                   AS after,
               lead(p.occurred_at) OVER card IS NULL AS is_last
        FROM analyst.pass p
        WHERE p.occurred_at >= from_at - reach AND p.occurred_at < until_at + reach
        WINDOW card AS (PARTITION BY p.card_id ORDER BY p.occurred_at)
    ) w
    CROSS JOIN LATERAL (
        SELECT l.zone_id, l.since, w.occurred_at AS left_at,
               CASE WHEN l.zone_id <> w.zone_id THEN 'elsewhere'
                    WHEN w.direction = 'out' THEN 'out'
                    ELSE 'again' END AS ended_by
        FROM unnest((w.after).left_zones, (w.after).left_since) AS l (zone_id, since)
        UNION ALL
        SELECT i.zone_id, i.since, NULL, NULL
        FROM unnest((w.after).zones, (w.after).since) AS i (zone_id, since)
        WHERE w.is_last
    ) s
    LEFT JOIN analyst.zone z ON z.zone_id = s.zone_id
    WHERE s.since >= from_at AND s.since < until_at;
END;
COMMENT ON FUNCTION analyst.dwell_between IS
    'Stays in zones that began from from_at to before until_at. Passes are read from reach before that, which say what a card was in, to reach after it, which say when it left: a stay that ends later has no end. The view dwell has the same by days of UTC.';

CREATE VIEW analyst.dwell AS
SELECT d.day, s.*
FROM analyst.day d
CROSS JOIN LATERAL analyst.dwell_between(d.starts_at, d.ends_at) s;
COMMENT ON VIEW analyst.dwell IS
    'Stays in zones, by the day on which they began. Name a span of day: those days, one before and one after are read.';
COMMENT ON COLUMN analyst.dwell.day IS 'The day, in UTC, on which the card entered.';
COMMENT ON COLUMN analyst.dwell.card_id IS 'The card: personal data.';
COMMENT ON COLUMN analyst.dwell.zone_id IS
    'The zone. Stays in zones that lie in one another overlap.';
COMMENT ON COLUMN analyst.dwell.zone_name IS 'The zone''s name as it is now.';
COMMENT ON COLUMN analyst.dwell.entered_at IS 'When the card entered.';
COMMENT ON COLUMN analyst.dwell.left_at IS
    'When it left, as far as passes tell; null where nothing tells it until the end of the next day.';
COMMENT ON COLUMN analyst.dwell.ended_by IS
    'out: it passed on the way out of this zone; again: it entered this zone once more, so it had left unseen; elsewhere: it passed another zone, out of or into which it could not have come from here; null while it stays.';
COMMENT ON COLUMN analyst.dwell.stayed IS 'How long that was; null while it stays.';

CREATE FUNCTION analyst.traffic_between(from_at timestamptz, until_at timestamptz)
RETURNS TABLE (
    zone_id text, zone_name text, terminal_id text, swipes bigint, granted bigint, denied bigint,
    late bigint, cards bigint
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT e.zone_id, e.zone_name, e.terminal_id, count(*), count(*) FILTER (WHERE e.granted),
           count(*) FILTER (WHERE NOT e.granted), count(*) FILTER (WHERE NOT e.live),
           count(DISTINCT e.card_id)
    FROM analyst.access_event e
    WHERE e.occurred_at >= from_at AND e.occurred_at < until_at
    GROUP BY e.zone_id, e.zone_name, e.terminal_id;
END;
COMMENT ON FUNCTION analyst.traffic_between IS
    'Swipes by zone and terminal from from_at to before until_at. The view traffic has the same by hours.';

-- Hour by hour: each is a range of the table's key, and a condition on hour or day chooses them.
CREATE VIEW analyst.traffic AS
SELECT d.day, h.hour, t.*
FROM analyst.day d
CROSS JOIN LATERAL generate_series(d.starts_at, d.ends_at - interval '1 hour', interval '1 hour')
    AS h (hour)
CROSS JOIN LATERAL analyst.traffic_between(h.hour, h.hour + interval '1 hour') t;
COMMENT ON VIEW analyst.traffic IS
    'Swipes by zone, terminal and hour; hours without any are left out. Name a span of hour or day: only that is read.';
COMMENT ON COLUMN analyst.traffic.day IS 'The day, in UTC.';
COMMENT ON COLUMN analyst.traffic.hour IS 'The first moment of the hour.';
COMMENT ON COLUMN analyst.traffic.zone_id IS 'The zone.';
COMMENT ON COLUMN analyst.traffic.zone_name IS 'The zone''s name as it is now.';
COMMENT ON COLUMN analyst.traffic.terminal_id IS 'The reader.';
COMMENT ON COLUMN analyst.traffic.swipes IS 'How many swipes.';
COMMENT ON COLUMN analyst.traffic.granted IS 'How many of them were granted.';
COMMENT ON COLUMN analyst.traffic.denied IS 'How many were denied.';
COMMENT ON COLUMN analyst.traffic.late IS
    'How many were not decided while the card was at the door.';
COMMENT ON COLUMN analyst.traffic.cards IS
    'How many different cards; of several hours it is no sum.';

CREATE FUNCTION analyst.terminal_lateness_between(from_at timestamptz, until_at timestamptz)
RETURNS TABLE (
    terminal_id text, zone_id text, swipes bigint, offline bigint, late bigint,
    delay_p50 interval, delay_p99 interval, delay_max interval, clock_behind_p50 interval
)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT e.terminal_id, e.zone_id, count(*), count(*) FILTER (WHERE NOT e.online),
           count(*) FILTER (WHERE NOT e.live),
           percentile_disc(0.5) WITHIN GROUP (ORDER BY e.received_at - e.occurred_at),
           percentile_disc(0.99) WITHIN GROUP (ORDER BY e.received_at - e.occurred_at),
           max(e.received_at - e.occurred_at),
           percentile_disc(0.5) WITHIN GROUP (
               ORDER BY e.received_at - e.occurred_at - e.age_ms * interval '1 millisecond')
    FROM analyst.access_event e
    WHERE e.occurred_at >= from_at AND e.occurred_at < until_at
    GROUP BY e.terminal_id, e.zone_id;
END;
COMMENT ON FUNCTION analyst.terminal_lateness_between IS
    'How late each terminal''s swipes came, of those that occurred from from_at to before until_at. The view terminal_lateness has the same by days of UTC.';

CREATE VIEW analyst.terminal_lateness AS
SELECT d.day, t.*
FROM analyst.day d
CROSS JOIN LATERAL analyst.terminal_lateness_between(d.starts_at, d.ends_at) t;
COMMENT ON VIEW analyst.terminal_lateness IS
    'How late each terminal''s swipes of a day came. Name a span of day: only those days are read.';
COMMENT ON COLUMN analyst.terminal_lateness.day IS 'The day, in UTC, on which they occurred.';
COMMENT ON COLUMN analyst.terminal_lateness.terminal_id IS 'The reader.';
COMMENT ON COLUMN analyst.terminal_lateness.zone_id IS
    'Its zone; a terminal that was moved on that day has a row for each.';
COMMENT ON COLUMN analyst.terminal_lateness.swipes IS 'How many swipes.';
COMMENT ON COLUMN analyst.terminal_lateness.offline IS
    'How many were read while it was not connected.';
COMMENT ON COLUMN analyst.terminal_lateness.late IS
    'How many were not decided while the card was at the door.';
COMMENT ON COLUMN analyst.terminal_lateness.delay_p50 IS
    'From when the card was read, by the terminal''s clock, to when the gateway received it: the median.';
COMMENT ON COLUMN analyst.terminal_lateness.delay_p99 IS 'The same: 99 of 100 took no longer.';
COMMENT ON COLUMN analyst.terminal_lateness.delay_max IS 'The same: the longest.';
COMMENT ON COLUMN analyst.terminal_lateness.clock_behind_p50 IS
    'What is left of the delay without the age that the terminal counted, median: how far its clock is behind the gateway''s (negative: ahead), with the way between them. Null where it counts none.';
