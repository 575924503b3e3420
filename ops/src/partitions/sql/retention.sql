SELECT to_char(oldest_day, 'YYYY-MM-DD'), to_char(gone_before, 'YYYY-MM-DD'),
       to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')
FROM retention
