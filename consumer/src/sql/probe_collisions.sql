SELECT k.number, a.log_offset,
       a.terminal_id, a.terminal_epoch, a.terminal_seq, a.direction, a.online, a.locally_granted
FROM unnest($1::timestamptz[], $2::text[], $3::uuid[]) WITH ORDINALITY
    AS k (occurred_at, card_id, event_id, number)
JOIN collision a USING (occurred_at, card_id, event_id)
