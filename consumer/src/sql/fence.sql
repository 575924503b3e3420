-- Advances every partition of the batch, or as many as are still where this owner left them.
-- All events count as rows here; what turns out otherwise is moved by correct_totals.sql.
WITH batch AS (
    SELECT b.*
    FROM unnest($1::int[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                $7::timestamptz[], $8::bigint[], $9::bytea[], $10::timestamptz[],
                $11::timestamptz[], $12::bytea[])
        AS b (log_partition, owner, first, next, dead, gaps,
              occurred_at_max, open_events, open_digest, open_occurred_min,
              open_occurred_max, chain)
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
    applied_to = greatest(c.applied_to, b.next),
    occurred_at_max = b.occurred_at_max,
    open_events = b.open_events,
    open_digest = b.open_digest,
    open_occurred_min = b.open_occurred_min,
    open_occurred_max = b.open_occurred_max,
    chain = b.chain
FROM batch b JOIN locked l USING (log_partition)
WHERE c.log_partition = b.log_partition
  AND c.owner = b.owner
  AND c.next_offset = b.first
RETURNING c.log_partition, c.parked,
          -- Whether there are letters for replays to settle.
          EXISTS (SELECT FROM dead_letter WHERE state = 'replaying')
