SELECT count(*), count(*) FILTER (WHERE NOT granted),
       coalesce(sum(hash_record_extended(a, 0)::numeric), 0)::text
FROM access_log a
