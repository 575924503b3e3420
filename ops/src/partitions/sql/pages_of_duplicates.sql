SELECT pg_relation_size('duplicate_event') / current_setting('block_size')::bigint
