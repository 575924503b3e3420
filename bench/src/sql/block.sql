-- One card is stolen.
UPDATE card SET state = 'stolen' WHERE card_id = $1
