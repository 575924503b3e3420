INSERT INTO card (card_id, state, valid_from, valid_until)
VALUES ($1, $2, $3, $4)
ON CONFLICT (card_id) DO NOTHING
RETURNING version
