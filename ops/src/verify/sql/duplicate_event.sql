SELECT log_partition, log_offset, digest
FROM duplicate_event
WHERE ($1::int IS NULL OR log_partition = $1) AND log_offset >= $2 AND log_offset < $3
