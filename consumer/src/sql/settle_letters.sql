-- What became of replays: $1 the letters, $2 their new states, $3 and $4 where each replay stands, $6
-- the version that the letter got with it. Only letters that wait for just this replay: one that was
-- settled meanwhile, or sent once more, stays as it is.
WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $6::bigint[])
        AS a (dead_letter_id, state, log_partition, log_offset, version)
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
        compensate_at = CASE WHEN a.state = 'open' THEN d.compensate_at END,
        settled_at = CASE WHEN a.state <> 'open' THEN clock_timestamp() END,
        replay_count = d.replay_count + CASE WHEN a.state = 'open' THEN 1 ELSE 0 END
    FROM locked l JOIN asked a USING (dead_letter_id, version)
    WHERE d.dead_letter_id = l.dead_letter_id AND d.version = l.version
    RETURNING d.dead_letter_id, d.version, a.state, a.log_partition, a.log_offset
)
INSERT INTO dead_letter_action (dead_letter_id, actor, action, version, detail)
SELECT dead_letter_id, $5::text,
       CASE state WHEN 'open' THEN 'failed_again' ELSE state END, version,
       jsonb_build_object('log_partition', log_partition, 'log_offset', log_offset)
FROM settled
