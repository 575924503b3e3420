-- A partition's first row; nobody owns it until it is claimed.
INSERT INTO consumer_offset (log_partition, owner, owner_name, claimed_at, first_offset, next_offset)
SELECT p.log_partition, '00000000-0000-0000-0000-000000000000', '', clock_timestamp(), p.start, p.start
FROM unnest($1::int[], $2::bigint[]) AS p (log_partition, start)
ORDER BY p.log_partition
ON CONFLICT DO NOTHING
