SELECT count(DISTINCT e.card_id) AS cards,
       count(DISTINCT e.terminal_id) AS terminals,
       count(*) FILTER (WHERE NOT e.live) AS late,
       count(*) FILTER (WHERE e.locally_granted AND NOT e.granted) AS let_in,
       count(*) FILTER (WHERE NOT e.locally_granted AND e.granted) AS kept_out,
       (SELECT count(*) FROM analyst.collision_event c
        WHERE c.occurred_at >= $1::text::date::timestamp AT TIME ZONE 'UTC'
          AND c.occurred_at < $2::text::date::timestamp AT TIME ZONE 'UTC') AS collisions,
       $2::text::date::timestamp AT TIME ZONE 'UTC' <= now() AS is_over
FROM analyst.access_event e
WHERE e.occurred_at >= $1::text::date::timestamp AT TIME ZONE 'UTC'
  AND e.occurred_at < $2::text::date::timestamp AT TIME ZONE 'UTC'
