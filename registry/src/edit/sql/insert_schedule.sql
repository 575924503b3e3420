INSERT INTO schedule (schedule_id, definition)
VALUES ($1, $2)
ON CONFLICT (schedule_id) DO NOTHING
RETURNING version
