WITH held AS (
    SELECT d.dead_letter_id
    FROM dead_letter d
    WHERE d.dead_letter_id = $1
      AND d.version = $2
      AND (d.state = 'open' OR (d.state = 'replaying' AND d.lease_until < now()))
    FOR UPDATE OF d
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
    RETURNING d.dead_letter_id, d.log_partition, d.log_offset, d.version
), noted AS (
    INSERT INTO dead_letter_action (dead_letter_id, actor, action, reason, version, detail)
    SELECT dead_letter_id, $7, $8, $9, version, $10 FROM amended
), unsent AS (
    -- A replay whose lease ran out, and which Kafka has not got yet: it is the old event.
    DELETE FROM outbox o USING amended a
    WHERE (o.log_partition, o.log_offset, o.kind) = (a.log_partition, a.log_offset, 'replay')
)
SELECT version FROM amended
