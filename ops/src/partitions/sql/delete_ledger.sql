DELETE FROM terminal_ledger
WHERE ctid = ANY (ARRAY(SELECT ctid FROM terminal_ledger WHERE day < $1::text::date LIMIT $2))
