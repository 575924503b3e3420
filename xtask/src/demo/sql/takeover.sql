-- When the last of a killed consumer's partitions was claimed by another; no row while one is not.
SELECT (extract(epoch FROM max(claimed_at)) * 1000000)::bigint AS claimed_us
FROM consumer_offset
WHERE log_partition = ANY ($1::int[])
HAVING bool_and(owner_name <> $2::text)
