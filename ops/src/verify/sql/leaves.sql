-- Days that stand: attached, or detached and not dropped yet.
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relname::text AS table_name,
       i.inhrelid IS NOT NULL AS attached
FROM pg_class parent
JOIN pg_namespace n ON n.oid = parent.relnamespace
JOIN pg_class c ON c.relnamespace = parent.relnamespace AND c.relkind = 'r'
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = parent.oid
WHERE parent.oid = 'access_log'::regclass
  AND (i.inhrelid IS NOT NULL OR c.relname ~ '^access_log_[0-9]{8}$')
ORDER BY c.relname
