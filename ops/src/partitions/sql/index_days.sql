-- The days that are a part of access_log: whether each is over, $1 seconds after its end, and whether it
-- has an index of a card's rows, valid or left behind by a worker that was killed.
SELECT c.relname AS name,
       (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC'
           + make_interval(secs => $1) <= now() AS is_over,
       EXISTS (
           SELECT FROM pg_index x
           WHERE x.indrelid = c.oid AND x.indisvalid AND x.indpred IS NULL
             AND x.indkey::text = k.columns
       ) AS is_indexed,
       EXISTS (
           SELECT FROM pg_index x JOIN pg_class n ON n.oid = x.indexrelid
           WHERE x.indrelid = c.oid AND NOT x.indisvalid AND n.relname = c.relname || '_card'
       ) AS is_broken
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
CROSS JOIN LATERAL (
    SELECT concat_ws(' ', max(attnum) FILTER (WHERE attname = 'card_id'),
                          max(attnum) FILTER (WHERE attname = 'occurred_at')) AS columns
    FROM pg_attribute
    WHERE attrelid = c.oid
) k
WHERE i.inhparent = 'access_log'::regclass AND NOT i.inhdetachpending
  AND c.relname ~ '^access_log_[0-9]{8}$'
ORDER BY c.relname DESC
