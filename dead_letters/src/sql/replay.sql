WITH wanted AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS w (dead_letter_id, version)
), held AS (
    -- In the order of their ids: two who want the same letters never wait for each other in a ring.
    -- Whoever waited here sees the version that the other left, and lets the letter go.
    SELECT d.dead_letter_id, d.version
    FROM dead_letter d JOIN wanted USING (dead_letter_id, version)
    WHERE (d.state = 'open' OR (d.state = 'replaying' AND d.lease_until < now()))
      -- A topic would refuse it, for ever.
      AND record_bytes(coalesce(d.amended_key, d.key), coalesce(d.amended_value, d.value),
                       coalesce(d.amended_header_names, d.header_names),
                       coalesce(d.amended_header_values, d.header_values)) <= $10
    ORDER BY d.dead_letter_id
    FOR UPDATE OF d
), begun AS (
    UPDATE dead_letter d
    SET state = 'replaying',
        version = d.version + 1,
        lease_until = clock_timestamp() + $3::bigint * interval '1 millisecond'
    FROM held
    WHERE d.dead_letter_id = held.dead_letter_id AND d.version = held.version
    RETURNING d.*
), noted AS (
    INSERT INTO dead_letter_action (dead_letter_id, actor, action, reason, version, detail)
    SELECT dead_letter_id, $6, $7, $8, version,
           jsonb_build_object('replay', replay_count + 1, 'amended', amended_value IS NOT NULL)
    FROM begun
), left_to_publish AS (
    -- Its kind is what the column says by itself: operators may not say another.
    INSERT INTO outbox
        (log_partition, log_offset, key, value, header_names, header_values, since)
    SELECT log_partition, log_offset,
           -- Amended as a whole or not at all; the original may have no key or value.
           coalesce(amended_key, key), coalesce(amended_value, value),
           kept.names || ARRAY[$4::bytea, $5::bytea, $9::bytea],
           kept.values || ARRAY[convert_to((replay_count + 1)::text, 'UTF8'),
                                convert_to(dead_letter_id::text, 'UTF8'),
                                convert_to(version::text, 'UTF8')],
           clock_timestamp()
    FROM begun
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(h.name ORDER BY h.nth), '{}') AS names,
               coalesce(array_agg(h.value ORDER BY h.nth), '{}') AS values
        FROM unnest(coalesce(amended_header_names, header_names),
                    coalesce(amended_header_values, header_values))
             WITH ORDINALITY AS h (name, value, nth)
        WHERE h.name <> $4 AND h.name <> $5 AND h.name <> $9
    ) AS kept
    -- A lease that ran out while Kafka was away: if what was left then is published after all, it is
    -- the same event.
    ON CONFLICT (log_partition, log_offset, kind) DO UPDATE
    SET key = excluded.key,
        value = excluded.value,
        header_names = excluded.header_names,
        header_values = excluded.header_values,
        since = excluded.since,
        expires_at = NULL
        -- Whether it is taken stays: the one before may come still.
)
SELECT dead_letter_id FROM begun
