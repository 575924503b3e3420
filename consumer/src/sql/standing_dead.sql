SELECT d.log_partition, d.log_offset
FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS b (log_partition, first, next)
JOIN dead_letter d USING (log_partition)
WHERE d.log_offset >= b.first AND d.log_offset < b.next
