-- $1 card_id, $2 terminal_id, $3 when; infinity is what stands. The history has a span for each
-- state of card and permissions together; each half is in force since the first span of its version.
WITH span AS (
    SELECT *,
           lag(until) OVER in_time IS DISTINCT FROM since AS begins,
           lag(card_version) OVER in_time AS card_before,
           lag(access_version) OVER in_time AS access_before
    FROM user_access_history
    WHERE card_id = $1 AND since <= $3
    WINDOW in_time AS (ORDER BY since)
), permission AS (
    SELECT * FROM span WHERE $3 < until OR until = 'infinity'
), shared AS (
    SELECT *, (state ->> 'version')::bigint AS version FROM shared_history
    WHERE since <= $3 AND ($3 < until OR until = 'infinity')
), terminal AS (
    SELECT * FROM shared WHERE kind = 'terminal' AND key = $2
)
SELECT 'card' AS kind, p.card_id AS id, p.card_version AS version, f.since, f.clock
FROM permission p, LATERAL (
    SELECT since, clock FROM span WHERE begins OR card_before <> card_version
    ORDER BY since DESC LIMIT 1
) f
UNION ALL
SELECT 'user_access', p.card_id, p.access_version, f.since, f.clock
FROM permission p, LATERAL (
    SELECT since, clock FROM span WHERE begins OR access_before <> access_version
    ORDER BY since DESC LIMIT 1
) f
WHERE p.access_version > 0
UNION ALL
SELECT kind, key, version, since, clock FROM terminal
UNION ALL
SELECT z.kind, z.key, z.version, z.since, z.clock
FROM terminal t JOIN shared z ON z.kind = 'zone' AND z.key = t.state ->> 'zone_id'
UNION ALL
SELECT s.kind, s.key, s.version, s.since, s.clock
FROM permission p JOIN shared s ON s.kind = 'schedule' AND s.key = p.schedule_id
