SELECT log_partition FROM log_base WHERE log_partition = ANY ($1::int[])
UNION
SELECT log_partition FROM dropped_sum WHERE log_partition = ANY ($1::int[])
ORDER BY log_partition
