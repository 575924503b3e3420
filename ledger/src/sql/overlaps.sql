-- What of these counters is in the ledger already, by days, the latest first.
SELECT k.nth, l.day - date 'epoch', l.seen * k.seen
FROM unnest($1::text[], $2::int[], $3::int8multirange[])
         WITH ORDINALITY AS k (terminal_id, terminal_epoch, seen, nth)
CROSS JOIN LATERAL (
    SELECT day, seen FROM terminal_ledger
    WHERE terminal_id = k.terminal_id AND terminal_epoch = k.terminal_epoch
      AND upper(seen) > lower(k.seen) AND lower(seen) < upper(k.seen) AND seen && k.seen
    OFFSET 0
) AS l
ORDER BY k.nth, l.day DESC
