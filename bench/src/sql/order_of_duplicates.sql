SELECT xmin::text::bigint, log_partition FROM duplicate_event
