-- Goes on behind what is gone. The new owner voids every claim that stands.
UPDATE consumer_offset
SET owner = gen_random_uuid(), owner_name = 'gatelog offsets accept-loss', claimed_at = clock_timestamp(),
    lost = lost + ($2 - next_offset),
    next_offset = $2,
    applied_to = greatest(applied_to, $2),
    open_events = $3, open_digest = $4, open_occurred_min = $5, open_occurred_max = $6,
    chain = $7
WHERE log_partition = $1 AND next_offset < $2
