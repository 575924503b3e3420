-- What is known of events that would be published: $1 to $4, one a row, in their order.
SELECT EXISTS (
           SELECT FROM access_log a
           WHERE a.occurred_at = w.occurred_at AND a.card_id = w.card_id AND a.event_id = w.event_id
       ) OR EXISTS (
           SELECT FROM collision c
           WHERE c.occurred_at = w.occurred_at AND c.card_id = w.card_id AND c.event_id = w.event_id
       ) AS is_there,
       EXISTS (SELECT FROM terminal t WHERE t.terminal_id = w.terminal_id) AS registered,
       w.occurred_at >= (SELECT oldest_day::timestamp AT TIME ZONE 'UTC' FROM retention)
           AND w.occurred_at <= now() + interval '1 day' AS in_range
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])
    WITH ORDINALITY AS w (event_id, card_id, terminal_id, occurred_at, nth)
ORDER BY w.nth
