SELECT at, actor, action, reason, version, detail
FROM dead_letter_action
WHERE dead_letter_id = $1
ORDER BY id DESC
LIMIT 1001
