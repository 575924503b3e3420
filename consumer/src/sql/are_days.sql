-- How many of these tables are days of access_log, as of now.
SELECT count(*)
FROM pg_inherits
WHERE inhparent = 'access_log'::regclass
  AND NOT inhdetachpending
  AND inhrelid = ANY ($1::text[]::regclass[])
