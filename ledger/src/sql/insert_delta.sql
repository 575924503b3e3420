INSERT INTO ledger_delta
    (events, terminal_ids, terminal_epochs, occurred_from, occurred_to, ends, seqs)
VALUES ($1, $2, $3, $4, $5, $6, $7)
