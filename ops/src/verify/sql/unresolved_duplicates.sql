-- {rows} is all days that stand; {only} says which duplicates.
SELECT d.log_partition, d.log_offset, d.occurred_at
FROM duplicate_event d
WHERE {only}
  AND NOT EXISTS (
        SELECT FROM {rows} a
        WHERE a.occurred_at = d.occurred_at AND a.card_id = d.card_id AND a.event_id = d.event_id
          AND a.log_partition = d.log_partition AND a.log_offset = d.first_offset
          AND a.log_offset < d.log_offset)
  AND NOT EXISTS (
        SELECT FROM collision c
        WHERE c.occurred_at = d.occurred_at AND c.card_id = d.card_id AND c.event_id = d.event_id
          AND c.log_partition = d.log_partition AND c.log_offset = d.first_offset
          AND c.log_offset < d.log_offset)
