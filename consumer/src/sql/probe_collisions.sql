SELECT k.number, c.log_offset
FROM unnest($1::timestamptz[], $2::text[], $3::uuid[]) WITH ORDINALITY
    AS k (occurred_at, card_id, event_id, number)
JOIN collision c USING (occurred_at, card_id, event_id)
