WITH new AS (
    INSERT INTO dead_letter
        (dead_letter_id, log_partition, log_offset, stage, reason, message, key, value,
         header_names, header_values, published_at, sqlstate, tries,
         event_id, card_id, terminal_id, occurred_at, compensate_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
            CASE WHEN $18::boolean THEN now() + interval '5 seconds' END)
    -- The same offset read again has its outcome.
    ON CONFLICT DO NOTHING
    RETURNING *
)
INSERT INTO outbox (log_partition, log_offset, kind, key, value, header_names, header_values, since)
SELECT log_partition, log_offset, 'dead_letter',
       CASE WHEN $22::boolean THEN key END, CASE WHEN $23::boolean THEN value END,
       CASE WHEN $21::boolean THEN header_names ELSE '{}' END || $19::bytea[],
       CASE WHEN $21::boolean THEN header_values ELSE '{}' END || $20::bytea[],
       created_at
FROM new
