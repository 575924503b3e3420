-- $1 card_id, $2 state, $3 valid_from, $4 valid_until, $5 zones (sorted, separated by spaces),
-- $6 in_force_from
WITH file AS (
    SELECT card_id, state, valid_from, valid_until, string_to_array(zones, ' ') AS zones,
           in_force_from
    FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[],
                $6::timestamptz[])
         AS t (card_id, state, valid_from, valid_until, zones, in_force_from)
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
), permissions AS (
    INSERT INTO user_access AS a (card_id, zones, in_force_from)
    SELECT card_id, zones, in_force_from FROM file f
    WHERE NOT EXISTS (
        SELECT FROM user_access e WHERE e.card_id = f.card_id AND e.zones = f.zones
    )
    ORDER BY card_id
    ON CONFLICT (card_id) DO UPDATE SET zones = excluded.zones, version = a.version + 1
    WHERE a.zones IS DISTINCT FROM excluded.zones
    RETURNING a.card_id
)
SELECT count(*) FILTER (WHERE added) AS added,
       count(*) FILTER (WHERE added IS NOT TRUE) AS changed,
       (SELECT count(*) FROM file f JOIN user_access a USING (card_id)
        WHERE a.in_force_from IS DISTINCT FROM f.in_force_from) AS in_force_from_kept
FROM cards FULL JOIN permissions USING (card_id)
