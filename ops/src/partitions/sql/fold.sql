-- The totals of all offsets before bucket $2: those of the base so far, and what came since.
WITH base AS (
    SELECT * FROM log_base WHERE log_partition = $1
), span AS (
    SELECT coalesce((SELECT first_bucket * $4 FROM base), 0) AS first, $2 * $4 AS target
), dropped AS (
    SELECT coalesce(sum(rows), 0)::bigint AS rows, coalesce(sum(collisions), 0)::bigint AS collisions,
           coalesce(sum(duplicates), 0)::bigint AS duplicates
    FROM dropped_sum
    WHERE log_partition = $1 AND bucket < $2
), letters AS (
    SELECT count(*) AS dead
    FROM dead_letter l, span s
    WHERE l.log_partition = $1 AND l.log_offset >= s.first AND l.log_offset < s.target
), holes AS (
    SELECT coalesce(sum(width) FILTER (WHERE NOT lost), 0)::bigint AS gaps,
           coalesce(sum(width) FILTER (WHERE lost), 0)::bigint AS lost
    FROM (
        SELECT g.lost, least(g.end_offset, s.target) - greatest(g.first_offset, s.first) AS width
        FROM offset_gap g, span s
        WHERE g.log_partition = $1 AND g.end_offset > s.first AND g.first_offset < s.target
    ) parts
)
INSERT INTO log_base AS b
    (log_partition, first_bucket, chain, rows, collisions, duplicates, dead, gaps, lost)
SELECT $1, $2, $3, coalesce(o.rows, 0) + d.rows, coalesce(o.collisions, 0) + d.collisions,
       coalesce(o.duplicates, 0) + d.duplicates, coalesce(o.dead, 0) + l.dead,
       coalesce(o.gaps, 0) + h.gaps, coalesce(o.lost, 0) + h.lost
FROM dropped d CROSS JOIN letters l CROSS JOIN holes h LEFT JOIN base o ON true
ON CONFLICT (log_partition) DO UPDATE
SET first_bucket = excluded.first_bucket, chain = excluded.chain, rows = excluded.rows,
    collisions = excluded.collisions, duplicates = excluded.duplicates, dead = excluded.dead,
    gaps = excluded.gaps, lost = excluded.lost
RETURNING b.rows + b.collisions + b.duplicates + b.dead + b.gaps + b.lost AS offsets
