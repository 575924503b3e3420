-- Days that are over and have a table, of a span.
SELECT to_char(day, 'YYYY-MM-DD') AS day
FROM analyst.day
WHERE day BETWEEN $1::text::date AND $2::text::date
ORDER BY day
