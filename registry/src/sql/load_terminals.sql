SELECT terminal_id, zone_id
FROM terminal
WHERE terminal_id = ANY ($1::text[])
