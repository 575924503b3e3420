SELECT k.number, a.log_offset,
       a.terminal_id, a.terminal_epoch, a.terminal_seq, a.direction, a.online, a.locally_granted
FROM unnest($1::timestamptz[], $2::text[], $3::uuid[]) WITH ORDINALITY
    AS k (occurred_at, card_id, event_id, number)
CROSS JOIN LATERAL (
    SELECT * FROM collision
    WHERE occurred_at = k.occurred_at AND card_id = k.card_id AND event_id = k.event_id
    OFFSET 0
) AS a
