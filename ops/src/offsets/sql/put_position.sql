-- Moves a partition. applied_to never goes back: outcomes up to there stand, and occurred_at_max with
-- them. The new owner voids every claim that stands.
UPDATE consumer_offset
SET owner = gen_random_uuid(), owner_name = $2, claimed_at = clock_timestamp(),
    next_offset = $3,
    rows = $4, collisions = $5, duplicates = $6, dead = $7, parked = $8, gaps = $9, lost = $10,
    applied_to = greatest(applied_to, $3),
    open_events = $11, open_digest = $12, open_occurred_min = $13, open_occurred_max = $14,
    chain = $15
WHERE log_partition = $1
