SELECT d.dead_letter_id, d.version, d.state, d.reason, d.stage, d.replay_count,
       d.event_id, d.card_id, d.terminal_id, d.occurred_at, d.amended_value,
       d.state = 'replaying' AND d.lease_until >= now() AS under_way
FROM dead_letter d
