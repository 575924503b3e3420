INSERT INTO parked_event
    (log_partition, log_offset, card_id, opened_at, tries, next_try_at,
     key, value, header_names, header_values, published_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
