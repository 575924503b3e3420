-- Goes back to the start of a bucket. applied_to stays: outcomes up to there stand, and
-- occurred_at_max with it. The new owner voids every claim that stands.
UPDATE consumer_offset
SET owner = gen_random_uuid(), owner_name = 'gatelog offsets reset', claimed_at = clock_timestamp(),
    next_offset = $2,
    rows = $3, collisions = $4, duplicates = $5, dead = $6, parked = 0, gaps = $7, lost = $8,
    open_events = 0, open_digest = decode(repeat('00', 16), 'hex'),
    open_occurred_min = NULL, open_occurred_max = NULL,
    chain = $9
WHERE log_partition = $1
