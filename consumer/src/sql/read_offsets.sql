SELECT log_partition, owner, next_offset, applied_to, occurred_at_max, open_events, open_digest,
       open_occurred_min, open_occurred_max, chain
FROM consumer_offset
WHERE log_partition = ANY ($1::int[])
