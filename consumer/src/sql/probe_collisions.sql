SELECT k.number, c.event_id, c.log_offset
FROM unnest($1::timestamptz[], $2::text[]) WITH ORDINALITY AS k (occurred_at, card_id, number)
JOIN collision c USING (occurred_at, card_id)
