-- The dead letters of replays that failed again, at $2 and $3, are those of their first letters $1,
-- whatever has become of these: as long as it is the same event.
UPDATE dead_letter d
SET state = 'merged', version = d.version + 1, settled_at = clock_timestamp(),
    merged_into = f.dead_letter_id, compensate_at = NULL
FROM (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[])
        AS a (dead_letter_id, log_partition, log_offset)
    -- As whoever else locks several of them.
    ORDER BY dead_letter_id
) AS a
JOIN dead_letter f USING (dead_letter_id)
WHERE d.log_partition = a.log_partition AND d.log_offset = a.log_offset
  AND d.state = 'open' AND d.dead_letter_id <> f.dead_letter_id
  AND f.state <> 'merged'
  AND (d.value IS NOT DISTINCT FROM f.value OR d.value = f.amended_value)
