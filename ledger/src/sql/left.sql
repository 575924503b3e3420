SELECT coalesce(sum(events), 0)::bigint, EXISTS (SELECT FROM ledger_fold) FROM ledger_delta
