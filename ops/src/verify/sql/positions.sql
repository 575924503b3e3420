SELECT c.log_partition, c.first_offset, c.next_offset, c.applied_to,
       c.rows, c.collisions, c.duplicates, c.dead, c.parked, c.gaps, c.lost,
       c.open_events, c.open_digest, c.open_occurred_min, c.open_occurred_max, c.chain,
       b.first_bucket, b.chain AS base_chain,
       b.rows AS base_rows, b.collisions AS base_collisions, b.duplicates AS base_duplicates,
       b.dead AS base_dead, 0::bigint AS base_parked, b.gaps AS base_gaps, b.lost AS base_lost
FROM consumer_offset c
LEFT JOIN log_base b USING (log_partition)
