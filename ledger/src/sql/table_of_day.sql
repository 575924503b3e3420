SELECT to_regclass('access_log_' || to_char(date 'epoch' + $1::int, 'YYYYMMDD'))::text
