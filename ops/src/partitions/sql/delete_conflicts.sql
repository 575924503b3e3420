DELETE FROM identity_conflict i
USING unnest($1::int[], $2::bigint[]) AS k (log_partition, log_offset)
WHERE (k.log_partition, k.log_offset) = (i.log_partition, i.log_offset)
