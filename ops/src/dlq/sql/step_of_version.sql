SELECT jsonb_build_object('action', action, 'at', at, 'actor', actor, 'reason', reason)
FROM dead_letter_action
WHERE dead_letter_id = $1 AND version = $2
ORDER BY id DESC
LIMIT 1
