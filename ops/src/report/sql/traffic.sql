-- Swipes by hour from the start of the span on, and zone.
SELECT (extract(epoch FROM t.hour - $1::text::date::timestamp AT TIME ZONE 'UTC') / 3600)::int AS nth,
       t.zone_id, t.zone_name,
       sum(t.granted)::bigint AS granted, sum(t.denied)::bigint AS denied
FROM analyst.traffic t
WHERE t.day >= $1::text::date AND t.day < $2::text::date
GROUP BY 1, 2, 3
ORDER BY 1, 2
