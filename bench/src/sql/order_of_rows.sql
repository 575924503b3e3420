SELECT xmin::text::bigint, log_partition FROM access_log
