-- Columns of a view that analysts read, in their order.
SELECT a.attname AS name, t.typname AS type, a.atttypmod AS modifier
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass(format('analyst.%I', $1::text))
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
