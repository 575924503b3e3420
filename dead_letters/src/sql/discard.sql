WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS w (dead_letter_id, version)
), locked AS (
    SELECT d.dead_letter_id, d.version, d.state, d.log_partition, d.log_offset
    FROM dead_letter d JOIN wanted USING (dead_letter_id, version)
    WHERE d.state = 'open' OR (d.state = 'replaying' AND d.lease_until < now())
    ORDER BY d.dead_letter_id
    FOR UPDATE OF d
), unread AS (
    -- Replays that no consumer has read yet: what has been read may be in Kafka, and come.
    SELECT l.dead_letter_id, o.log_partition, o.log_offset
    FROM outbox o JOIN locked l USING (log_partition, log_offset)
    WHERE o.kind = 'replay'
      -- Of an open letter, what became of its replay is known: the row is a leftover.
      AND (NOT o.taken OR l.state = 'open')
    ORDER BY o.log_partition, o.log_offset
    FOR UPDATE OF o
), held AS (
    SELECT l.dead_letter_id, l.version
    FROM locked l
    WHERE l.state = 'open' OR l.dead_letter_id IN (SELECT dead_letter_id FROM unread)
), given_up AS (
    UPDATE dead_letter d
    SET state = 'discarded',
        version = d.version + 1,
        lease_until = NULL,
        compensate_at = NULL,
        settled_at = clock_timestamp()
    FROM held
    WHERE d.dead_letter_id = held.dead_letter_id AND d.version = held.version
    RETURNING d.dead_letter_id, d.version
), noted AS (
    INSERT INTO dead_letter_action (dead_letter_id, actor, action, reason, version)
    SELECT dead_letter_id, $3, $4, $5, version FROM given_up
), taken_back AS (
    DELETE FROM outbox o USING unread u
    WHERE (o.log_partition, o.log_offset, o.kind) = (u.log_partition, u.log_offset, 'replay')
)
SELECT dead_letter_id FROM given_up
