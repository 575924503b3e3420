-- Adds what has come of day $1.
INSERT INTO terminal_ledger AS l (terminal_id, terminal_epoch, block, day, seen, events)
SELECT k.terminal_id, k.terminal_epoch, k.block, date 'epoch' + $1::int, k.seen, k.events
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::int8multirange[], $6::bigint[])
         AS k (terminal_id, terminal_epoch, block, seen, events)
ON CONFLICT (terminal_id, terminal_epoch, block, day) DO UPDATE
SET seen = l.seen + excluded.seen, events = l.events + excluded.events
