-- A partition's seals up to the last bucket that lost events with their days: how many events each had,
-- and how many of them are gone or dead letters, which stay.
SELECT s.bucket, s.chain, s.events, d.bucket IS NOT NULL AS is_dropped,
       coalesce(d.rows + d.collisions + d.duplicates, 0) + (
           SELECT count(*)
           FROM dead_letter l
           WHERE l.log_partition = s.log_partition
             AND l.log_offset >= s.bucket * $2 AND l.log_offset < (s.bucket + 1) * $2) AS accounted
FROM log_seal s
LEFT JOIN dropped_sum d USING (log_partition, bucket)
WHERE s.log_partition = $1
  AND s.bucket <= (SELECT max(bucket) FROM dropped_sum WHERE log_partition = $1)
ORDER BY s.bucket
