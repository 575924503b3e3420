SELECT occurred_at, zone_id, zone_name, terminal_id, direction,
       CASE WHEN granted THEN 'granted' ELSE 'denied' END AS decision, reasons, notes, live
FROM analyst.access_event
WHERE card_id = $1 AND occurred_at >= $2 AND occurred_at < $3
ORDER BY occurred_at
LIMIT $4
