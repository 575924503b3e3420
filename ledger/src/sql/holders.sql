-- Which events of a day, between these two moments, have which of these numbers.
SELECT k.nth, e.received_at, e.event_id, e.log_partition, e.log_offset
FROM unnest($1::text[], $2::int[], $3::bigint[])
         WITH ORDINALITY AS k (terminal_id, terminal_epoch, terminal_seq, nth)
JOIN (
    SELECT terminal_id, terminal_epoch, terminal_seq, received_at, event_id, log_partition, log_offset
    FROM {table} WHERE occurred_at BETWEEN $4 AND $5
    UNION ALL
    SELECT terminal_id, terminal_epoch, terminal_seq, received_at, event_id, log_partition, log_offset
    FROM collision WHERE occurred_at BETWEEN $4 AND $5
) AS e USING (terminal_id, terminal_epoch, terminal_seq)
