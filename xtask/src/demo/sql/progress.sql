SELECT coalesce(sum(rows + collisions + duplicates + dead), 0)::bigint AS applied,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
FROM consumer_offset
