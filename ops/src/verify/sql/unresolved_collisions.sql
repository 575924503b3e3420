SELECT c.log_partition, c.log_offset
FROM collision c
WHERE NOT EXISTS (
        SELECT FROM access_log a
        WHERE a.occurred_at = c.occurred_at AND a.card_id = c.card_id
          AND a.log_partition = c.log_partition AND a.log_offset = c.row_offset)
