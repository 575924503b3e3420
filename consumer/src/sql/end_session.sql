-- A number may have been given to another session since: the name tells.
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE pid = $1::int AND application_name = $2::text
