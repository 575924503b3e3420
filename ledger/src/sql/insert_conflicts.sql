INSERT INTO identity_conflict (log_partition, log_offset, kind, other_partition, other_offset)
SELECT k.log_partition, k.log_offset, 'counter_reused', k.other_partition, k.other_offset
FROM unnest($1::int[], $2::bigint[], $3::int[], $4::bigint[])
         AS k (log_partition, log_offset, other_partition, other_offset)
ON CONFLICT DO NOTHING
