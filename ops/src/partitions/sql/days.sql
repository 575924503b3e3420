-- Every table that is, or was, a day of access_log.
SELECT c.relname AS name,
       CASE WHEN c.reltuples < 0 THEN pg_stat_get_live_tuples(c.oid) ELSE c.reltuples::bigint END AS rows,
       coalesce(pg_total_relation_size(c.oid), 0) AS bytes,
       i.inhrelid IS NOT NULL AS is_partition,
       coalesce(i.inhdetachpending, false) AS is_pending
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'access_log'::regclass
WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'access_log'::regclass)
  AND c.relkind = 'r'
  AND c.relname ~ '^access_log_[0-9]{8}$'
ORDER BY c.relname
