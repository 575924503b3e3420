SELECT count(*) FILTER (WHERE compensations >= $1 AND (state = 'open' OR lease_until < now())),
       count(*) FILTER (WHERE compensate_at IS NOT NULL)
FROM dead_letter
WHERE settled_at IS NULL
