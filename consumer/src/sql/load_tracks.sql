SELECT card_id, zones, inside, since, entered_at, denied_at, locked_from, locked_until
FROM card_state
WHERE card_id = ANY ($1::text[])
