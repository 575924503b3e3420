SELECT *
FROM consumer_offset
WHERE $1::int[] IS NULL OR log_partition = ANY ($1)
ORDER BY log_partition
