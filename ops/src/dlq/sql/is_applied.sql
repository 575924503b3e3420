SELECT EXISTS (SELECT FROM access_log WHERE occurred_at = $1 AND card_id = $2 AND event_id = $3)
    OR EXISTS (SELECT FROM collision WHERE occurred_at = $1 AND card_id = $2 AND event_id = $3)
