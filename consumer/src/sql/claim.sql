-- Claim: this line tells a session that only waits for a claim from one that holds what it waits for.
WITH locked AS (
    SELECT log_partition
    FROM consumer_offset
    WHERE log_partition = ANY ($1::int[])
    ORDER BY log_partition
    FOR UPDATE
)
UPDATE consumer_offset c
SET owner = $2::uuid, owner_name = $3::text, claimed_at = clock_timestamp()
FROM locked l
WHERE c.log_partition = l.log_partition
RETURNING c.log_partition, c.next_offset, c.applied_to, c.occurred_at_max, c.open_events, c.open_digest,
          c.open_occurred_min, c.open_occurred_max, c.chain, c.parked
