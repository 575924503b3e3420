-- $1 schedule_id, $2 definition
WITH file AS (
    SELECT * FROM unnest($1::text[], $2::jsonb[]) AS t (schedule_id, definition)
), written AS (
    INSERT INTO schedule AS s (schedule_id, definition)
    SELECT schedule_id, definition FROM file f
    WHERE NOT EXISTS (
        SELECT FROM schedule e
        WHERE e.schedule_id = f.schedule_id AND e.definition = f.definition
    )
    ORDER BY schedule_id
    ON CONFLICT (schedule_id) DO UPDATE SET definition = excluded.definition
    WHERE s.definition IS DISTINCT FROM excluded.definition
    RETURNING s.xmax = 0 AS added
)
SELECT count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS changed
FROM written
