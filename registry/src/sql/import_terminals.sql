-- $1 terminal_id, $2 zone_id, $3 direction
WITH file AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS t (terminal_id, zone_id, direction)
), written AS (
    INSERT INTO terminal AS t (terminal_id, zone_id, direction)
    SELECT terminal_id, zone_id, direction FROM file f
    WHERE NOT EXISTS (
        SELECT FROM terminal e
        WHERE e.terminal_id = f.terminal_id AND (e.zone_id, e.direction) = (f.zone_id, f.direction)
    )
    ORDER BY terminal_id
    ON CONFLICT (terminal_id) DO UPDATE
    SET zone_id = excluded.zone_id, direction = excluded.direction
    WHERE (t.zone_id, t.direction) IS DISTINCT FROM (excluded.zone_id, excluded.direction)
    RETURNING t.xmax = 0 AS added
)
SELECT count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS changed
FROM written
