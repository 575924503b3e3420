SELECT owner_name, array_agg(log_partition ORDER BY log_partition)
FROM consumer_offset
GROUP BY owner_name
ORDER BY count(*) DESC, owner_name
