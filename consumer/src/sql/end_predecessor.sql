-- Ends the sessions of our own kind that the session $1 waits for.
SELECT a.application_name, pg_terminate_backend(a.pid)
FROM pg_stat_activity a
WHERE a.pid = ANY (pg_blocking_pids($1::int))
  AND starts_with(a.application_name, $2::text)
  -- Only those that Postgres lets us end: of our own login, unless ours may do more.
  AND pg_has_role(a.usesysid, 'USAGE')
  -- Not those that wait for the same row before us: they hold nothing.
  AND NOT starts_with(a.query, '-- Claim:')
