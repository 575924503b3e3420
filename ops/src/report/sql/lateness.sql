-- Terminals by how long their swipes took to the gateway, the slowest first.
SELECT l.terminal_id, l.zone_id, l.swipes, l.offline, l.late,
       (extract(epoch FROM l.delay_p50) * 1000)::bigint AS p50_ms,
       (extract(epoch FROM l.delay_p99) * 1000)::bigint AS p99_ms,
       (extract(epoch FROM l.delay_max) * 1000)::bigint AS max_ms
FROM analyst.terminal_lateness_between(
    $1::text::date::timestamp AT TIME ZONE 'UTC', $2::text::date::timestamp AT TIME ZONE 'UTC') l
ORDER BY l.delay_p99 DESC, l.terminal_id
LIMIT $3
