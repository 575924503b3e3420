UPDATE ledger_fold
SET next_at = clock_timestamp() + least($1 * (clock_timestamp() - now()), interval '1 hour')
