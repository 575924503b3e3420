SELECT dead_letter_id, log_partition, log_offset, created_at, reason, message
FROM dead_letter
WHERE merged_into = $1
ORDER BY created_at DESC, log_partition DESC, log_offset DESC
LIMIT 1001
