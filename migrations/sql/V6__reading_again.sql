-- The same offset keeps its outcome when it is read again, and one identity means one event.

ALTER TABLE consumer_offset ADD COLUMN applied_to bigint NOT NULL DEFAULT 0;
UPDATE consumer_offset SET applied_to = next_offset;
COMMENT ON COLUMN consumer_offset.applied_to IS
    'Offsets before this one may have their outcome already: the log is being read again up to here.';

CREATE TABLE identity_conflict (
    log_partition integer NOT NULL,
    log_offset bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('event_id_reused', 'payload_differs', 'counter_reused')),
    other_partition integer NOT NULL,
    other_offset bigint NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (log_partition, log_offset, kind)
);
COMMENT ON TABLE identity_conflict IS
    'Two events of the log that claim to be one, or one terminal''s counter seen twice: a sender is at fault. Both are kept as what they are.';
COMMENT ON COLUMN identity_conflict.kind IS
    'event_id_reused: one event_id with another card or time; payload_differs: one identity (event_id, card, time) that says something else; counter_reused: one terminal, epoch and seq.';
