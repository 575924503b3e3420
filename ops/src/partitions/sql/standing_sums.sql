SELECT d.*
FROM dropped_sum d
JOIN unnest($1::int[], $2::bigint[]) AS k (log_partition, bucket) USING (log_partition, bucket)
FOR UPDATE OF d
