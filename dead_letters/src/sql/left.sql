SELECT count(*) FILTER (WHERE state = 'open' AND compensations >= $1),
       count(*) FILTER (WHERE compensate_at IS NOT NULL)
FROM dead_letter
WHERE settled_at IS NULL
