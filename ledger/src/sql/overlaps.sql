-- Of each of these the numbers that are in the ledger already, on the latest day of which some are.
SELECT k.nth, l.day - date 'epoch', l.seen * k.seen
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int8multirange[])
         WITH ORDINALITY AS k (terminal_id, terminal_epoch, block, seen, nth)
CROSS JOIN LATERAL (
    SELECT day, seen FROM terminal_ledger
    WHERE terminal_id = k.terminal_id AND terminal_epoch = k.terminal_epoch AND block = k.block
      AND day >= date 'epoch' + $5::int AND seen && k.seen
    ORDER BY day DESC
    LIMIT 1
) AS l
