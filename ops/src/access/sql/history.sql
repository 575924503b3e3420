SELECT since, until, state, valid_from, valid_until, zones, schedule_id, card_version,
       access_version, clock, changed_by
FROM user_access_history
WHERE card_id = $1
ORDER BY since
