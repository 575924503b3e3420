-- Letters that were there at $9, in an order that stays: one that is merged after the one that it is
-- merged into, so that a file can be imported from its start. Those after $10 to $13.
SELECT d.dead_letter_id,
       (coalesce(length(d.key), 0) + coalesce(length(d.value), 0)
        + coalesce(length(d.amended_value), 0) + pg_column_size(d.header_names)
        + pg_column_size(d.header_values))::bigint AS bytes,
       d.merged_into IS NOT NULL AS merged, d.created_at::text AS created_at,
       d.log_partition, d.log_offset
FROM dead_letter d
