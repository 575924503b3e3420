-- Denied swipes by their first reason.
SELECT d.reason, count(*) AS swipes
FROM analyst.denial d
WHERE d.is_primary
  AND d.occurred_at >= $1::text::date::timestamp AT TIME ZONE 'UTC'
  AND d.occurred_at < $2::text::date::timestamp AT TIME ZONE 'UTC'
GROUP BY d.reason
ORDER BY swipes DESC, d.reason
