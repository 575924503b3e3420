-- Whether each decision is what the permissions say that it names: those of its clock.
WITH spans AS (
    SELECT card_id, state, zones, clock AS from_clock,
           lead(clock, 1, 9223372036854775807) OVER (PARTITION BY card_id ORDER BY clock) AS to_clock
    FROM user_access_history
)
SELECT count(*), count(*) FILTER (WHERE a.live), count(*) FILTER (WHERE NOT a.granted),
       count(*) FILTER (WHERE a.granted IS DISTINCT FROM (s.state = 'enabled' AND a.zone_id = ANY (s.zones)))
FROM access_log a
LEFT JOIN spans s ON s.card_id = a.card_id
    AND s.from_clock <= a.permission_clock AND a.permission_clock < s.to_clock
