SELECT log_partition, log_offset, key, value
FROM dead_letter
WHERE ($1::int IS NULL OR log_partition = $1) AND log_offset >= $2 AND log_offset < $3
