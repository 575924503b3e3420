-- $1 card_id, $2 state (null: not said), $3 valid_from, $4 valid_until, $5 zones (sorted, separated by spaces),
-- $6 in_force_from, $7 whether the file says what the schedule is, $8 schedule_id. One
-- that is not said stays as it is, and so does a state; of a new card it is enabled. Cards and
-- permissions whose version moved since this statement began are left alone, and then `overtaken` says
-- that it has to be done again.
WITH file AS (
    SELECT t.card_id, coalesce(t.state, c.state, 'enabled') AS state, t.valid_from, t.valid_until,
           string_to_array(t.zones, ' ') AS zones, t.in_force_from,
           CASE WHEN t.says_schedule THEN t.schedule_id ELSE a.schedule_id END AS schedule_id,
           coalesce(a.version, 1) AS version, a.version IS NOT NULL AS there,
           coalesce(c.version, 1) AS card_version, c.version IS NOT NULL AS card_there
    FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[],
                $6::timestamptz[], $7::boolean[], $8::text[])
         AS t (card_id, state, valid_from, valid_until, zones, in_force_from, says_schedule,
               schedule_id)
         LEFT JOIN user_access a USING (card_id)
         LEFT JOIN card c USING (card_id)
), differing_cards AS (
    SELECT card_id, state, valid_from, valid_until, card_version FROM file f
    WHERE NOT EXISTS (
        SELECT FROM card e
        WHERE e.card_id = f.card_id
          AND (e.state, e.valid_from, e.valid_until)
              IS NOT DISTINCT FROM (f.state, f.valid_from, f.valid_until)
    )
), cards AS (
    INSERT INTO card AS c (card_id, state, valid_from, valid_until, version)
    SELECT * FROM differing_cards
    ORDER BY card_id
    ON CONFLICT (card_id) DO UPDATE
    SET state = excluded.state, valid_from = excluded.valid_from, valid_until = excluded.valid_until
    -- What was not there then has been made by somebody else since, at version 1, too.
    WHERE c.version = excluded.version AND c.card_id IN (SELECT card_id FROM file WHERE card_there)
    RETURNING c.card_id, c.xmax = 0 AS added
), differing AS (
    SELECT card_id, zones, schedule_id, in_force_from, version FROM file f
    WHERE NOT EXISTS (
        SELECT FROM user_access e
        WHERE e.card_id = f.card_id
          AND (e.zones, e.schedule_id) IS NOT DISTINCT FROM (f.zones, f.schedule_id)
    )
), permissions AS (
    INSERT INTO user_access AS a (card_id, zones, schedule_id, in_force_from, version)
    SELECT * FROM differing
    ORDER BY card_id
    ON CONFLICT (card_id) DO UPDATE
    SET zones = excluded.zones, schedule_id = excluded.schedule_id
    WHERE a.version = excluded.version AND a.card_id IN (SELECT card_id FROM file WHERE there)
    RETURNING a.card_id
)
SELECT count(*) FILTER (WHERE added) AS added,
       count(*) FILTER (WHERE added IS NOT TRUE) AS changed,
       (SELECT count(*) FROM permissions) < (SELECT count(*) FROM differing)
       OR (SELECT count(*) FROM cards) < (SELECT count(*) FROM differing_cards) AS overtaken,
       (SELECT count(*) FROM file f JOIN user_access a USING (card_id)
        WHERE a.in_force_from IS DISTINCT FROM f.in_force_from) AS in_force_from_kept
FROM cards FULL JOIN permissions USING (card_id)
