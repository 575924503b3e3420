INSERT INTO zone (zone_id, name, mode, antipassback, antipassback_two_way, antipassback_timed_ms,
                  lockout_denials, lockout_within_ms, lockout_for_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (zone_id) DO NOTHING
RETURNING version
