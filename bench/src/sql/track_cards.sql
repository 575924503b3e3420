-- Anti-passback that records and a lockout that nobody comes to: each swipe moves its card's state,
-- and no decision becomes another one.
UPDATE zone
SET antipassback = 'soft', antipassback_two_way = true,
    lockout_denials = 20, lockout_within_ms = 3600000, lockout_for_ms = 1000
