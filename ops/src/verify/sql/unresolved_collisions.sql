-- {rows} is all days that stand; {only} says which collisions.
SELECT d.log_partition, d.log_offset, d.occurred_at
FROM collision d
WHERE {only}
  AND NOT EXISTS (
        SELECT FROM {rows} a
        WHERE a.occurred_at = d.occurred_at AND a.card_id = d.card_id
          AND a.log_partition = d.log_partition AND a.log_offset = d.row_offset
          AND a.log_offset < d.log_offset)
