-- How far the log is read, and the seconds since the first claim; a row that nobody has claimed yet
-- has no owner_name.
SELECT coalesce(sum(next_offset), 0)::bigint,
       coalesce(extract(epoch FROM clock_timestamp() - min(claimed_at) FILTER (WHERE owner_name <> '')), 0)::float8
FROM consumer_offset
