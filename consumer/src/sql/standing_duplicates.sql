SELECT log_partition, log_offset
FROM unnest($1::int[], $2::bigint[]) AS k (log_partition, log_offset)
JOIN duplicate_event d USING (log_partition, log_offset)
