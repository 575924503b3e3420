-- $1 card_id, $2 terminal_id, $3 when; infinity is what stands
WITH permission AS (
    SELECT * FROM user_access_history
    WHERE card_id = $1 AND since <= $3 AND ($3 < until OR until = 'infinity')
), shared AS (
    SELECT *, (state ->> 'version')::bigint AS version FROM shared_history
    WHERE since <= $3 AND ($3 < until OR until = 'infinity')
), terminal AS (
    SELECT * FROM shared WHERE kind = 'terminal' AND key = $2
)
SELECT 'card' AS kind, card_id AS id, card_version AS version, since, clock FROM permission
UNION ALL
SELECT 'user_access', card_id, access_version, since, clock FROM permission
WHERE access_version > 0
UNION ALL
SELECT kind, key, version, since, clock FROM terminal
UNION ALL
SELECT z.kind, z.key, z.version, z.since, z.clock
FROM terminal t JOIN shared z ON z.kind = 'zone' AND z.key = t.state ->> 'zone_id'
UNION ALL
SELECT s.kind, s.key, s.version, s.since, s.clock
FROM permission p JOIN shared s ON s.kind = 'schedule' AND s.key = p.schedule_id
