INSERT INTO user_access (card_id, zones, schedule_id)
VALUES ($1, $2, $3)
ON CONFLICT (card_id) DO NOTHING
RETURNING version
