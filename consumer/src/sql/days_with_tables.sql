-- Of these days, those whose table is there: attached, or set apart with all its rows.
SELECT DISTINCT d
FROM unnest($1::int[]) AS d
WHERE to_regclass('access_log_' || to_char(date 'epoch' + d, 'YYYYMMDD')) IS NOT NULL
