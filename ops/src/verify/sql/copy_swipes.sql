-- {table} is a day of access_log, or collision; {only} says which of its rows.
COPY (
    SELECT t.log_partition, t.log_offset, t.event_id, t.card_id, t.terminal_id, t.terminal_epoch,
           t.terminal_seq, t.occurred_at, t.age_ms, t.received_at, t.direction, t.online,
           t.locally_granted
    FROM {table} t
    WHERE {only}
) TO STDOUT (FORMAT binary)
