SELECT d.dead_letter_id, d.version, d.state, d.reason, d.stage, i.terminal_id, d.replay_count,
       d.amended_value IS NOT NULL AS amended,
       d.state = 'replaying' AND d.lease_until >= now() AS under_way,
       EXISTS (
           SELECT FROM access_log a
           WHERE a.occurred_at = i.occurred_at AND a.card_id = i.card_id AND a.event_id = i.event_id
       ) OR EXISTS (
           SELECT FROM collision c
           WHERE c.occurred_at = i.occurred_at AND c.card_id = i.card_id AND c.event_id = i.event_id
       ) AS is_there,
       EXISTS (SELECT FROM terminal t WHERE t.terminal_id = i.terminal_id) AS registered,
       i.occurred_at >= (SELECT oldest_day::timestamp AT TIME ZONE 'UTC' FROM retention)
           AND i.occurred_at <= now() + interval '1 day' AS in_range
FROM dead_letter d
CROSS JOIN LATERAL (
    -- What a replay sends is what counts: of an edited letter, the event that was made of it.
    SELECT CASE WHEN said IS NULL THEN d.event_id ELSE (said ->> 'event_id')::uuid END AS event_id,
           CASE WHEN said IS NULL THEN d.card_id ELSE said ->> 'card_id' END AS card_id,
           CASE WHEN said IS NULL THEN d.terminal_id ELSE said ->> 'terminal_id' END AS terminal_id,
           CASE WHEN said IS NULL THEN d.occurred_at
                ELSE (said ->> 'occurred_at')::timestamptz END AS occurred_at
    FROM (SELECT convert_from(d.amended_value, 'UTF8')::json AS said) AS amended
) AS i
