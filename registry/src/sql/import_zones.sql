-- $1 zone_id, $2 name, $3 mode, $4 antipassback, $5 two_way, $6 timed_ms, $7 whether the file says
-- what the lockout is, $8 denials, $9 within_ms, $10 for_ms. Rules that are null ($3, $4) or not said
-- ($7) stay as they are: a row whose version moved since this statement began is left alone, and then
-- `overtaken` says that it has to be done again. Rows that are as they should be are not even locked.
WITH file AS (
    SELECT f.zone_id, f.name,
           coalesce(f.mode, z.mode, 'normal') AS mode,
           coalesce(f.antipassback, z.antipassback, 'off') AS antipassback,
           coalesce(f.two_way, z.antipassback_two_way, true) AS antipassback_two_way,
           CASE WHEN f.antipassback IS NULL THEN z.antipassback_timed_ms ELSE f.timed_ms END
               AS antipassback_timed_ms,
           CASE WHEN f.says_lockout THEN f.denials ELSE z.lockout_denials END AS lockout_denials,
           CASE WHEN f.says_lockout THEN f.within_ms ELSE z.lockout_within_ms END
               AS lockout_within_ms,
           CASE WHEN f.says_lockout THEN f.for_ms ELSE z.lockout_for_ms END AS lockout_for_ms,
           coalesce(z.version, 1) AS version, z.version IS NOT NULL AS there
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::integer[],
                $7::boolean[], $8::integer[], $9::integer[], $10::integer[])
         AS f (zone_id, name, mode, antipassback, two_way, timed_ms, says_lockout, denials,
               within_ms, for_ms)
         LEFT JOIN zone z USING (zone_id)
), differing AS (
    SELECT * FROM file f
    WHERE NOT EXISTS (
        SELECT FROM zone e
        WHERE e.zone_id = f.zone_id
          AND (e.name, e.mode, e.antipassback, e.antipassback_two_way, e.antipassback_timed_ms,
               e.lockout_denials, e.lockout_within_ms, e.lockout_for_ms)
              IS NOT DISTINCT FROM
              (f.name, f.mode, f.antipassback, f.antipassback_two_way, f.antipassback_timed_ms,
               f.lockout_denials, f.lockout_within_ms, f.lockout_for_ms)
    )
), written AS (
    INSERT INTO zone AS z (zone_id, name, mode, antipassback, antipassback_two_way,
        antipassback_timed_ms, lockout_denials, lockout_within_ms, lockout_for_ms, version)
    SELECT zone_id, name, mode, antipassback, antipassback_two_way, antipassback_timed_ms,
           lockout_denials, lockout_within_ms, lockout_for_ms, version
    FROM differing
    ORDER BY zone_id
    ON CONFLICT (zone_id) DO UPDATE
    SET name = excluded.name, mode = excluded.mode, antipassback = excluded.antipassback,
        antipassback_two_way = excluded.antipassback_two_way,
        antipassback_timed_ms = excluded.antipassback_timed_ms,
        lockout_denials = excluded.lockout_denials,
        lockout_within_ms = excluded.lockout_within_ms, lockout_for_ms = excluded.lockout_for_ms
    -- What was not there then has been made by somebody else since, at version 1, too.
    WHERE z.version = excluded.version AND z.zone_id IN (SELECT zone_id FROM file WHERE there)
    -- A row that this statement inserted has no xmax; one that it updated had to lock it first.
    RETURNING z.xmax = 0 AS added
)
SELECT count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS changed,
       count(*) < (SELECT count(*) FROM differing) AS overtaken
FROM written
