-- Rows by decision, denied ones by their primary reason: the lowest bit, whose name stands in the
-- column's comment.
WITH name AS (
    SELECT match[1]::int AS bit, match[2] AS reason
    FROM pg_attribute
    CROSS JOIN regexp_matches(col_description(attrelid, attnum), '(\d+) ([a-z_]+)', 'g') AS match
    WHERE attrelid = 'access_log'::regclass AND attname = 'reasons'
), decision AS (
    SELECT granted, reasons::int & -reasons::int AS bit, count(*) AS rows
    FROM access_log
    GROUP BY 1, 2
)
SELECT CASE WHEN granted THEN 'granted' ELSE coalesce(reason, 'reason ' || bit) END, sum(rows)::bigint
FROM decision
LEFT JOIN name USING (bit)
GROUP BY granted, 1
ORDER BY granted DESC, 2 DESC, 1
