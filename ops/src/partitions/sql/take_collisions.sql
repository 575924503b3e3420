WITH taken AS (
    SELECT occurred_at, card_id, event_id
    FROM collision
    WHERE occurred_at < $1::text::date::timestamp AT TIME ZONE 'UTC'
    ORDER BY occurred_at, card_id, event_id
    LIMIT $2
)
DELETE FROM collision c
USING taken s
WHERE (c.occurred_at, c.card_id, c.event_id) = (s.occurred_at, s.card_id, s.event_id)
RETURNING c.*
