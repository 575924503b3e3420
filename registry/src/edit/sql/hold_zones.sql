-- The weakest lock that keeps other writers out: terminals that name a zone need not wait.
SELECT * FROM zone ORDER BY zone_id FOR NO KEY UPDATE
