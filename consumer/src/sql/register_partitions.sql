-- A partition's first row; nobody owns it until it is claimed. All rows are made at once, before there
-- is any outcome; where there is one, a row was lost, and any offset that the log has now may have its
-- outcome already: it is looked for at each.
WITH lanes AS (
    -- Of a row that was lost: what waited there is read again.
    DELETE FROM parked_event e
    WHERE e.log_partition = ANY ($1::int[])
      AND NOT EXISTS (SELECT FROM consumer_offset c WHERE c.log_partition = e.log_partition)
)
INSERT INTO consumer_offset
    (log_partition, owner, owner_name, claimed_at, first_offset, next_offset, applied_to)
SELECT p.log_partition, '00000000-0000-0000-0000-000000000000', '', clock_timestamp(), p.low, p.low,
       CASE WHEN EXISTS (SELECT FROM log_seal s WHERE s.log_partition = p.log_partition)
              OR EXISTS (SELECT FROM dead_letter d WHERE d.log_partition = p.log_partition)
              OR EXISTS (SELECT FROM duplicate_event e
                         WHERE e.log_partition = p.log_partition AND e.run IS NOT NULL)
              OR EXISTS (SELECT FROM access_log)
            THEN p.high ELSE p.low END
FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS p (log_partition, low, high)
ORDER BY p.log_partition
ON CONFLICT DO NOTHING
