-- The first deltas, up to the one with which there are $1 events; $2 at most.
DELETE FROM ledger_delta
WHERE id = ANY (ARRAY(
    SELECT id
    FROM (SELECT id, sum(events) OVER (ORDER BY id) - events AS before
          FROM (SELECT id, events FROM ledger_delta ORDER BY id LIMIT $2) AS first) AS running
    WHERE before < $1::bigint))
RETURNING id, terminal_ids, terminal_epochs, occurred_from, occurred_to, ends, seqs
