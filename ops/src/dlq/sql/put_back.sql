INSERT INTO dead_letter
    (dead_letter_id, log_partition, log_offset, stage, reason, message, sqlstate, tries,
     key, value, header_names, header_values, published_at, created_at, state, version,
     event_id, card_id, terminal_id, occurred_at, replay_count, merged_into, settled_at,
     compensations, compensate_at,
     amended_key, amended_value, amended_header_names, amended_header_values)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
        $21, $22, $23, $24, $25, $26, $27, $28, $29)
