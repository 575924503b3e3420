-- How far back each partition may go as far as dropped days are concerned, and what was summed up of
-- the offsets before.
SELECT o.log_partition, b.first_bucket, b.chain, d.bucket_max,
       coalesce(b.rows, 0) + coalesce(d.rows, 0) AS rows,
       coalesce(b.collisions, 0) + coalesce(d.collisions, 0) AS collisions,
       coalesce(b.duplicates, 0) + coalesce(d.duplicates, 0) AS duplicates,
       coalesce(b.dead, 0) AS dead, coalesce(b.gaps, 0) AS gaps, coalesce(b.lost, 0) AS lost
FROM consumer_offset o
LEFT JOIN log_base b USING (log_partition)
LEFT JOIN (
    SELECT log_partition, max(bucket) AS bucket_max, sum(rows)::bigint AS rows,
           sum(collisions)::bigint AS collisions, sum(duplicates)::bigint AS duplicates
    FROM dropped_sum
    GROUP BY log_partition
) d USING (log_partition)
ORDER BY o.log_partition
