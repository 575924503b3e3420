INSERT INTO dead_letter
    (dead_letter_id, log_partition, log_offset, stage, reason, message, key, value,
     header_names, header_values, published_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
-- The same offset read again has its outcome.
ON CONFLICT DO NOTHING
