-- $1 zone_id, $2 name. Rows that are as they should be are not even locked.
WITH file AS (
    SELECT * FROM unnest($1::text[], $2::text[]) AS t (zone_id, name)
), written AS (
    INSERT INTO zone AS z (zone_id, name)
    SELECT zone_id, name FROM file f
    WHERE NOT EXISTS (SELECT FROM zone e WHERE e.zone_id = f.zone_id AND e.name = f.name)
    ORDER BY zone_id
    ON CONFLICT (zone_id) DO UPDATE SET name = excluded.name
    WHERE z.name IS DISTINCT FROM excluded.name
    -- A row that this statement inserted has no xmax; one that it updated had to lock it first.
    RETURNING z.xmax = 0 AS added
)
SELECT count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS changed
FROM written
