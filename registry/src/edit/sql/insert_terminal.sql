INSERT INTO terminal (terminal_id, zone_id, direction)
VALUES ($1, $2, $3)
ON CONFLICT (terminal_id) DO NOTHING
RETURNING version
