INSERT INTO identity_conflict (log_partition, log_offset, kind, other_partition, other_offset)
SELECT *
FROM unnest($1::int[], $2::bigint[], $3::text[], $4::int[], $5::bigint[])
ON CONFLICT DO NOTHING
