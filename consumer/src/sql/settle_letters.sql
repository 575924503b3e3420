-- What became of replays: $1 the letters, $2 their new states, $3 and $4 where each replay stands. Only
-- letters that are being replayed: one that was settled meanwhile stays as it is, and then a dead
-- letter of its replay stands for itself.
WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[])
        AS a (dead_letter_id, state, log_partition, log_offset)
), locked AS (
    SELECT d.dead_letter_id, d.version
    FROM dead_letter d
    WHERE d.dead_letter_id = ANY ($1::uuid[]) AND d.state = 'replaying'
    ORDER BY d.dead_letter_id
    FOR UPDATE
), settled AS (
    UPDATE dead_letter d
    SET state = a.state,
        version = d.version + 1,
        lease_until = NULL,
        settled_at = CASE WHEN a.state <> 'open' THEN clock_timestamp() END,
        replay_count = d.replay_count + CASE WHEN a.state = 'open' THEN 1 ELSE 0 END
    FROM locked l JOIN asked a USING (dead_letter_id)
    WHERE d.dead_letter_id = l.dead_letter_id AND d.version = l.version
    RETURNING d.dead_letter_id, d.version, a.state, a.log_partition, a.log_offset
), merged AS (
    UPDATE dead_letter d
    SET state = 'merged', version = d.version + 1, settled_at = clock_timestamp(),
        merged_into = s.dead_letter_id, compensate_at = NULL
    FROM settled s
    WHERE s.state = 'open'
      AND d.log_partition = s.log_partition AND d.log_offset = s.log_offset
      AND d.state = 'open' AND d.dead_letter_id <> s.dead_letter_id
)
INSERT INTO dead_letter_action (dead_letter_id, actor, action, version, detail)
SELECT dead_letter_id, $5::text,
       CASE state WHEN 'open' THEN 'failed_again' ELSE state END, version,
       jsonb_build_object('log_partition', log_partition, 'log_offset', log_offset)
FROM settled
