SELECT c.occurred_at, c.card_id, c.event_id, c.log_offset
FROM unnest($1::timestamptz[], $2::text[]) AS k (occurred_at, card_id)
JOIN collision c USING (occurred_at, card_id)
