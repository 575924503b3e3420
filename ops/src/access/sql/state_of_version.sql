-- $1 table, $2 id, $3 version; null is the one that stands
SELECT state
FROM (
    SELECT since, until, state, (state ->> 'version')::bigint AS version
    FROM shared_history
    WHERE kind = $1 AND key = $2
    UNION ALL
    SELECT since, until,
           jsonb_build_object('state', state, 'valid_from', valid_from, 'valid_until', valid_until,
                              'version', card_version),
           card_version
    FROM user_access_history
    WHERE $1 = 'card' AND card_id = $2
    UNION ALL
    -- Version 0: the card has no permissions yet.
    SELECT since, until,
           jsonb_build_object('zones', zones, 'schedule_id', schedule_id,
                              'version', access_version),
           access_version
    FROM user_access_history
    WHERE $1 = 'user_access' AND card_id = $2 AND access_version > 0
) AS states
WHERE CASE WHEN $3::bigint IS NULL THEN until = 'infinity' ELSE version = $3 END
ORDER BY since DESC
LIMIT 1
