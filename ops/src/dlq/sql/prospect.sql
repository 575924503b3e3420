SELECT d.dead_letter_id, d.version, d.state, d.reason, d.stage, d.replay_count,
       d.event_id, d.card_id, d.terminal_id, d.occurred_at, d.amended_value,
       d.state = 'replaying' AND d.lease_until >= now() AS under_way,
       record_bytes(coalesce(d.amended_key, d.key), coalesce(d.amended_value, d.value),
                    coalesce(d.amended_header_names, d.header_names),
                    coalesce(d.amended_header_values, d.header_values)) > $10::bigint AS too_large
FROM dead_letter d
