-- One event_id with another card or time: each event after the first in the log, and the first.
-- {rows} is all rows and collisions. What does not fit into work_mem is sorted or hashed on disk; the
-- rows are read twice, so that only what repeats carries more than its id.
WITH repeated AS (
    SELECT event_id FROM {rows} s GROUP BY event_id HAVING count(*) > 1
), placed AS (
    SELECT s.log_partition, s.log_offset, s.occurred_at, s.card_id,
           first_value(s.log_partition) OVER first AS other_partition,
           first_value(s.log_offset) OVER first AS other_offset,
           first_value(s.occurred_at) OVER first AS other_occurred_at,
           first_value(s.card_id) OVER first AS other_card_id
    FROM {rows} s JOIN repeated r USING (event_id)
    WINDOW first AS (PARTITION BY event_id ORDER BY s.log_partition, s.log_offset)
)
SELECT log_partition, log_offset, other_partition, other_offset
FROM placed
WHERE (occurred_at, card_id) <> (other_occurred_at, other_card_id)
