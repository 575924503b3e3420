-- Advances every partition of the batch, or as many as are still where this owner left them.
-- All events count as rows here; what turns out otherwise is moved by correct_totals.sql.
WITH batch AS (
    SELECT b.*
    FROM unnest($1::int[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::timestamptz[])
        AS b (log_partition, owner, first, next, dead, gaps, occurred_at_max)
), locked AS (
    SELECT c.log_partition
    FROM consumer_offset c
    WHERE c.log_partition = ANY ($1::int[])
    ORDER BY c.log_partition
    FOR UPDATE
)
UPDATE consumer_offset c
SET next_offset = b.next,
    rows = c.rows + (b.next - b.first) - b.dead - b.gaps,
    dead = c.dead + b.dead,
    gaps = c.gaps + b.gaps,
    occurred_at_max = greatest(c.occurred_at_max, b.occurred_at_max)
FROM batch b JOIN locked l USING (log_partition)
WHERE c.log_partition = b.log_partition
  AND c.owner = b.owner
  AND c.next_offset = b.first
RETURNING c.log_partition, old.occurred_at_max
