-- From swipe to row: up to the gateway by the terminal's own count, where it was connected; what it
-- kept while it was not is no slowness of ours. From there on by the clocks of gateway and server.
SELECT occurred_at, terminal_id, zone_id, live, to_row_ms, received_at, committed_at, log_partition,
       log_offset, event_id
FROM (
    SELECT e.*,
           (extract(epoch FROM e.committed_at - e.received_at) * 1000)::bigint
               + CASE WHEN e.online THEN coalesce(e.age_ms, 0) ELSE 0 END AS to_row_ms
    FROM analyst.access_event e
    WHERE e.occurred_at >= $1 AND e.occurred_at < $2
) e
WHERE to_row_ms IS NOT NULL
ORDER BY to_row_ms DESC, occurred_at
LIMIT $3
