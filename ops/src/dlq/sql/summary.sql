SELECT d.reason, d.stage, d.terminal_id,
       count(*) AS letters,
       count(*) FILTER (WHERE d.state = 'open') AS open,
       count(*) FILTER (WHERE d.state = 'replaying') AS replaying,
       count(*) FILTER (WHERE d.compensate_at IS NOT NULL AND d.settled_at IS NULL) AS by_themselves,
       coalesce(sum(d.replay_count), 0)::bigint AS failed_again,
       min(d.created_at) AS first_at,
       max(d.created_at) AS last_at,
       (array_agg(d.dead_letter_id ORDER BY d.created_at DESC))[1] AS example
FROM dead_letter d
