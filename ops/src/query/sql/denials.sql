SELECT occurred_at, card_id, zone_id, zone_name, terminal_id, reasons, live
FROM analyst.access_event
WHERE NOT granted AND occurred_at >= $1 AND occurred_at < $2
ORDER BY occurred_at, card_id
LIMIT $3
