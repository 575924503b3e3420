-- Other zones for one card.
UPDATE user_access SET zones = $2 WHERE card_id = $1
