-- Outcomes before the target of each partition, less what log_base counts. For the other tables of
-- outcomes their name stands in the place of access_log.
SELECT o.log_partition, count(*)
FROM access_log o
JOIN unnest($1::int[], $2::bigint[], $3::bigint[]) AS t (log_partition, base, target) USING (log_partition)
WHERE o.log_offset >= t.base AND o.log_offset < t.target
GROUP BY o.log_partition
