SELECT p.log_partition, p.log_offset, p.key, p.value, p.header_names, p.header_values, p.published_at
FROM unnest($1::int[], $2::bigint[]) AS k (log_partition, log_offset)
JOIN parked_event p USING (log_partition, log_offset)
ORDER BY p.log_partition, p.log_offset
