SELECT count(*), coalesce(sum(hash_record_extended(d, 0)::numeric), 0)::text
FROM duplicate_event d
