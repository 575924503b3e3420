WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS w (dead_letter_id, version)
), held AS (
    SELECT d.dead_letter_id, d.version
    FROM dead_letter d JOIN wanted USING (dead_letter_id, version)
    WHERE d.state = 'open' OR (d.state = 'replaying' AND d.lease_until < now())
    ORDER BY d.dead_letter_id
    FOR UPDATE OF d
), given_up AS (
    UPDATE dead_letter d
    SET state = 'discarded',
        version = d.version + 1,
        lease_until = NULL,
        compensate_at = NULL,
        settled_at = clock_timestamp()
    FROM held
    WHERE d.dead_letter_id = held.dead_letter_id AND d.version = held.version
    RETURNING d.dead_letter_id, d.log_partition, d.log_offset, d.version
), noted AS (
    INSERT INTO dead_letter_action (dead_letter_id, actor, action, reason, version)
    SELECT dead_letter_id, $3, $4, $5, version FROM given_up
), unsent AS (
    -- A replay whose lease ran out, and which Kafka has not got yet, must not come after all.
    DELETE FROM outbox o USING given_up g
    WHERE (o.log_partition, o.log_offset, o.kind) = (g.log_partition, g.log_offset, 'replay')
)
SELECT dead_letter_id FROM given_up
