SELECT c.relname AS name
FROM pg_class c
WHERE c.relnamespace = to_regnamespace('analyst')
  AND c.relkind = 'v'
  AND EXISTS (SELECT FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attname IN ('day', 'occurred_at'))
ORDER BY c.relname
