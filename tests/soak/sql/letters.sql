-- All dead letters, the number of the poison that each was, and whether its terminal was registered
-- late.
SELECT log_partition, log_offset, state,
       convert_from(header_values[array_position(header_names, 'soak-poison'::bytea)], 'UTF8')::bigint,
       coalesce(terminal_id LIKE 't-later-%', false)
FROM dead_letter
