//! Letters as a consumer would leave them.

use tokio_postgres::Client;
use uuid::Uuid;

/// A thousand letters at most of one terminal, at the offsets from 0 on, due for compensation.
pub(crate) const UNKNOWN_TERMINAL: &str = "
    INSERT INTO dead_letter
        (dead_letter_id, log_partition, log_offset, stage, reason, message, key, value,
         header_names, header_values, event_id, card_id, terminal_id, occurred_at, compensate_at)
    SELECT gen_random_uuid(), n % 4, n, 'decide', 'unknown_terminal', 'no such terminal', 'card-1',
           '{}', ARRAY['ce_id'::bytea, 'gatelog-replay', 'gatelog-dlq-id', 'odd'],
           ARRAY['1'::bytea, '7', 'another', NULL],
           gen_random_uuid(), 'card-1', 'door-9', now(), now() - n * interval '1 ms'
    FROM generate_series(0, $1::int - 1) AS n";

/// Registers the terminal.
pub(crate) const HEALED: &str = "
    INSERT INTO zone VALUES ('hall', 'Hall');
    INSERT INTO terminal VALUES ('door-9', 'hall', 'in')";

pub(crate) async fn unknown_terminal(client: &Client, count: i32) -> Vec<(Uuid, i64)> {
    client.execute(UNKNOWN_TERMINAL, &[&count]).await.unwrap();
    let all = "SELECT dead_letter_id, version FROM dead_letter ORDER BY log_offset";
    let rows = client.query(all, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

pub(crate) async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// What a consumer does when a replay failed: for all that are under way.
pub(crate) const FAIL_AGAIN: &str = "
    DELETE FROM outbox;
    UPDATE dead_letter SET state = 'open', lease_until = NULL, version = version + 1,
                           replay_count = replay_count + 1
    WHERE state = 'replaying'";
