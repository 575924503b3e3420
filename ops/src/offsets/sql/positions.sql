SELECT log_partition, first_offset, next_offset, applied_to, parked,
       open_events, open_digest, open_occurred_min, open_occurred_max, chain
FROM consumer_offset
ORDER BY log_partition
