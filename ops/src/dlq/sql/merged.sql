SELECT dead_letter_id, log_partition, log_offset, created_at, reason, message
FROM dead_letter
WHERE merged_into = $1
ORDER BY created_at, log_partition, log_offset
LIMIT 1000
