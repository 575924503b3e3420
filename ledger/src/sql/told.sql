-- Which of these came again more than $5 times on day $4.
SELECT k.nth
FROM unnest($1::text[], $2::int[], $3::bigint[])
         WITH ORDINALITY AS k (terminal_id, terminal_epoch, block, nth)
JOIN terminal_ledger l USING (terminal_id, terminal_epoch, block)
WHERE l.day = date 'epoch' + $4::int
  AND l.events - (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(l.seen) AS r) > $5::bigint
