SELECT card_id,
       max(since) FILTER (WHERE zone_id = $1) AS since,
       max(zone_id) FILTER (WHERE is_innermost) AS innermost_zone,
       max(last_pass_at) AS last_pass_at
FROM analyst.presence($2::timestamptz, $2::timestamptz - $3::timestamptz)
GROUP BY card_id
HAVING bool_or(zone_id = $1)
ORDER BY since, card_id
LIMIT $4
