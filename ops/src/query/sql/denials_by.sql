SELECT {by}, count(*) AS swipes, count(DISTINCT card_id) AS cards,
       min(occurred_at) AS first_at, max(occurred_at) AS last_at
FROM analyst.denial
WHERE is_primary AND occurred_at >= $1 AND occurred_at < $2
GROUP BY {by}
ORDER BY swipes DESC, {by}
LIMIT $3
