SELECT card_id, since, until, state, valid_from, valid_until, zones, schedule_id
FROM user_access_history
WHERE card_id = ANY ($1::text[])
ORDER BY card_id, since
