-- $1 card_id, $2 state, $3 valid_from, $4 valid_until, $5 zones (sorted, separated by spaces),
-- $6 in_force_from, $7 whether the file says what the schedule is, $8 schedule_id. One
-- that is not said stays as it is: permissions whose version moved since this statement began are
-- left alone, and then `overtaken` says that it has to be done again.
WITH file AS (
    SELECT t.card_id, t.state, t.valid_from, t.valid_until,
           string_to_array(t.zones, ' ') AS zones, t.in_force_from,
           CASE WHEN t.says_schedule THEN t.schedule_id ELSE a.schedule_id END AS schedule_id,
           coalesce(a.version, 1) AS version, a.version IS NOT NULL AS there
    FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[],
                $6::timestamptz[], $7::boolean[], $8::text[])
         AS t (card_id, state, valid_from, valid_until, zones, in_force_from, says_schedule,
               schedule_id)
         LEFT JOIN user_access a USING (card_id)
), cards AS (
    INSERT INTO card AS c (card_id, state, valid_from, valid_until)
    SELECT card_id, state, valid_from, valid_until FROM file f
    WHERE NOT EXISTS (
        SELECT FROM card e
        WHERE e.card_id = f.card_id
          AND (e.state, e.valid_from, e.valid_until)
              IS NOT DISTINCT FROM (f.state, f.valid_from, f.valid_until)
    )
    ORDER BY card_id
    ON CONFLICT (card_id) DO UPDATE
    SET state = excluded.state, valid_from = excluded.valid_from, valid_until = excluded.valid_until
    WHERE (c.state, c.valid_from, c.valid_until)
          IS DISTINCT FROM (excluded.state, excluded.valid_from, excluded.valid_until)
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
    -- What was not there then has been made by somebody else since, at version 1, too.
    WHERE a.version = excluded.version AND a.card_id IN (SELECT card_id FROM file WHERE there)
    RETURNING a.card_id
)
SELECT count(*) FILTER (WHERE added) AS added,
       count(*) FILTER (WHERE added IS NOT TRUE) AS changed,
       (SELECT count(*) FROM permissions) < (SELECT count(*) FROM differing) AS overtaken,
       (SELECT count(*) FROM file f JOIN user_access a USING (card_id)
        WHERE a.in_force_from IS DISTINCT FROM f.in_force_from) AS in_force_from_kept
FROM cards FULL JOIN permissions USING (card_id)
