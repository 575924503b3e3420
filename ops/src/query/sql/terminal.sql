SELECT occurred_at, card_id, zone_id, direction,
       CASE WHEN granted THEN 'granted' ELSE 'denied' END AS decision, reasons, notes, live,
       received_at
FROM analyst.access_event
WHERE terminal_id = $1 AND occurred_at >= $2 AND occurred_at < $3
ORDER BY occurred_at, card_id
LIMIT $4
