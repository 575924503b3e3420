SELECT i.log_partition, i.log_offset, i.other_partition, i.other_offset
FROM unnest($1::int[], $2::bigint[]) AS k (log_partition, log_offset)
JOIN identity_conflict i USING (log_partition, log_offset)
WHERE i.kind = 'counter_reused'
