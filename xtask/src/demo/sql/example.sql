-- A card that may pass now, and a terminal where it may.
SELECT card_id, terminal_id
FROM card
JOIN user_access USING (card_id)
JOIN terminal ON zone_id = ANY (zones)
WHERE state = 'enabled'
  AND coalesce(valid_from, '-infinity') <= now()
  AND coalesce(valid_until, 'infinity') > now()
ORDER BY card_id, terminal_id
LIMIT 1
