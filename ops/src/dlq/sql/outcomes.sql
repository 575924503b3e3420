SELECT dead_letter_id, state, replay_count
FROM dead_letter
WHERE dead_letter_id = ANY ($1) AND state <> 'replaying'
