SELECT log_partition, log_offset, card_id, opened_at, tries, next_try_at
FROM parked_event
WHERE log_partition = ANY ($1::int[])
ORDER BY log_partition, log_offset
