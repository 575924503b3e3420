-- When how many cards came to be inside of something, or ceased to be: each card's stays, which may lie
-- in one another, as spans that do not. A stay whose end no reader saw counts for four hours at most:
-- where there are readers on the way in alone, everybody would stay over night.
WITH stay AS (
    SELECT card_id, entered_at,
           CASE WHEN ended_by = 'out' THEN left_at
                ELSE least(left_at, entered_at + interval '4 hours') END AS until
    FROM analyst.dwell_between(
        ($1::text::date - 1)::timestamp AT TIME ZONE 'UTC',
        $2::text::date::timestamp AT TIME ZONE 'UTC')
), inside AS (
    SELECT unnest(range_agg(tstzrange(entered_at, until))) AS span
    FROM stay
    WHERE entered_at < until
    GROUP BY card_id
), step AS (
    SELECT lower(span) AS at, 1 AS change FROM inside
    UNION ALL
    SELECT upper(span), -1 FROM inside
)
SELECT (extract(epoch FROM at) * 1000)::bigint AS at_ms, sum(change)::bigint AS change
FROM step
GROUP BY at
ORDER BY at
