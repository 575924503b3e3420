-- One terminal, epoch and seq with another event_id: each event after the first that was received, and
-- the first, as consumers name them in identity_conflict. {rows} is all rows and collisions; as event_ids.sql.
WITH repeated AS (
    SELECT terminal_id, terminal_epoch, terminal_seq
    FROM {rows} s
    WHERE terminal_seq IS NOT NULL
    GROUP BY terminal_id, terminal_epoch, terminal_seq
    HAVING count(*) > 1
), placed AS (
    SELECT s.log_partition, s.log_offset, s.event_id,
           first_value(s.log_partition) OVER first AS other_partition,
           first_value(s.log_offset) OVER first AS other_offset,
           first_value(s.event_id) OVER first AS other_event_id
    FROM {rows} s JOIN repeated r USING (terminal_id, terminal_epoch, terminal_seq)
    WINDOW first AS (
        PARTITION BY terminal_id, terminal_epoch, terminal_seq
        ORDER BY s.received_at, s.log_partition, s.log_offset)
)
SELECT log_partition, log_offset, other_partition, other_offset
FROM placed
WHERE event_id <> other_event_id
