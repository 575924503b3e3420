WITH locked AS (
    SELECT d.dead_letter_id, d.state, d.log_partition, d.log_offset
    FROM dead_letter d
    WHERE d.dead_letter_id = $1
      AND d.version = $2
      AND (d.state = 'open' OR (d.state = 'replaying' AND d.lease_until < now()))
    FOR UPDATE OF d
), unread AS (
    -- A replay that no consumer has read yet: what has been read may be in Kafka, and come.
    SELECT l.dead_letter_id, o.log_partition, o.log_offset
    FROM outbox o JOIN locked l USING (log_partition, log_offset)
    WHERE o.kind = 'replay'
      -- Of an open letter, what became of its replay is known: the row is a leftover.
      AND (NOT o.taken OR l.state = 'open')
    ORDER BY o.log_partition, o.log_offset
    FOR UPDATE OF o
), held AS (
    SELECT l.dead_letter_id
    FROM locked l
    WHERE l.state = 'open' OR l.dead_letter_id IN (SELECT dead_letter_id FROM unread)
), amended AS (
    UPDATE dead_letter d
    SET state = 'open',
        version = d.version + 1,
        lease_until = NULL,
        -- What an operator has made of it is for the operator to send.
        compensate_at = NULL,
        amended_key = $3,
        amended_value = $4,
        amended_header_names = $5,
        amended_header_values = $6
    FROM held
    WHERE d.dead_letter_id = held.dead_letter_id AND d.version = $2
    RETURNING d.dead_letter_id, d.version
), noted AS (
    INSERT INTO dead_letter_action (dead_letter_id, actor, action, reason, version, detail)
    SELECT dead_letter_id, $7, $8, $9, version, $10 FROM amended
), taken_back AS (
    DELETE FROM outbox o USING unread u
    WHERE (o.log_partition, o.log_offset, o.kind) = (u.log_partition, u.log_offset, 'replay')
)
SELECT version FROM amended
