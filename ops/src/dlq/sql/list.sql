SELECT d.dead_letter_id, d.state, d.version, d.stage, d.reason, d.sqlstate, d.message, d.terminal_id,
       d.occurred_at, d.log_partition, d.log_offset, d.created_at, d.tries, d.replay_count,
       d.lease_until, d.settled_at, d.compensations, d.compensate_at,
       d.amended_value IS NOT NULL AS amended
FROM dead_letter d
