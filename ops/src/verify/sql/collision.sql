SELECT log_partition, log_offset, event_id, card_id, terminal_id, terminal_epoch, terminal_seq,
       occurred_at, age_ms, received_at, direction, online, locally_granted
FROM collision
WHERE ($1::int IS NULL OR log_partition = $1) AND log_offset >= $2 AND log_offset < $3
