-- Adds what has come of a day ($1); but no more ranges to one that has $6 bytes of them.
INSERT INTO terminal_ledger AS l (terminal_id, terminal_epoch, day, seen, events)
SELECT k.terminal_id, k.terminal_epoch, date 'epoch' + $1::int, k.seen, k.events
FROM unnest($2::text[], $3::int[], $4::int8multirange[], $5::bigint[])
         AS k (terminal_id, terminal_epoch, seen, events)
ON CONFLICT (terminal_id, terminal_epoch, day) DO UPDATE
SET events = l.events + excluded.events,
    seen = CASE WHEN pg_column_size(l.seen) < $6::int THEN l.seen + excluded.seen ELSE l.seen END
