INSERT INTO offset_gap (log_partition, first_offset, end_offset)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[])
ON CONFLICT DO NOTHING
